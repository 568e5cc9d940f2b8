"""The kinds of work there are around software, and the words by which each is known.

With these a subgoal has an ideal agent even where nobody of that kind is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["SPECIALITIES", "Speciality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speciality:
    """One kind of work.

    Attributes:
        id: names the ideal agent, for example "mobile-developer".
        does: what such an agent is for, a sentence.
        words: by which such work is known, in any order.
    """

    id: str
    does: str
    words: str


def _of(name: str, does: str, words: str) -> Speciality:
    return Speciality(id=name, does=does, words=words)


SPECIALITIES: Final[tuple[Speciality, ...]] = (
    _of(
        "test-engineer",
        "Designs, writes and repairs automated tests and judges what they cover.",
        "test tests testing unit integration end-to-end e2e acceptance regression coverage fixture mock stub "
        "assertion flaky suite pytest jest junit qa quality edge cases scenario property-based fuzz snapshot",
    ),
    _of(
        "security-engineer",
        "Finds and closes ways in which software could be attacked.",
        "security secure vulnerability cve exploit attack attacker injection xss csrf ssrf authentication "
        "authorisation authorization login password passwords hash hashed token session secrets credentials "
        "leak encryption tls permission sanitise threat penetration audit owasp holes harden",
    ),
    _of(
        "frontend-developer",
        "Builds what users see and use in the browser.",
        "frontend browser ui interface user react vue svelte angular component components css html stylesheet "
        "layout responsive form forms field button page modal dialog dropdown picker sidebar menu navigation "
        "theme dark mode accessible accessibility aria keyboard screen reader animation tooltip javascript "
        "dom client-side widget",
    ),
    _of(
        "backend-developer",
        "Builds services and the interfaces that other programs call.",
        "backend server service endpoint rest graphql rpc grpc api http handler route controller middleware "
        "webhook request response pagination rate limiting throttle queue worker background job cron business "
        "logic microservice session cookie e-mail email notification",
    ),
    _of(
        "database-engineer",
        "Designs how data is stored and asked for.",
        "database sql table column schema migration index query queries plan postgres postgresql mysql sqlite "
        "transaction foreign key constraint stored procedure orm join replication partition deadlock backup",
    ),
    _of(
        "devops-engineer",
        "Keeps builds, delivery and infrastructure running.",
        "devops ci continuous integration delivery pipeline build deploy deployment release rollback docker "
        "container image kubernetes helm terraform ansible infrastructure cloud aws azure gcp cluster "
        "monitoring alerting observability staging production environment github actions jenkins",
    ),
    _of(
        "technical-writer",
        "Explains software to its readers.",
        "documentation document documents docs readme tutorial guide manual changelog release notes docstring "
        "reference explain glossary diagram how-to getting started wiki faq comment comments prose",
    ),
    _of(
        "performance-engineer",
        "Finds out where time and memory go, and saves them.",
        "performance profile profiling bottleneck latency throughput slow speed faster benchmark memory cpu "
        "cache caching load optimise optimize hot path allocation startup measure milliseconds footprint",
    ),
    _of(
        "code-reviewer",
        "Judges changes before they are merged.",
        "review reviews reviewer pull request merge merged diff diffs patch change readability conventions "
        "feedback approve style consistency",
    ),
    _of(
        "product-manager",
        "Decides with users what is worth building.",
        "product requirement requirements user story stories acceptance criteria roadmap backlog prioritise "
        "prioritize priority stakeholder customer wishes survey interview scope feature features persona mvp "
        "market value",
    ),
    _of(
        "data-scientist",
        "Answers questions from data and trains models.",
        "data dataset analyse analyze analysis statistics statistical experiment hypothesis a/b conversion "
        "train training model predict predicts prediction forecast classifier regression clustering machine "
        "learning neural feature notebook pandas correlation pattern patterns anomaly churn evaluate",
    ),
    _of(
        "debugger",
        "Finds the cause of a fault and removes it.",
        "bug defect crash crashes fault failure error hang hangs freeze deadlock race condition leak root "
        "cause trace stack traceback exception reproduce reproduction bisect diagnose wrong result "
        "intermittent segfault corrupt track down find why broken",
    ),
    _of(
        "software-architect",
        "Decides how a system is cut into parts and how they meet.",
        "architecture architectural module boundary boundaries decouple coupling monolith microservices "
        "design pattern decision record adr trade-off layering interface contract event-driven domain-driven",
    ),
    _of(
        "refactoring-specialist",
        "Changes the shape of code and keeps what it does.",
        "refactor refactoring rename extract inline simplify duplicate duplication dead code legacy clean "
        "cleanup modernise modernize technical debt untangle type annotations",
    ),
    _of(
        "mobile-developer",
        "Builds apps for telephones and tablets.",
        "mobile app ios iphone ipad android swift swiftui kotlin objective-c flutter react-native native "
        "store phone tablet push gesture",
    ),
    _of(
        "embedded-engineer",
        "Writes software that runs close to the hardware.",
        "embedded firmware microcontroller sensor device driver rtos interrupt bootloader arduino esp32 stm32 "
        "bare-metal gpio i2c spi uart actuator flash",
    ),
    _of(
        "hardware-engineer",
        "Designs electronics.",
        "hardware circuit board pcb schematic fpga verilog vhdl voltage power supply antenna solder component "
        "enclosure",
    ),
    _of(
        "translator",
        "Brings texts and formats into other languages and regions.",
        "translate translation translator localise localize localisation localization internationalise i18n "
        "l10n language languages locale japanese chinese german french spanish arabic plural forms currency "
        "right-to-left",
    ),
    _of(
        "legal-counsel",
        "Judges what the law and contracts ask for.",
        "legal law lawyer licence licences license licenses gpl mit apache compliance gdpr privacy notice "
        "policy terms service contract liability copyright trademark patent regulation consent court",
    ),
    _of(
        "blockchain-developer",
        "Builds on distributed ledgers.",
        "blockchain smart contract ethereum solidity token wallet ledger web3 bitcoin nft defi gas",
    ),
    _of(
        "game-designer",
        "Makes games that are worth playing.",
        "game gameplay level levels enemy player balance character quest unity unreal godot sprite score "
        "difficulty multiplayer",
    ),
    _of(
        "graphic-designer",
        "Gives products their looks.",
        "logo brand branding colour colours color colors palette typography font icon icons illustration draw "
        "graphic poster visual identity artwork",
    ),
    _of(
        "ux-researcher",
        "Finds out how people use a product and designs how they should.",
        "ux usability wireframe prototype mockup figma journey heuristic card sorting eye tracking",
    ),
    _of(
        "marketing-specialist",
        "Makes a product known.",
        "marketing campaign advertise advertisement advertising ads seo social media newsletter press "
        "announcement audience slogan landing launch promotion",
    ),
    _of(
        "sales-manager",
        "Wins customers and looks after offers.",
        "sales sell offer quote lead leads prospect pitch deal pricing discount crm",
    ),
    _of(
        "purchasing-manager",
        "Buys, and negotiates with those who sell.",
        "negotiate negotiation vendor supplier provider purchase procurement tender contract order invoice hosting",
    ),
    _of(
        "customer-support",
        "Answers customers who need help.",
        "support ticket tickets answer complaint helpdesk customer customers reply refund call chat",
    ),
    _of(
        "media-producer",
        "Records and cuts film and sound.",
        "video film record recording edit podcast audio sound voice-over screencast camera subtitle music",
    ),
    _of(
        "accountant",
        "Looks after books, taxes and money.",
        "accounting bookkeeping tax taxes ledger balance sheet payroll audit budget expense depreciation fiscal",
    ),
    _of(
        "recruiter",
        "Finds people and looks after them.",
        "recruit recruiting hire hiring interview candidate applicant job posting onboarding salary vacancy employee",
    ),
    _of(
        "data-engineer",
        "Moves data between systems.",
        "etl elt warehouse lake spark airflow kafka stream streaming ingest ingestion batch parquet dbt",
    ),
    _of(
        "network-engineer",
        "Connects machines.",
        "network router switch firewall vpn dns dhcp subnet bgp vlan proxy bandwidth packet",
    ),
    _of(
        "project-manager",
        "Plans who does what until when.",
        "schedule milestone deadline gantt sprint retrospective estimate status report coordinate meeting agenda",
    ),
)
