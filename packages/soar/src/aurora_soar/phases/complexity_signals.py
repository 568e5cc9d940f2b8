"""Words that show the complexity of a request, each list beside the weight that it earns in `assess`.

Every list holds one regular expression per line.
"""

from __future__ import annotations

from typing import Final

from aurora_soar.question.word_patterns import any_of

__all__ = [
    "ACTIONS",
    "ANALYSIS",
    "ANALYSIS_WEIGHT",
    "BUILD",
    "BUILD_WEIGHT",
    "CHANGE",
    "CHANGE_WEIGHT",
    "CONSTRAINTS",
    "CONSTRAINT_WEIGHT",
    "DEMANDING_FIELDS",
    "DEMANDING_FIELD_WEIGHT",
    "HIGH_STAKES",
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

BUILD_WEIGHT: Final = 0.9
# Makes something new, or moves much of what exists.
BUILD: Final = any_of(r"""
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
    frontend
    backend
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

# --- What is at stake? These have no weight: a request that acts on something at stake is CRITICAL. ---

# Fields in which a mistake cannot be undone: safety, money, people's data.
HIGH_STAKES: Final = any_of(r"""
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

# Verbs that act on what is at stake, rather than ask how it works.
ACTIONS: Final = any_of(r"""
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
