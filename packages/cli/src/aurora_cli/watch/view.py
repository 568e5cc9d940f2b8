"""The rows of the live view, as plain values: runs, what needs the user, and the lines around them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aurora_cli.render.approvals import time_words
from aurora_cli.render.runs import provider_lines, trouble_lines
from aurora_cli.render.words import count, one_line
from aurora_soar.taskruns.run_kinds import RESUMABLE, RUNS_OF_TASKS
from aurora_spawner.gates.masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_cli.watch.facts import Facts, Spending
    from aurora_spawner.control.approvals import ApprovalRow
    from aurora_spawner.control.live_runs import LiveRun
    from aurora_spawner.journal.views import RunRow

__all__ = ["Row", "Tone", "alert_rows", "budget_line", "question_of", "run_rows", "state_of", "top_line"]

ASKS: Final = "ask:"
"""The beginning of the key of a row with a question."""
_SHOWN_FILES: Final = 3


class Tone(StrEnum):
    """The meaning of a row, for its colour."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    BUSY = "busy"
    WAITS = "waits"
    FAINT = "faint"


_TONES: Final[Mapping[str, Tone]] = {
    "succeeded": Tone.GOOD,
    "failed": Tone.BAD,
    "crashed": Tone.BAD,
    "running": Tone.BUSY,
    "paused": Tone.WAITS,
    "interrupted": Tone.WAITS,
    "cancelled": Tone.WAITS,
}
_STATES: Final = ("running", "succeeded", "failed", "skipped", "cancelled", "pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of a list.

    Attributes:
        key: names what the line is about, whatever stands in it.
    """

    key: str
    cells: tuple[str, ...]
    tone: Tone = Tone.PLAIN


def state_of(live: LiveRun) -> str:
    """Returns the state of a run in one word."""
    return "paused" if live.status.paused and live.status.state == "running" else live.status.state


def run_rows(facts: Facts) -> tuple[Row, ...]:
    """Returns a row for each run: its id, state, tasks, and what it has cost."""
    return tuple(_run_row(each, facts.spending) for each in facts.runs)


def _run_row(live: LiveRun, spending: Spending) -> Row:
    state, tasks = state_of(live), live.status.tasks
    counts = ", ".join(f"{tasks[each]} {each}" for each in _STATES if tasks.get(each)) or "no tasks"
    if live.status.approvals:
        counts = f"{count(len(live.status.approvals), 'question')}; {counts}"
    elif live.status.pid is None and _is_unmerged(live.run):
        counts += "; unmerged work"
    cost = spending.by_run.get(live.run.run_id)
    limit = live.run.options.limit_usd if live.run.options else None
    of = f" of ${limit:.2f}" if limit is not None else ""
    cells = (one_line(live.run.run_id, 40), state, counts, f"${cost or 0:.2f}{of}" if cost or of else "")
    return Row(key=live.run.run_id, cells=cells, tone=_TONES.get(state, Tone.PLAIN))


def _is_unmerged(run: RunRow) -> bool:
    """Returns True if merged work of the run's tasks, and not only their base, waits on the integration branch."""
    delivery, isolation = run.delivery, run.options.isolation if run.options else None
    if delivery is None or (delivery.outcome and delivery.outcome.arrived):
        return False
    return isolation is None or delivery.commit != isolation.base


def top_line(facts: Facts, project: str) -> str:
    """Returns the first line of the screen: the project, how much works, and how many questions are open."""
    working = sum(each.status.pid is not None for each in facts.runs)
    agents = sum(len(each.status.running) for each in facts.runs if each.status.pid is not None)
    asked = sum(len(each.status.approvals) for each in facts.runs)
    parts = [one_line(project, 30), f"{count(working, 'run')}, {count(agents, 'agent')} at work"]
    if asked:
        parts.append(count(asked, "question"))
    return " · ".join(parts)


def budget_line(spending: Spending) -> str:
    """Returns this month's cost and limit; the reason if it is not known."""
    month = spending.month
    if month is None:
        return "cost unknown" if spending.problem else ""
    share = f" ({month.percent_consumed:.0f} %)" if month.limit_usd else ""
    return f"${month.consumed_usd:.2f} of ${month.limit_usd:.2f}{share} this month"


def alert_rows(facts: Facts) -> tuple[Row, ...]:
    """Returns what needs the user's eye: questions of all runs, then the troubles of the selected one."""
    asked = (each for live in _selected_first(facts) for each in live.status.approvals)
    questions = [_question_row(each, facts) for each in asked]
    lines = [
        *((Tone.BAD, one_line(each, 200)) for each in facts.problems),
        *_of_run(facts),
        *_of_money(facts.spending),
    ]
    lines += [
        (Tone.WAITS, line) for line in provider_lines(facts.gates, [each.status for each in facts.runs], now=facts.at)
    ]
    rows = [Row(key=f"line:{line}", cells=(line,), tone=tone) for tone, line in dict.fromkeys(lines)]
    return (*questions, *rows)


def _selected_first(facts: Facts) -> list[LiveRun]:
    return sorted(facts.runs, key=lambda each: each is not facts.selected)


def _question_row(asked: ApprovalRow, facts: Facts) -> Row:
    of_selected = facts.selected is not None and asked.run_id == facts.selected.run.run_id
    where = ("" if of_selected else f"{one_line(asked.run_id)}/") + (one_line(asked.task_id) or "the run")
    since = time_words(max(0.0, facts.at - asked.asked_at))
    why = f"{one_line(asked.reason, 80)}: {one_line(masked(asked.subject), 160)}"
    return Row(key=f"{ASKS}{asked.approval}", cells=(f"? {where} asks since {since}: {why}",), tone=Tone.WAITS)


def question_of(key: str, facts: Facts) -> ApprovalRow | None:
    """Returns the question of an alert's row, or None if it is another line or the question was answered."""
    found = (each for live in facts.runs for each in live.status.approvals)
    return next((each for each in found if key == f"{ASKS}{each.approval}"), None)


def _of_run(facts: Facts) -> Iterator[tuple[Tone, str]]:
    live = facts.selected
    if live is None:
        return
    run_id, state = live.run.run_id, state_of(live)
    goes_on = f"resume it with: aur resume {run_id}" if live.run.kind in RESUMABLE else "resume its question"
    if state == "crashed":
        yield Tone.BAD, f"its process has died; {goes_on}"
    elif state == "interrupted":
        yield Tone.WAITS, f"it was interrupted; {goes_on}"
    elif state == "paused":
        yield Tone.WAITS, "it is paused: no further task starts until it is resumed"
    elif state in ("failed", "cancelled") and live.run.kind in RUNS_OF_TASKS:
        yield Tone.BAD, f"try the rest again with: aur resume {run_id} --retry-failed"
    yield from ((Tone.WAITS, line) for line in trouble_lines(live.status, now=facts.at))
    for pair in facts.detail.conflicts if facts.detail else ():
        files = ", ".join(one_line(each, 60) for each in pair.files[:_SHOWN_FILES])
        more = f" and {len(pair.files) - _SHOWN_FILES} more" if len(pair.files) > _SHOWN_FILES else ""
        names = f"{one_line(pair.first)} and {one_line(pair.second)}"
        yield Tone.WAITS, f"the work of {names} will conflict in {files}{more}"
    yield from ((Tone.PLAIN, line.strip()) for line in facts.work)


def _of_money(spending: Spending) -> Iterator[tuple[Tone, str]]:
    month = spending.month
    if spending.problem:
        yield Tone.BAD, f"what agents cost is not known: {spending.problem}"
    elif month is not None and month.at_hard_limit:
        yield Tone.BAD, f"this month's budget of ${month.limit_usd:.2f} is spent; `aur budget show` says on what"
    elif month is not None and month.at_soft_limit:
        yield Tone.WAITS, f"{month.percent_consumed:.0f} % of this month's budget are spent"
