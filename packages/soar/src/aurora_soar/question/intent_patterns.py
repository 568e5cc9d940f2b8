"""Words that show the intent of a question: a review, debugging, a plan or a change.

Each pattern holds one regular expression per line; `question` takes the first intent that matches.
"""

from __future__ import annotations

import re
from typing import Final

from aurora_soar.question.word_patterns import any_of

__all__ = ["ABBREVIATION", "ASKS_CHANGE", "ASKS_DEBUG", "ASKS_PLAN", "ASKS_REVIEW", "STOP_WORDS", "in_short"]

START_CHARS: Final = 3_000
END_CHARS: Final = 1_000


def in_short(text: str) -> str:
    """Returns the parts of a question that are read for its meaning: start and end; between, people paste logs."""
    return text if len(text) <= START_CHARS + END_CHARS else f"{text[:START_CHARS]}\n{text[-END_CHARS:]}"


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that carry no content; those of the last two lines are usual in questions about code.
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
    several various twice certain decide decides decided
    you your yours
    actually code codebase exactly explain find first happen happens help know look made make makes mean means place
    project repository show shows tell work works
""")

# Its dots are no dots of code.
ABBREVIATION: Final = re.compile(r"(?i:e\.g|i\.e|c\.f|n\.b|a\.k\.a|w\.r\.t|a\.m|p\.m)\.?|[A-Z](?:\.[A-Z]){1,4}\.?")

# Asks for a judgement of code.
ASKS_REVIEW: Final = any_of(r"""
    ^(?:please )?(?:review|audit|critique|assess|inspect)
    (?:do|perform|make) an? (?:\w+ )?(?:review|audit)
    code review
    is (?:it|this) (?:safe|secure|correct)
""")

# Something is wrong and the cause is wanted.
ASKS_DEBUG: Final = any_of(r"""
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
ASKS_PLAN: Final = any_of(r"""
    ^(?:please )?(?:plan|design|outline|propose|draft)
    roadmap
    strategy for
    migration plan
    architecture for
    how (?:should|could|can|would|might) (?:we|i|one|you)
    what (?:would|will) it take
""")

# A change is wanted.
ASKS_CHANGE: Final = any_of(
    r"""
    (?:add|implement|build|create|write|introduce|refactor|rename|replace|extend|extract|support|port|convert|migrate)
    (?:move|remove|delete|drop|upgrade|bump|change|make|rewrite|split|merge|integrate|optimi[sz]e|enable|expose|wire)
    (?:improve|handle|restructure|redesign|decouple|deploy|set up|generate|develop|encrypt|store|rotate|patch)
    """,
    start=True,
)
