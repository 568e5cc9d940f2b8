"""Renders the parts of the pages from what `watch/` has read. Everything from outside is escaped by the templates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import jinja2
import markupsafe

from aurora_cli.dashboard.talks import MOST_CHARS, head_values
from aurora_cli.dashboard.visitors import Role
from aurora_cli.render.moments import to_the_second
from aurora_cli.render.talks import usage_line
from aurora_cli.render.words import printable
from aurora_cli.watch.task_rows import TaskRows
from aurora_cli.watch.view import alert_rows, budget_line, question_of, run_rows, state_of, top_line
from aurora_soar.taskruns.run_kinds import RUNS_OF_TASKS
from aurora_spawner.control.live_runs import RECENT
from aurora_spawner.conversations.transcript import TEAM
from aurora_spawner.gates.masking import masked
from aurora_spawner.tasks.approvals import AGENT_GATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aurora_cli.dashboard.talks import DrawnTurns
    from aurora_cli.dashboard.visitors import Visitor
    from aurora_cli.watch.facts import Facts
    from aurora_cli.watch.view import Row
    from aurora_spawner.control.live_runs import LiveRun
    from aurora_spawner.conversations.transcript import Transcript, Turn

__all__ = ["Drawn", "Pages", "Parts"]

Parts = dict[str, str]
"""HTML by the id of the element that it is the inside of."""
_WORDS: Final = {"○": "pending", "●": "running", "✓": "succeeded", "✗": "failed", "-": "not run", "?": "asks you"}
"""The meanings of the marks of tasks."""
_STATES: Final = ("pending", "running", "succeeded", "failed", "skipped", "cancelled")


def _shown(value: object) -> object:
    """Returns text with escapes for its control characters, which may turn what a person reads."""
    return printable(value) if isinstance(value, str) and not isinstance(value, markupsafe.Markup) else value


class Drawn:
    """The rows of a run's tasks as HTML; one that has not changed is not rendered again."""

    def __init__(self) -> None:
        self._before: TaskRows | None = None
        self._html: Parts = {}
        self._shown: dict[int, Row] = {}

    def html(self, rows: TaskRows, names: Sequence[str], render: Callable[[Row], str]) -> Parts:
        """Returns the HTML of all rows.

        Args:
            names: the id of the element of each row.
        """
        if [*self._html] != [*names]:
            self._before, self._html, self._shown = None, dict.fromkeys(names, ""), {}
        for place in rows.places_of_change(self._before):
            row = rows[place]
            if row != self._shown.get(place):
                self._shown[place] = row
                self._html[names[place]] = render(row)
        self._before = rows
        return dict(self._html)


@cache
def _templates() -> jinja2.Environment:
    """Returns the templates, each compiled once for all pages of this process."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("aurora_cli.dashboard"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.globals.update(words=_WORDS, of_agent=AGENT_GATE, team=TEAM)
    found.filters |= {"masked": masked, "clock": to_the_second}
    return found


@dataclass(frozen=True, kw_only=True)
class Pages:
    """The pages of one project.

    Attributes:
        project: its name.
        place: the path that all addresses begin with.
        form_key: the key of the forms of those who may act.
    """

    project: str
    place: str
    form_key: str

    def prepare(self) -> None:
        """Compiles the templates, for which the first page would wait."""
        for name in _templates().list_templates():
            _templates().get_template(name)

    def page(self, name: str, *, visitor: Visitor, **values: Any) -> str:
        """Returns a whole page, as a visitor may see it."""
        may_own = visitor.role is Role.ADMIN
        return self._render(name, page=name, may_act=visitor.may_act, may_own=may_own, visitor=visitor, **values)

    def parts(self, facts: Facts, run_id: str | None, drawn: Drawn) -> dict[bool, Parts]:
        """Returns the live parts of the page of all runs, or of one run, for those who may act and for others."""
        live = facts.selected if facts.detail else None
        common = {
            "top": self._render("parts/top", line=top_line(facts, self.project), budget=budget_line(facts.spending))
        }
        if run_id is None:
            common["runs"] = self._render("parts/runs", rows=run_rows(facts), recent=RECENT)
        elif live is None:
            common["run"] = self._render("parts/gone")
        else:
            common |= self._tasks(facts, live.run.run_id, drawn)
        shown = live if run_id else None
        return {may_act: self._own(facts, shown, may_act=may_act) | common for may_act in (True, False)}

    def session_parts(self, facts: Facts, live: LiveRun, talk: Transcript, turns: DrawnTurns) -> dict[bool, Parts]:
        """Returns the live parts of the page of a session; its turns are the last ones, since new ones are added."""
        said = turns.html(talk)
        top = self._render("parts/top", line=top_line(facts, self.project), budget=budget_line(facts.spending))
        found = {}
        for may_act in (True, False):
            head = self._render("parts/session_head", may_act=may_act, **head_values(live, talk))
            found[may_act] = {"top": top, "run": head, **self._alerts(facts, None, may_act=may_act), **said}
        return found

    def turn_part(self, name: str, turn: Turn, text: str) -> str:
        """Returns a part of a turn, of which a piece of the answer is one."""
        used = usage_line(turn.usage) if turn.usage else ""
        return self._render(name, turn=turn, text=text, used=used, most=MOST_CHARS)

    def _own(self, facts: Facts, live: LiveRun | None, *, may_act: bool) -> Parts:
        """Returns the parts with forms."""
        found = self._alerts(facts, live, may_act=may_act)
        if live is not None:
            found["run"] = self._head(facts, live, may_act=may_act)
        return found

    def _alerts(self, facts: Facts, live: LiveRun | None, *, may_act: bool) -> Parts:
        rows = [row for row in alert_rows(facts) if not (live and row.cells[0] in _outcome(facts))]
        alerts = [(row, question_of(row.key, facts)) for row in rows]
        return {"alerts": self._render("parts/alerts", alerts=alerts, may_act=may_act)}

    def _head(self, facts: Facts, live: LiveRun, *, may_act: bool) -> str:
        return self._render(
            "parts/run_head",
            may_act=may_act,
            run=live.run,
            state=state_of(live),
            counts=[(state, live.status.tasks[state]) for state in _STATES if live.status.tasks.get(state)],
            has_process=live.status.pid is not None,
            is_of_tasks=live.run.kind in RUNS_OF_TASKS,
            work=_outcome(facts),
            cost=facts.spending.by_run.get(live.run.run_id),
        )

    def _tasks(self, facts: Facts, run_id: str, drawn: Drawn) -> Parts:
        assert facts.detail is not None
        rows = TaskRows(facts)

        rows_of = _templates().get_template("parts/task_row.html").make_module({"place": self.place})
        macro = rows_of.task_row  # type: ignore[attr-defined]

        def render(row: Row) -> str:
            return str(macro(row, run_id))  # a third of the time of a template of its own

        return drawn.html(rows, [f"task-{each.position}" for each in facts.detail.tasks], render)

    def _render(self, name: str, *, may_act: bool = False, **values: Any) -> str:
        form_key = self.form_key if may_act else ""
        own = {"project": self.project, "place": self.place, "may_act": may_act, "form_key": form_key}
        return _templates().get_template(f"{name}.html").render(own, **values)


def _outcome(facts: Facts) -> list[str]:
    return [line.strip() for line in facts.work]
