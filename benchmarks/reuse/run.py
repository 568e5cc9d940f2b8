"""The cost of a second, similar question with and without help from the first, in calls and tokens.

    python benchmarks/reuse/run.py

Pairs of questions about a copy of aurora-core, with a scripted model and a scripted agent. Each answers as it is
told, so quality is not measured here. The prompts are the real ones; their lengths (characters / 4) are the tokens.
A second question is asked of the project of the first, of one that has not seen the first, and after the code that
the first answer cites has changed. Writes results.md beside this file.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aurora_core
from aurora_core import Memory, Project
from aurora_policies import PoliciesEngine
from aurora_soar import Agent, AgentRegistry, Completion, SOAROrchestrator
from aurora_spawner import CommandBackend
from aurora_spawner.tasks.usage import Usage

if TYPE_CHECKING:
    from aurora_soar.report.result import SoarResult

HERE = Path(__file__).parent
AGENT = "scripted"
PAIRS = (
    (
        "Explain how the index merges segments and how dead chunks are removed",
        "Explain how dead chunks are removed and how segments of the index are merged",
    ),
    (
        "Explain how activation decays with time and how accesses are recorded",
        "Explain how accesses are recorded and how the activation decays with time",
    ),
    (
        "Explain how the watcher finds changed files and updates the memory",
        "Explain how changed files are found by the watcher and the memory is updated",
    ),
    (
        "Explain how names of definitions are matched with words of a query",
        "Explain how words of a query are matched with the names of definitions",
    ),
    (
        "Explain how secrets of the key store are read from the ring and the environment",
        "Explain how the key store reads its secrets, from the environment and the ring",
    ),
    (
        "Explain how a damaged database is rebuilt and what reasoning is kept",
        "Explain what reasoning is kept and how a damaged database is rebuilt",
    ),
)
PLAN = {
    "goal": "explain it",
    "subgoals": [
        {"description": "Explain the first half", "ideal_agent": AGENT, "assigned_agent": AGENT},
        {"description": "Explain the second half", "ideal_agent": AGENT, "assigned_agent": AGENT},
    ],
}
_PLACE = re.compile(r"([\w/]+\.py):(\d+)")


SIZE = {"complexity": "MEDIUM", "reason": "it asks how two things work"}


def tokens(text: str) -> int:
    """Returns the estimated number of tokens."""
    return len(text) // 4


class ScriptedModel:
    """Plans two subgoals, and writes the question again with the first place of its prompt."""

    name = AGENT

    async def ask(self, prompt: str, *, title: str) -> Completion:
        """Returns the scripted text, with the lengths of both as its usage."""
        said = {"plan": PLAN, "assess": SIZE}.get(title) or self._answer(prompt)
        text = json.dumps(said)
        used = Usage(input_tokens=tokens(prompt), output_tokens=tokens(text), cost_usd=None)
        return Completion(text=text, agent=self.name, usage=used, error=None)

    def _answer(self, prompt: str) -> dict[str, object]:
        question = prompt.split("Question: ", 1)[1].split("\n", 1)[0]
        file, line = next(iter(_PLACE.findall(prompt)))
        return {"answer": f"{question}: so ({file}:{line}).", "conflicts": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a question took.

    Attributes:
        calls: of the model and of agents that are models.
        tokens: read and written by them.
    """

    calls: int
    tokens: int
    result: SoarResult


class Stage:
    """A project with a copy of the code, its memory, and a scripted agent that keeps its prompts."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        shutil.copytree(Path(aurora_core.__file__).parent, folder / "core", ignore=shutil.ignore_patterns("*.pyc"))
        self.project = Project.init(folder)
        self.asked = folder / ".aurora" / "asked"
        self.asked.mkdir()
        self.memory = Memory.open(folder)
        self.memory.index()

    def ask(self, question: str) -> Cost:
        """Asks a question, and counts what models read and wrote for it."""
        for old in self.asked.iterdir():
            old.unlink()
        script = 'cat > "$0/$AURORA_TASK_ID"; grep -m1 -o "core/[a-z_/]*\\.py:[0-9]*" "$0/$AURORA_TASK_ID"'
        backend = CommandBackend(AGENT, ("sh", "-c", script, str(self.asked)))
        registry = AgentRegistry.local(self.root).joined_by(Agent(id=AGENT, description="works"), {AGENT: backend})
        result = SOAROrchestrator(
            project=self.project,
            memory=self.memory,
            policies=PoliciesEngine.load(None),
            registry=registry,
            model=ScriptedModel(),
        ).execute(question)
        agents = [output for output in result.collected.outputs if output.words]
        read = sum(tokens(each.read_text(encoding="utf-8")) for each in self.asked.iterdir())
        usage = result.usage
        own = usage.input_tokens + usage.output_tokens if usage else 0
        return Cost(
            calls=len(result.plan_calls) + len(result.answer_calls) + len(agents),
            tokens=own + read + sum(tokens(output.words) for output in agents),
            result=result,
        )

    def change_what_is_cited(self, result: SoarResult) -> None:
        """Changes the lines that an answer cites."""
        for source in result.sources:
            path = self.root / source.file
            lines = path.read_text(encoding="utf-8").split("\n")
            lines[source.line - 1] += "  # changed"
            path.write_text("\n".join(lines), encoding="utf-8")
        self.memory.index()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The cost of a pair's second question.

    Attributes:
        alone: where the first was never asked.
        helped: where the first was asked before.
        changed: where it was, and the code that its answer cites has changed since.
    """

    question: str
    alone: Cost
    helped: Cost
    changed: Cost


def _row(first_asked: str, then_asked: str, work: Path) -> Row:
    used, unused, changed = (Stage(work / name) for name in ("used", "unused", "changed"))
    used.ask(first_asked)
    changed.change_what_is_cited(changed.ask(first_asked).result)
    return Row(
        question=then_asked,
        alone=unused.ask(then_asked),
        helped=used.ask(then_asked),
        changed=changed.ask(then_asked),
    )


def main() -> int:
    """Runs all pairs and writes the table."""
    rows = []
    for first_asked, then_asked in PAIRS:
        with tempfile.TemporaryDirectory() as work:
            rows.append(_row(first_asked, then_asked, Path(work)))
        print(_line(rows[-1]), file=sys.stderr)
    (HERE / "results.md").write_text(_table(rows), encoding="utf-8")
    return 0


def _table(rows: list[Row]) -> str:
    sums = [
        _sum([row.alone for row in rows]),
        _sum([row.helped for row in rows]),
        _sum([row.changed for row in rows]),
    ]
    tokens_alone, tokens_helped = (sum(cost.tokens for cost in costs) for costs in _columns(rows))
    return f"""# Reuse of earlier answers

Made by `python benchmarks/reuse/run.py` on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, with a
scripted model.

The first question of each pair says the same in other words, and was answered before. Calls are those of the model
and of agents that are models; tokens are characters / 4 of all that these read and wrote.

| second question | alone | with the first answer | after a change of the cited code | uses it, after the change |
|---|---|---|---|---|
{"".join(_line(row) for row in rows)}| **all** | {" | ".join(sums)} | |

With the first answer the second question takes {tokens_helped / tokens_alone:.0%} of the tokens.
"""


def _line(row: Row) -> str:
    used = f"{_reused(row.helped)}, {_reused(row.changed)}"
    return f"| {row.question} | {_sum([row.alone])} | {_sum([row.helped])} | {_sum([row.changed])} | {used} |\n"


def _columns(rows: list[Row]) -> tuple[list[Cost], list[Cost]]:
    return [row.alone for row in rows], [row.helped for row in rows]


def _reused(cost: Cost) -> str:
    return "yes" if cost.result.plan_reused else "no"


def _sum(costs: list[Cost]) -> str:
    return f"{sum(cost.calls for cost in costs)} calls, {sum(cost.tokens for cost in costs):,} tokens"


if __name__ == "__main__":
    raise SystemExit(main())
