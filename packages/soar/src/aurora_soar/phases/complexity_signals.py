"""Words that describe what a request asks for, each list beside its weight in a dimension of `assess`.

Every list holds one regular expression per line.
"""

from __future__ import annotations

from typing import Final

from aurora_soar.question.word_patterns import any_of

__all__ = [
    "ANALYSIS",
    "ANALYSIS_WEIGHT",
    "BOUNDED",
    "BUILD",
    "BUILD_WEIGHT",
    "CHANGE",
    "CHANGE_WEIGHT",
    "CONSTRAINTS",
    "CONSTRAINT_WEIGHT",
    "DEMANDING_FIELDS",
    "DEMANDING_FIELD_WEIGHT",
    "LOOK_UP",
    "LOOK_UP_WEIGHT",
    "LOOK_UP_WITH_BUILD_WEIGHT",
    "NARROW_SCOPE",
    "NARROW_SCOPE_WEIGHT",
    "PLAN_WEIGHT",
    "WIDE_SCOPE",
    "WIDE_SCOPE_WEIGHT",
]

# --- What kind of work is it? The first of these that matches gives the dimension `keywords` its value. ---

LOOK_UP_WEIGHT: Final = 0.0
LOOK_UP_WITH_BUILD_WEIGHT: Final = 0.15
"""For a long request that looks something up in order to build with it."""
# Looks something up, or edits one line.
LOOK_UP: Final = any_of(
    r"""
    (?:show(?! an? )|list|print|display|open|read|cat|view|get|count|run|grep|look up|locate|search)
    find(?! out| (?:an? |the |all )?(?:\w+ )?(?:causes?|reasons?|bugs?|leaks?|problems?|bottlenecks?|ways?)\b| and )
    (?:tell|give) me (?:the |which |what |where |how many |a list )(?!(?:\w+ ){0,2}(?:difference|reason|cause))\w+
    (?:format|indent|commit|checkout|pull|stash|undo|git [a-z]+)
    sort (?:the |these |those )?(?:\w+ )?(?:imports|lines|keys|words|entries|names)(?! by)
    where(?:'s)?
    which(?!.*\bwhy\b)
    who
    when
    what(?:'s| is| are| was| were)(?! (?:the |our )?(?:difference|impact|effect|reason|cause|flow|pros|risk|step))
    what (?:version|does .{1,40} (?:mean|stand for|return|print|take))
    what (?:arguments|parameters|options|fields|columns|keys|licen[cs]e)
    what (?!happens)(?:[\w-]+ ){1,3}(?:does|do|did) .{1,40} (?:use|need|expect|read|write|have|run|listen)
    what does (?:\S+ ){1,4}do\W*$
    (?:is|are) there
    (?:is|are) (?:\S+ ){1,4}(?:pinned|installed|enabled|disabled|used|set|defined|documented|tested|deprecated)
    does .{1,40} (?:exist|have)
    (?:does|do) (?:\S+ ){1,3}(?:use|support|depend|require|ship|contain|include)
    do we have
    how (?:many|much|long|often|old|big)
    (?:delete|remove|comment out) (?:this |that |the |an? )?(?:\S+ ){0,3}(?:line|comment|import|semicolon)
    (?:delete|remove) (?:this |that |the |an? )?(?:\w+ )?(?:print|log|debug|file|blank|statement)
    <setting> (?:the )?(?:\S+ ){1,4}to (?:[\d.]+\w*|true|false|none|null|off|on)
    change [\"'`].{1,40}[\"'`] (?:to|into)
    remove (?:the |all |these )?(?:double |extra )?(?:semicolons?|commas?|spaces?|tabs|blank lines)
    remove (?:the |all |these )?(?:brackets|quotes|parentheses)
    (?:fix|correct) (?:the |a |this )?(?:misspel\w+|grammar|wording|capitali[sz]ation)
    (?:fix|correct) (?:the |a |this )?\w+ in (?:the|this) <remark>
    (?:swap|toggle|increment|decrement|uncomment)
    make (?:this|that|the) (?:function|method|field|class|variable|attribute) (?:private|public|static|final|const)
    rename [A-Za-z_.]+ (?:to|into|as) [A-Za-z_.]+\W*$
    rename (?:this |the |that |a |my )?(?:\w+ )?(?:property|module|folder|column) \S+ to
    rename (?:this |the |that |a |my )?(?:local )?<thing>
    bump
    (?:fix|correct) (?:an? |the |this |that )?(?:\w+ )?(?:typos?|spelling|indentation|whitespace|lint)
    add (?:a |an |the )?(?:\w+ )?(?:comment|docstring|newline|semicolon|import|type hint|blank line|space|comma)
    remove (?:the |this |that |an? )?(?:unused|trailing|blank|debug|extra)
    change (?:the|this) (?:\w+ )?(?:colou?r|text|label|string|name|title|constant|default)
    update (?:the )?(?:version|copyright|year|date)
    (?:turn|put|change|convert) (?:\S+ ){1,5}(?:in)?to (?:sentence|title|upper|lower|snake|camel|kebab) ?case
    (?:replace|change|fix|remove|delete|edit) (?:\S+ ){1,5}(?:in|on|from|at) line \d+
    make (?:the )?(?:\S+ ){1,3}\d+
    capitali[sz]e
    uppercase
    lowercase
    explain this line
    """,
    start=True,
    remark="comment docstring",
    setting="set increase decrease raise lower reduce change",
    thing="variable function parameter method file constant field argument class test",
)

BUILD_WEIGHT: Final = 0.9
# Makes something new, or moves much of what exists.
BUILD: Final = any_of(
    r"""
    implement(?:s|ing)?
    (?<!the )(?<!our )(?<!this )(?<!my )(?<!a )build(?:ing)?(?! <of_a_build>)
    (?:re-?)?architect(?:ure)?
    refactor(?:ing)?
    (?:re)?design(?:ing)?
    migrat(?:e|ing|ion)
    (?:write|make|provide) (?:a|the|an|our) (?:[\w-]+ ){0,4}<machinery>
    (?:add|support|provide) (?:[\w-]+ ){0,2}<ability>
    (?:we|i) (?:need|want) (?:[\w-]+ ){0,3}(?:support|<ability>)
    replace (?:our|the) (?:[\w-]+ ){1,5}with (?:one|an? [\w -]{2,30}|something|our own) (?:that|which)
    replace (?:our|the) (?:[\w-]+ ){0,4}(?:<machinery>|queue|layer|cache|store) (?:with|by)
    extend (?:the |our )?(?:[\w-]+ ){0,2}(?:language|type system|protocol|query planner|<machinery>)
    redo
    rewrite
    create
    develop
    integrate
    introduce
    internationali[sz](?:e|ation)
    locali[sz](?:e|ation)
    port(?! (?:is|number|\d))
    overhaul
    rework
    unify
    standardi[sz]e
    re-?engineer
    (?:turn|transform) .{1,60} into
    break (?:up|apart|down|.{1,60} (?:into|apart))
    (?:move|switch|transition) (?:\S+ ){0,6}(?:from .{1,40} to|onto)
    replace .{1,60} (?:in (?:all|every|each)|across|throughout|everywhere)
    restructure
    modulari[sz]e
    decouple
    paralleli[sz]e
    add (?:[\w-]+ )?support
    support (?:\w+ )?(?:plugins|extensions|themes|tenants|locales)
    upgrade .{1,60} (?:from .{1,20} to|and (?:fix|adapt|update) (?:everything|all))
    set up
    deploy
    generate
    convert
    extract
    consolidate
    separate .{1,40} from
    merge (?:the |our )?(?:two|three|both) .{1,40} into (?:one|an?)
    split the (?:monolith|module|package|service|application|app)
    """,
    of_a_build="is fails? breaks? warns? hangs? takes? stops? complains? scripts? files? logs? errors? warnings?",
    machinery="""
    compiler interpreter parser engine server client service framework library sdk system backend api platform
    optimi[sz]er generator scheduler debugger emulator extension plugin orm dashboard marketplace pipeline
    gateway proxy crawler editor simulator daemon broker bot
    """,
    ability="""
    collaboration replication sharding clustering federation multi-tenancy synchroni[sz]ation generics macros
    streaming versioning search
    """,
)

# A single thing of a known kind is built: no more than a bounded change.
BOUNDED: Final = any_of(
    r"""
    <making> (?:an?|the|one|this) (?:\S+ ){0,3}<piece>
    <remaking> (?:\S+ ){0,3}<passage>(?! <whole>)
    extract .{1,60} (?:in)?to (?:an?|its|their|one|the) (?:(?:own|new|separate|shared) )?(?:\w+ )?<piece>
    (?:convert|port|migrate|rewrite|refactor|restructure) (?:[\w-]+/)*[\w-]+\.[a-z]{1,4}
    (?:convert|extract|port|migrate|rewrite|refactor) this (?:\w+ ){0,2}\w+
    (?:create|generate|write) (?:an?|the|some|more|unit|regression) (?:\w+ ){0,2}tests?
    """,
    making="implement create build write generate extract develop",
    piece="""
    function method helper flag option button script decorator field constant variable enum fixture regex wrapper
    """,
    remaking="rewrite redo restructure redesign create design convert",
    passage="readme section paragraph sentence comment docstring message loop regex query icon",
    whole="engine planner builder layer system parser service language optimi[sz]er queue broker bus format",
)

PLAN_WEIGHT: Final = 0.75
"""For the intent to plan, whatever its words."""

ANALYSIS_WEIGHT: Final = 0.5
# Understands something.
ANALYSIS: Final = any_of(r"""
    why
    how
    explain
    debug
    analy[sz]e
    investigate
    trace
    compare
    differences?
    review
    understand
    diagnose
    profile
    walk me through
    describe
    vs
    versus
    what happens
    what causes
    what (?:is|went|goes) wrong
    (?:find|figure|work) out
    find the (?:\w+ )?(?:cause|reason|source|bottleneck)
    pros and cons
    reproduce
    evaluate
    assess
    summari[sz]e
    document
    tests?
""")

CHANGE_WEIGHT: Final = 0.55
# A bounded change.
CHANGE: Final = any_of(r"""
    add
    fix
    change
    update
    write
    extend
    replace
    improve
    optimi[sz]e
    remove
    handle
    support
    enable
    make
    speed up
    reduce
    cache
    validate
    upgrade
    move
    split
    merge
    enhance
    simplify
    clean ?up
    (?:show|display|log|raise|print) (?:an?|the)
    (?:return|hide|sort|refresh|allow|let|stop|skip|ignore|retry|respect|accept|reject|limit|round|trim)
    (?:correct|give(?! me)|cover|normali[sz]e|escape|disable|use|switch|catch|warn|redirect)
    (?:highlight|align|resize|rewrite|redo)
    log (?:who|when|what|how|every|each)
""")

# --- How much does it touch? Matches of these are counted. ---

WIDE_SCOPE_WEIGHT: Final = 0.5
"""Of each match, in the dimension `scope`."""
WIDE_SCOPE: Final = any_of(r"""
    all
    every(?:where)?
    entire
    whole
    across
    system-?wide
    end[- ]to[- ]end
    multiple
    several
    modules?
    services?
    packages?
    components?
    layers?
    codebase
    pipeline
    platform
    distributed
    framework
    architecture
    microservices?
    subsystems?
    monolith
    frontends?
    backends?
    throughout
    applications?
    languages
    multi-?language
    everything
    platforms
    machines
    offline
    code base
    plugin (?:system|api|architecture)
    with [\w -]{3,40}, [\w -]{3,40},? (?:and|or)
    producers and consumers
    client and server
    the (?:app|website|product)
    multi-?tenan\w+
    from scratch
    callers
    full[- ]stack
""")

NARROW_SCOPE_WEIGHT: Final = -0.5
"""Of any match, in the dimension `scope`."""
NARROW_SCOPE: Final = any_of(r"""
    this
    that line
    single
    line \d+
    typo
    variable
    a comment
    docstring
    constant
""")

CONSTRAINT_WEIGHT: Final = 0.5
"""Of each match, in the dimension `constraints`."""
CONSTRAINTS: Final = any_of(r"""
    without
    must(?:n't| not)?
    while (?:keeping|preserving|maintaining|still)
    backwards?[- ]compatib\w*
    ensur(?:e|ing)
    guarantee\w*
    at (?:least|most)
    not? (?:more|less|longer) than
    zero[- ]downtime
    should not
    unless
    but (?:keep|not|still)
    thread[- ]safe(?:ty)?
    atomic(?:ally)?
    idempotent
    real[- ]?time
    low[- ]latency
    throughput
    with (?:tests|retries|rollback|fallback|caching|authentication|pagination|invalidation)
    so that
""")

DEMANDING_FIELD_WEIGHT: Final = 0.5
"""Of each match, in the dimension `domain`."""
# Fields in which a mistake is easy to make and hard to see.
DEMANDING_FIELDS: Final = any_of(r"""
    secur(?:e|ity)
    authenticat\w*
    authori[sz]\w*
    oauth2?
    encrypt\w*
    cryptograph\w*
    concurren\w*
    race conditions?
    deadlocks?
    transactions?
    schemas?
    databases?
    performance
    scalab\w*
    consistency
    memory leaks?
    distributed
    permissions?
    compliance
    machine learning
    kubernetes
    cluster
""")
