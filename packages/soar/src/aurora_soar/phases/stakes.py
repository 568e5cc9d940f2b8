"""Words that show what is at stake in a request: safety, money, people's data, production.

They have no weight: a request that acts on something at stake is CRITICAL, a question about it is not. Every list
holds one regular expression per line.
"""

from __future__ import annotations

from typing import Final

from aurora_soar.question.word_patterns import any_of

__all__ = ["ACTED", "ACTIONS", "ASKS", "HIGH_STAKES"]

# A request that begins like this asks how something is, unless it also says what is to be done.
ASKS: Final = any_of(
    r"""
    (?:how|what|why|where|which|who|when|whose|does|do)
    (?:is|are|was|did|can|explain|describe|compare|summari[sz]e|trace)
    (?:show|list|tell|find|look up|walk|locate|print|count)
    """,
    start=True,
)

# Fields in which a mistake cannot be undone: safety, money, people's data.
HIGH_STAKES: Final = any_of(
    r"""
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
    (?:access|session|refresh|bearer) tokens?
    (?:api|ssh|tls|ssl|gpg|aws) (?:keys?|certs?)
    (?:compromised|hacked|attackers?|intruders?|malicious|phishing|spoofed)
    <making> (?:\S+ ){0,6}(?:oauth2?|saml|sso|openid|oidc|jwts?|single sign-?on|ldap)
    (?:<making>|change|fix) (?:\S+ ){0,6}(?:authenticat(?:ion|or|e)|authori[sz]ation|access control|permissions?)
    (?:admin|root|sudo|superuser) (?:rights|access|privileges|accounts?)
    (?:password|token|credential) (?:hash\w*|storage|reset\w*|rotation)
    (?:see|read|access|view|edit|reach) (?:\S+ )?(?:other|another) (?:users?|tenants?|customers?|accounts?)
    (?:see|read|access|view|edit|reach) (?:\S+ )?(?:each other's|someone else's) (?:users?'?s?|tenants?'?s?|\w+)?
    saniti[sz]e (?:\w+ )?(?:user )?inputs?
    anonymi[sz]\w+
    pseudonymi[sz]\w+
    encrypt\w* (?:\S+ ){0,4}(?:data|at rest|in transit|database|backups?|disks?)
    tokens? (?:was |were |has been |have been |is |are |got )?(?:leaked|stolen|exposed|compromised)
    (?:leaked|stolen|exposed|compromised) (?:tokens?|backups?|data|files?|keys?|dumps?)
    revoke (?:\S+ ){0,3}access
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
    prod(?:uction)?(?![- ](?:ready|code|builds?|mode|quality|grade|dependencies|bundle|logging|settings|like))
    (?:customers?|users?|patients?|employees)'?s? (?:e-?mails?|e-?mail addresses|addresses)
    (?:customers?|users?|patients?|employees)'?s? (?:databases?|health|salar\w+)
    (?:brute[- ]force|ddos|dos attacks?|attacks?|malware|spyware|ssrf|xxe|path traversal|clickjacking)
    harden(?:s|ed|ing)?
    (?:anonymous|unauthenticated|unauthori[sz]ed) (?:users?|visitors?|access|requests?|callers?)
    (?:implement|add|build|make|store|handle) (?:\S+ ){0,4}secure(?:ly)?
    (?:anti)?virus
    (?:restore|recover)\w* (?:\S+ ){0,6}(?:databases?|tables?|backups?|dumps?|snapshots?|data)
    (?:vat|tax(?:es)?|price|fee|salary|interest) calculations?
    (?:subscriptions?|wallets?|checkout) (?:payments?|billing|charges?)
    (?:session (?:hijacking|fixation)|open redirects?|man-in-the-middle)
    (?:identity|access) (?:provider|management)
    (?:end-to-end )?encryption
    (?:known )?cves
    (?:ssh|sshd|firewall|iptables|sudoers|tls|ssl) (?:config\w*|settings?|rules?|access|setup)
    (?:roll ?out|roll(?:ed|ing)? out|release|ship|launch)\w* (?:\S+ ){0,6}(?:every|all)(?: of)?(?: our)? <people>
    (?:copy|move|change|merge|restore|recover|import|export)\w* (?:\S+ ){0,3}<whose> (?:data|records)
    <whose> (?:data|records) (?:\S+ ){0,3}(?:lost|deleted|leaked|exposed|wrong|public)
    (?:stripe|paypal|adyen|braintree)
    prod(?:uction)?(?:'s)? (?:\w+ )?(?:clusters?|servers?|systems?|outage|incident|traffic|environment|api)
    (?:deploy|roll ?back|release|ship|push|hotfix|restore)\w* (?:\S+ ){0,6}(?:in|on|to|from) (?:prod|production|live)
    (?:migrate|change|delete|drop|wipe|truncate|purge)\w* (?:\S+ ){0,6}(?:in|on|to|from) (?:prod|production|live)
    live (?:[\w-]+ )?(?:data(?:base)?s?|tables?|traffic|systems?|sites?|servers?|instances?)
    <destroying>\w* (?:\S+ ){0,5}(?:databases?|tables?|rows|records)
    <destroying>\w* (?:\S+ ){0,3}(?:users|customers?|accounts?|tenants?|user data)
    <destroying>\w* (?:\S+ ){0,3}(?:backups?|buckets?|volumes?|partitions?|disks?)
    irreversibl[ey]
    unrecoverabl[ey]
    permanently
    disaster recovery
    data (?:loss|corruption|leak)
    (?:lose|lost|losing|corrupt\w*) (?:\w+ )?data
    force[- ]push\w*
    rewrit\w+ (?:the )?(?:git )?history
    rm -rf
    (?:shut(?:ting)? ?down|tear(?:ing)? ?down|decommission|terminate|deprovision|kill) (?:\S+ ){0,4}<machines>
    terraform destroy
    """,
    destroying="delete drop purge wipe truncate eras destroy overwrite remove",
    making=r"implement add build integrate introduce set\sup replace rewrite support",
    people="customers? users? clients?",
    whose="customers?'? users?'? client personal patient",
    machines="clusters? servers? hosts? nodes? instances? volumes? environments? accounts?",
)

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
    grant
    give
    saniti[sz]e
    anonymi[sz]e
    roll(?:ed)? out
    launch
    (?:shut|tear)(?:ting|ing)? ?down
    down
    committed
    pushed
    published
""")

# In a question, only these say that something is to be done, or has happened.
ACTED: Final = any_of(r"""
    and (?:then )?(?:fix|delete|remove|rotate|revoke|patch|deploy|drop|change|update|migrate|close)
    (?:attacker|intruder|hacker)s?
    (?:leaked|stolen|compromised|hacked|breached|lost)
    (?:is|are|went|goes) down
""")
