"""Renders the parts of the pages from what `watch/` has read. Everything from outside is escaped by the templates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import jinja2
import markupsafe

from aurora_cli.render.words import count, printable
from aurora_cli.watch.task_rows import TaskRows
from aurora_cli.watch.view import alert_rows, budget_line, question_of, run_rows, state_of, top_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_cli.watch.facts import Facts

__all__ = ["Pages", "Parts"]

Parts = dict[str, str]
"""HTML by the id of the element that it is the inside of."""
_STATES: Final = ("pending", "running", "succeeded", "failed", "skipped", "cancelled")


def _shown(value: object) -> object:
    """Returns text with escapes for its control characters, which may turn what a person reads."""
    return printable(value) if isinstance(value, str) and not isinstance(value, markupsafe.Markup) else value


@dataclass(frozen=True)
class Pages:
    """The pages of one project.

    Attributes:
        project: its name.
    """

    project: str

    @cached_property
    def _templates(self) -> jinja2.Environment:
        return jinja2.Environment(
            loader=jinja2.PackageLoader("aurora_cli.dashboard"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(self, name: str, **values: Any) -> str:
        """Returns a whole page."""
        return self._templates.get_template(f"{name}.html").render(project=self.project, **values)

    def parts(self, facts: Facts, run_id: str | None, *, may_act: bool, form_key: str) -> Parts:
        """Returns the live parts of the page of all runs, or of one run."""
        common = {"may_act": may_act, "form_key": form_key, "facts": facts, "count": count}
        found = {
            "top": self._part(
                "top", **common, line=top_line(facts, self.project), budget=budget_line(facts.spending)
            ),
            "alerts": self._part("alerts", **common, alerts=self._alerts(facts)),
        }
        if run_id is None:
            return found | {"runs": self._part("runs", **common, rows=run_rows(facts))}
        return found | self._of_run(facts, common)

    def _of_run(self, facts: Facts, common: Mapping[str, Any]) -> Parts:
        live = facts.selected
        if live is None or facts.detail is None:
            return {"run": self._part("gone", **common)}
        rows = TaskRows(facts)
        places = {each.task_id: each.position for each in facts.detail.tasks}
        head = self._part(
            "run_head",
            **common,
            run=live.run,
            state=state_of(live),
            counts=[(state, live.status.tasks[state]) for state in _STATES if live.status.tasks.get(state)],
            has_process=live.status.pid is not None,
            work=facts.work,
            cost=facts.spending.by_run.get(live.run.run_id),
        )
        tasks = {
            f"task-{places[row.key]}": self._part("task_row", **common, row=row, run_id=live.run.run_id)
            for row in rows
        }
        return {"run": head, **tasks}

    def _alerts(self, facts: Facts) -> list[tuple[Any, Any]]:
        return [(row, question_of(row.key, facts)) for row in alert_rows(facts)]

    def _part(self, name: str, **values: Any) -> str:
        return self._templates.get_template(f"parts/{name}.html").render(**values)
