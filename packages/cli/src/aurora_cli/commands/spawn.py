"""`aur spawn`: run the tasks of a task file side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option, max_concurrent_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import preview
from aurora_cli.render.index import index_with_progress
from aurora_cli.render.run import as_document, summary, watch
from aurora_cli.spawning import Ticker

if TYPE_CHECKING:
    from aurora_cli.spawning import SpawnPlan
    from aurora_core import Config, Project
    from aurora_spawner import RunEvent, RunReport

__all__ = ["command"]

SHOWN_TASKS: Final = 40
"""More would scroll the question about them off the screen."""


@click.command(
    "spawn",
    cls=AurCommand,
    examples=(
        ("aur spawn tasks.md --dry-run", "Show what would run."),
        ("aur spawn tasks.md --max-concurrent 8", "Run it, eight tasks at once."),
        ("aur spawn tasks.md --tool reviewer --yes", "Let one agent do the tasks that name none; do not ask."),
        ("aur spawn tasks.md --json > result.json", "Keep the results for a program."),
    ),
)
@click.argument("taskfile", type=ExistingPath("file"), help="A Markdown file with lines like `- [ ] 1.2 Text`.")
@max_concurrent_option
@click.option("--tool", metavar="NAME", help="The agent for tasks that name none.")
@click.option("--dry-run", is_flag=True, help="Show what would run, and run nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before starting. Off a terminal nobody is asked.")
@json_option
def command(
    *, taskfile: Path, max_concurrent: int | None, tool: str | None, dry_run: bool, yes: bool, as_json: bool
) -> int:
    """Run the tasks of a task file side by side.

    Each open task starts as soon as what it depends on is done. Boxes are ticked as tasks succeed. The exit status
    is 1 if a task failed or was skipped.
    """
    project = wiring.project_or_prospect(Path.cwd())
    config = wiring.settings(project, tool=tool, max_concurrent=max_concurrent)
    plan = wiring.spawn_plan(project, config, taskfile)
    if dry_run:
        _show_plan(plan, as_json=as_json)
        return ExitCode.DONE
    if not plan.file.tasks:
        return _nothing_to_run(plan, as_json=as_json)
    note(preview.as_text(plan, limit=SHOWN_TASKS))
    if not yes and sys.stdin.isatty() and sys.stderr.isatty() and not click.confirm("Start?", default=True, err=True):
        return ExitCode.NOT_REACHED
    report, notices = _run(project, config, plan)
    for notice in notices:
        note(notice)
    _show_report(plan, report, as_json=as_json)
    if report.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if report.ok else ExitCode.NOT_REACHED


def _run(project: Project, config: Config, plan: SpawnPlan) -> tuple[RunReport, list[str]]:
    """Run the plan; return what came of it and what the person should know besides."""
    wiring.set_up(project)
    if wiring.LOCAL_AGENT in plan.agents:
        with wiring.open_memory(project, config) as memory:
            index_with_progress(memory)
    ticker = Ticker(plan.file)
    with watch() as show:

        def follow(event: RunEvent) -> None:
            show(event)
            ticker.follow(event)

        report = wiring.new_run(project, plan).execute_sync(follow)
    ticker.flush()
    return report, [*report.notices, *ticker.notices]


def _nothing_to_run(plan: SpawnPlan, *, as_json: bool) -> ExitCode:
    from aurora_spawner import RunReport

    note(f"{plan.file.path}: every box is ticked, nothing to run")
    if as_json:
        emit_json(as_document(RunReport(run_id="", results={}, duration_s=0.0), {}))
    return ExitCode.DONE


def _show_plan(plan: SpawnPlan, *, as_json: bool) -> None:
    if as_json:
        emit_json(preview.as_document(plan))
    else:
        emit(preview.as_text(plan))


def _show_report(plan: SpawnPlan, report: RunReport, *, as_json: bool) -> None:
    if as_json:
        emit_json(as_document(report, {line.id: line.title for line in plan.file.lines}))
    else:
        emit(summary(report))
