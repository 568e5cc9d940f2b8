"""How often does the first phase size a request as a careful person does, and how fast?

.venv/bin/python benchmarks/assess/run.py            prints the tables
.venv/bin/python benchmarks/assess/run.py --write    records them in results.md
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aurora_soar import Complexity, assess, read_question

HERE: Final = Path(__file__).parent
LONG: Final = "add the thing to every other thing, then check it " * 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSet:
    """A file of labelled prompts.

    Attributes:
        at_first: right ones when the set was first measured, with the rules of that time.
        story: when it was written, and what was done with it.
    """

    name: str
    at_first: int | None
    story: str


SETS: Final = (
    PromptSet(name="first", at_first=None, story="the older set, by the author of the rules; always tuned on"),
    PromptSet(name="blind", at_first=90, story="written before its author had read a rule; tuned on afterwards"),
    PromptSet(
        name="later", at_first=55, story="written after the rules were read, before they were changed; tuned on"
    ),
    PromptSet(name="last", at_first=46, story="written after the first change; tuned on afterwards"),
    PromptSet(name="final", at_first=74, story="written after the second change; six wrong ones tuned on afterwards"),
    PromptSet(
        name="unseen", at_first=73, story="written before its author had read a word list; tuned on afterwards"
    ),
    PromptSet(name="after", at_first=64, story="written after the change for `unseen`; tuned on afterwards"),
    PromptSet(name="newest", at_first=50, story="written after the change for `after`; tuned on afterwards"),
)

HEAD: Final = """# The complexity of requests: results

Made by `.venv/bin/python benchmarks/assess/run.py --write`. SIMPLE is a look-up or a one-line edit; MEDIUM analysis,
debugging, a bounded change; COMPLEX builds, refactors or designs across parts; CRITICAL is about security, money,
production data, or what cannot be undone.

*Now* flatters the rules, because each set was tuned on after its first measurement. What to expect of requests that
nobody has seen is *at first sight* of the newest sets. Their authors knew the rules of all sets but `blind` and
`unseen`; a set by somebody else may well come out lower. These figures are of the rules alone; a model,
where there is one, is asked about the scores beside a threshold.
"""


def labelled(name: str) -> list[tuple[Complexity, str]]:
    """Returns the prompts of a set with their labels."""
    lines = (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(": ", 1) for line in lines if line and not line.startswith("#")]
    return [(Complexity(label), prompt) for label, prompt in rows]


def wrong(prompts: list[tuple[Complexity, str]]) -> list[tuple[Complexity, str]]:
    """Returns the prompts that are sized differently from their label."""
    return [(label, text) for label, text in prompts if assess(read_question(text)).complexity is not label]


def report() -> str:
    """Returns the tables."""
    everything = [row for each in SETS for row in labelled(each.name)]
    rows = "\n".join(_row(each) for each in SETS)
    missed = wrong(everything)
    right = len(everything) - len(missed)
    kinds = "\n".join(_of_kind(kind, everything, missed) for kind in Complexity)
    took = sorted(_took_ms(text) for _, text in everything)
    return f"""{HEAD}
Measured on {datetime.now(UTC):%Y-%m-%d} ({platform.machine()}, Python {platform.python_version()}).

| set | prompts | right at first sight | right now | how it came about |
|---|---|---|---|---|
{rows}
| **all** | {len(everything)} | | {right} ({right / len(everything):.1%}) | |

| label | prompts | right now |
|---|---|---|
{kinds}

One request: median {statistics.median(took):.2f} ms, slowest {took[-1]:.2f} ms, with the reading of the question; the
phase alone on {len(LONG):,} characters {_assess_ms(LONG):.0f} ms.
"""


def _row(each: PromptSet) -> str:
    prompts = labelled(each.name)
    right = len(prompts) - len(wrong(prompts))
    first = "unknown" if each.at_first is None else f"{each.at_first} ({each.at_first / len(prompts):.1%})"
    return f"| {each.name} | {len(prompts)} | {first} | {right} ({right / len(prompts):.1%}) | {each.story} |"


def _of_kind(kind: Complexity, everything: list[tuple[Complexity, str]], missed: list[tuple[Complexity, str]]) -> str:
    count = sum(label is kind for label, _ in everything)
    return f"| {kind.value} | {count} | {count - sum(label is kind for label, _ in missed)} |"


def _took_ms(text: str) -> float:
    start = time.perf_counter()
    assess(read_question(text))
    return (time.perf_counter() - start) * 1e3


def _assess_ms(text: str) -> float:
    question = read_question(text)
    start = time.perf_counter()
    assess(question)
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    """Measures all sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="record the result in results.md")
    options = parser.parse_args()
    text = report()
    print(text)
    if options.write:
        (HERE / "results.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
