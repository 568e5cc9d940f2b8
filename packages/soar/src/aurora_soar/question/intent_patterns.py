"""The words by which a request shows its intent, its size and its stakes: patterns only, no rule.

Every list holds one regular expression a line, matched case-insensitively as whole words. `question` and
`phases.assess` say what follows from a match.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "ANALYSE",
    "ASKS_CHANGE",
    "ASKS_DEBUG",
    "ASKS_PLAN",
    "ASKS_REVIEW",
    "BUILD",
    "CHANGE",
    "CONSTRAINT",
    "DEMANDING",
    "LOOK_UP",
    "NARROW",
    "STAKE",
    "STOP_WORDS",
    "TOUCH",
    "WIDE",
]


def _any_of(lines: str, *, start: bool = False) -> re.Pattern[str]:
    """One pattern of all lines; with `start`, only at the beginning of the request, after a polite word."""
    alternatives = "|".join(line.strip() for line in lines.splitlines() if line.strip())
    before = r"^\W*(?:(?:please|just|now|can you|could you|would you)\s+)*" if start else r"\b"
    return re.compile(rf"{before}(?:{alternatives})(?!\w)", re.IGNORECASE)


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that say nothing about what is looked for; the last two lines are how questions about code are put.
STOP_WORDS: Final = _words_of("""
    a about above across after again against all also although am an and another any anybody anything are aren't
    as at be because been before being below between both but by can can't cannot come could couldn't did didn't
    do does doesn't doing don't done down during each either else ever every everything few for from further get
    gets give gives given go goes going got had has hasn't have having he her here hers him his how however i if in
    instead into is isn't it it's its itself just let like many may me might more most much must my need needs
    neither never no nor not nothing now of off on once one only onto or other others our ours out over own part
    per please quite rather really same say see shall she should since so some somebody something still such
    take takes than that that's the their theirs them then there these they thing things this those though
    through to together too under until up upon us use used uses using usually very want was way we well were
    what what's when where whether which while who whom whose why will with within without won't would wouldn't
    you your yours
    actually code codebase exactly explain find first happen happens help know look made make makes mean means place
    project repository show shows tell work works
""")

# Asks for a judgement of code.
ASKS_REVIEW: Final = _any_of(r"""
    ^(?:please )?(?:review|audit|critique|assess|inspect)
    (?:do|perform|make) an? (?:\w+ )?(?:review|audit)
    code review
    is (?:it|this) (?:safe|secure|correct)
""")

# Something is wrong and the cause is wanted.
ASKS_DEBUG: Final = _any_of(r"""
    ^(?:please )?fix
    debug
    diagnose
    stack ?trace
    traceback
    crash(?:es|ed|ing)?
    fail(?:s|ed|ing)?(?! ?over)
    broken
    bugs?
    hang(?:s|ing)?
    deadlock(?:s|ed)?
    regression
    segfaults?
    leak(?:s|ing)?
    flaky
    wrong (?:result|order|value|answer|output)s?
    (?:not|doesn't|isn't|stopped) work(?:ing)?
    rais(?:e|es|ed|ing) (?:an? )?\w*(?:error|exception)
    (?:raise|throw)s? (?:an? )?[a-z]+(?:[A-Z][a-z]+)+
    (?:the|an?) \w+(?:Error|Exception)
""")

# A way to go is wanted, not yet the change.
ASKS_PLAN: Final = _any_of(r"""
    ^(?:please )?(?:plan|design|outline|propose|draft)
    roadmap
    strategy for
    migration plan
    architecture for
    how (?:should|could|can|would|might) (?:we|i|one|you)
    what (?:would|will) it take
""")

# A change is wanted.
ASKS_CHANGE: Final = _any_of(
    r"""
    (?:add|implement|build|create|write|introduce|refactor|rename|replace|extend|extract|support|port|convert|migrate)
    (?:move|remove|delete|drop|upgrade|bump|change|make|rewrite|split|merge|integrate|optimi[sz]e|enable|expose|wire)
    (?:improve|handle|restructure|redesign|decouple|deploy|set up|generate|develop|encrypt|store|rotate|patch)
    """,
    start=True,
)

# Makes something that was not there, or moves much of what is.
BUILD: Final = _any_of(r"""
    implement(?:s|ing)?
    build(?:ing)?
    (?:re-?)?architect(?:ure)?
    refactor(?:ing)?
    (?:re)?design(?:ing)?
    migrat(?:e|ing|ion)
    write (?:a|the|an|our) (?:\w+ )?(?:compiler|parser|engine|server|client|service|framework)
    write (?:a|the|an|our) (?:\w+ )?(?:library|system|backend|api)
    rewrite
    create
    develop
    integrate
    introduce
    port
    overhaul
    restructure
    modulari[sz]e
    decouple
    paralleli[sz]e
    add (?:full |native |first-class )?support
    set up
    deploy
    generate
    convert
    extract
    consolidate
    split the (?:monolith|module|package|service|application|app)
""")

# A bounded change.
CHANGE: Final = _any_of(r"""
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
""")

# Understands something.
ANALYSE: Final = _any_of(r"""
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
    reproduce
    evaluate
    assess
    summari[sz]e
    document
    tests?
""")

# Looks something up, or edits one line.
LOOK_UP: Final = _any_of(
    r"""
    (?:show|list|print|display|open|read|cat|view|find|get|count|run|grep)
    (?:format|sort|indent|commit|checkout|pull|stash|undo)
    where(?:'s)?
    which
    who
    when
    what(?:'s| is| are| was| were)(?! the (?:difference|impact|effect|reason|cause|flow))
    what (?:version|does .{1,40} (?:mean|stand for|return))
    is there
    does .{1,40} exist
    do we have
    how (?:many|much|long|often|old|big)
    delete (?:this|that|the) (?:line|comment|import|blank|file)
    rename (?:this |the |that |a |my )?(?:local )?(?:variable|function|parameter|method|file)
    rename (?:this |the |that |a |my )?(?:constant|field|argument|class|test)
    bump
    (?:fix|correct) (?:a|the|this|that) (?:typo|spelling|indentation|whitespace|lint)
    add (?:a |an |the )?(?:missing )?(?:comment|docstring|newline|semicolon|import|type hint|blank line|space|comma)
    remove (?:the |this |that |an? )?(?:unused|trailing|blank|debug|extra)
    change (?:the|this) (?:\w+ )?(?:colou?r|text|label|string|name|title|constant|default)
    update (?:the )?(?:version|copyright|year|date)
    capitali[sz]e
    uppercase
    lowercase
    explain this line
    """,
    start=True,
)

WIDE: Final = _any_of(r"""
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
    frontend
    backend
    full[- ]stack
""")

NARROW: Final = _any_of(r"""
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

CONSTRAINT: Final = _any_of(r"""
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

# Fields in which a mistake is easy to make and hard to see.
DEMANDING: Final = _any_of(r"""
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

# What a mistake here costs cannot be taken back: safety, money, people's data.
STAKE: Final = _any_of(r"""
    vulnerabilit\w+
    exploit(?:s|able|ed|ation)?
    cve(?:-[\d-]+)?
    zero-?day
    breach(?:ed|es)?
    xss
    csrf
    (?:sql |command |code )?injection
    ransomware
    privilege escalation
    remote code execution
    rce
    pen(?:etration)?[- ]?test\w*
    threat model\w*
    (?:pci|hipaa|gdpr|sox|soc ?2)(?:-dss)?
    security (?:audit|incident|hole|flaw|review|issue|bug|patch|fix|risk)s?
    (?:secrets?|credentials?|passwords?|certificates?|pii|personal data|card (?:data|numbers?))
    (?:api|private|signing|encryption) keys?
    access tokens?
    tokens? (?:was |were |has been |have been |is |are |got )?(?:leaked|stolen|exposed|compromised)
    (?:leaked|stolen|exposed|compromised) tokens?
    (?:two|multi)-factor
    2fa
    mfa
    (?:bypass|hijack|forge|spoof)(?:s|ed|ing|es)?
    (?:payments?|billing|invoices?|invoicing|payouts?|refunds?|payroll|ledger)
    (?:money|bank|wire|fund) transfers?
    (?:double[- ])?charg(?:e|es|ed|ing) (?:\w+ )?(?:customers?|users?|cards?|twice)
    double[- ]charg\w+
    credit cards?
    transfer(?:s|ring)? (?:money|funds)
    prod(?:uction)?(?:'s)? (?:\w+ )?(?:data(?:base)?s?|tables?|users?|deploy\w*|secrets?|keys?|credentials?)
    prod(?:uction)?(?:'s)? (?:\w+ )?(?:clusters?|servers?|systems?|outage|incident|traffic|environment|api)
    (?:deploy|roll ?back|release|ship|push|hotfix|restore)\w* (?:\S+ ){0,6}(?:in|on|to|from) (?:prod|production|live)
    (?:migrate|change|delete|drop|wipe|truncate|purge)\w* (?:\S+ ){0,6}(?:in|on|to|from) (?:prod|production|live)
    live (?:customer |user )?(?:data(?:base)?s?|tables?|traffic|system|site)
    (?:delete|drop|purge|wipe|truncate|erase|remove)\w* (?:\S+ ){0,3}(?:databases?|tables?|rows|records)
    (?:delete|drop|purge|wipe|destroy|remove)\w* (?:\S+ ){0,3}(?:users|customers?|accounts?|tenants?|user data)
    (?:delete|drop|purge|wipe|destroy|overwrite)\w* (?:\S+ ){0,3}(?:backups?|buckets?|volumes?|partitions?)
    irreversibl[ey]
    unrecoverabl[ey]
    permanently
    disaster recovery
    data (?:loss|corruption|leak)
    (?:lose|lost|losing|corrupt\w*) (?:\w+ )?data
    force[- ]push\w*
    rewrit\w+ (?:the )?(?:git )?history
    rm -rf
""")

# Acts upon what is at stake, rather than asking how it works.
TOUCH: Final = _any_of(r"""
    rotate
    revoke
    delete
    drop
    purge
    wipe
    erase
    destroy
    truncate
    deploy
    roll ?back
    encrypt
    decrypt
    store
    hash
    audit
    review
    harden
    secure
    reset
    patch
    process
    charge
    transfer
    restore
    recover
    prevent
    force[- ]push
    hotfix
    migrate
    rewrite
    overwrite
    leaked
    protect
    check
    test
    find
    do
    run
""")
