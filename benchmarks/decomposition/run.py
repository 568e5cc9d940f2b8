"""Does a plan always come out of phase 3, whatever a model answers?

.venv/bin/python -m benchmarks.decomposition.run            prints the table
.venv/bin/python -m benchmarks.decomposition.run --write    records it in results.md
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.decomposition.hostile import GOAL, LATER, VARIANTS, Variant

from aurora_soar import Agent, AgentRegistry, Completion, read_question
from aurora_soar.phases.decompose_with_model import Planned, plan_with_model
from aurora_soar.phases.retrieve import RetrievedContext
from aurora_soar.phases.verify import verify
from aurora_soar.question.focus import Focus

HERE = Path(__file__).parent
EMPTY = RetrievedContext(code=(), reasoning=(), budget=10, high_quality=0)
REGISTRY = AgentRegistry.local(Path("/project")).joined_by(Agent(id="coder", description="codes"), {})
HEAD = """# Plans out of hostile answers: results

Made by `.venv/bin/python -m benchmarks.decomposition.run --write`. A model is asked for a plan and gives the same
hostile answer at each try. *Own* means that the plan is sound in structure and still holds the words of the model's
own plan that `hostile.py` names; *rules* means that the rules planned. The 60 variants were written before the
reader; the one before it made a plan of 7 of the 55 with a plan in them. The later ones were written after it, to see
what it had not been made for: at first sight it kept 14 of the 23 with a plan in them. Eight more forms were then
added, so the figure below is no measure of what comes next.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one variant.

    Attributes:
        sound: the plan has no fault of structure.
        own: the plan is sound and holds what the variant keeps.
    """

    variant: Variant
    planned: Planned
    sound: bool
    own: bool
    took_ms: float


class Stubborn:
    """A model that always gives the same answer."""

    name = "stubborn"

    def __init__(self, answer: str) -> None:
        self.answer = answer

    async def ask(self, prompt: str, *, title: str) -> Completion:
        """Returns the answer, whatever was asked."""
        del prompt, title
        return Completion(text=self.answer, agent=self.name, usage=None, error=None)


def measure(variant: Variant) -> Outcome:
    """Plans with a model that gives the variant's answer."""
    start = time.perf_counter()
    planned = asyncio.run(plan_with_model(read_question(GOAL), EMPTY, REGISTRY, Stubborn(variant.answer)))
    took_ms = (time.perf_counter() - start) * 1e3
    nothing_asked = Focus(weights={}, stems={}, unknown=())
    issues = verify(planned.decomposition, nothing_asked, EMPTY, REGISTRY).issues
    sound = not [issue for issue in issues if "is 0." not in issue]
    words = "\n".join(subgoal.description for subgoal in planned.decomposition.subgoals)
    own = sound and planned.planned_by is not None and all(kept in words for kept in variant.keeps)
    return Outcome(variant=variant, planned=planned, sound=sound, own=own, took_ms=took_ms)


def report(title: str, outcomes: list[Outcome]) -> str:
    """Returns the table of one set with its totals."""
    with_plan = [outcome for outcome in outcomes if outcome.variant.keeps]
    own = sum(outcome.own for outcome in with_plan)
    calls = [len(outcome.planned.calls) for outcome in outcomes]
    rows = "\n".join(
        f"| {o.variant.kind} | {o.variant.name} | {_result(o)} | {len(o.planned.decomposition.subgoals)} "
        f"| {len(o.planned.calls)} |"
        for o in outcomes
    )
    return f"""
## {title}

- some plan: {sum(outcome.sound for outcome in outcomes)} of {len(outcomes)}
- the model's own, where it has one: {own} of {len(with_plan)} ({own / len(with_plan):.1%})
- calls: at most {max(calls)}, {sum(calls) / len(calls):.1f} on average
- all tries of a variant: at most {max(outcome.took_ms for outcome in outcomes):.0f} ms

| kind | answer | plan | subgoals | calls |
|---|---|---|---|---|
{rows}
"""


def _result(outcome: Outcome) -> str:
    if outcome.planned.planned_by is None:
        return "rules" if not outcome.variant.keeps else "**rules**"
    return "own" if outcome.own else "**not what it said**"


def main() -> None:
    """Measures all variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="record the result in results.md")
    options = parser.parse_args()
    machine = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} ({platform.machine()}, Python {platform.python_version()}).\n"
    )
    sections = [report(title, [measure(each) for each in those]) for title, those in SETS.items()]
    text = "\n".join([HEAD, machine.rstrip(), *(section.rstrip("\n") for section in sections)]) + "\n"
    print(text)
    if options.write:
        (HERE / "results.md").write_text(text, encoding="utf-8")


SETS = {"Sixty variants": VARIANTS, "Later ones": LATER}

if __name__ == "__main__":
    main()
