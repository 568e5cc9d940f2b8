"""`aur exec`: give one task to one agent."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import click

from aurora_cli import run_progress, wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import preview
from aurora_cli.render.index import index_with_progress
from aurora_cli.work_options import WorkOptions, budget_option, candidate_options, place_options, sandbox_option
from aurora_policies.schema import SandboxMode

__all__ = ["command"]

_FROM_INPUT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The options of one call, as they were given."""

    task: tuple[str, ...]
    agent: str | None
    tool: str | None
    match: bool
    checks: tuple[str, ...]
    budget_usd: float | None
    sandbox: str | None
    candidates: int | None
    candidate_agents: tuple[str, ...]
    isolation: str | None
    include_dirty: bool
    merge: str | None
    conflicts: str | None
    dry_run: bool
    yes: bool
    background: bool
    as_json: bool

    def check(self) -> None:
        """Refuses options that contradict each other.

        Raises:
            click.UsageError: they do.
        """
        if self.agent and self.match:
            raise click.UsageError("--agent names who does the task, so --match has nothing to find")
        if self.agent and self.candidate_agents:
            raise click.UsageError("--agent and --agents exclude each other")
        if self.work.conflict:
            raise click.UsageError(self.work.conflict)

    @property
    def sandbox_mode(self) -> SandboxMode | None:
        """The use of a sandbox, as given; None leaves it to the policies."""
        return None if self.sandbox is None else SandboxMode(self.sandbox)

    @property
    def work(self) -> WorkOptions:
        """The place of the work and its merge, as given."""
        return WorkOptions(
            isolation=self.isolation,
            include_dirty=self.include_dirty,
            merge=self.merge,
            conflicts=self.conflicts,
            yes=self.yes,
        )

    def prompt(self) -> str:
        """Returns the task's text, from standard input if it is `-`.

        Raises:
            click.UsageError: it is empty, or standard input is not UTF-8.
        """
        text = " ".join(self.task)
        if text == _FROM_INPUT:
            try:
                text = sys.stdin.buffer.read().decode("utf-8")
            except UnicodeDecodeError as error:
                raise click.UsageError("the task on standard input is not UTF-8 text") from error
        if not text.strip():
            raise click.UsageError('the task is empty; say what is to be done: aur exec "Fix the typo in README.md"')
        if "\0" in text:
            raise click.UsageError("the task contains a NUL character")
        return text


@click.command(
    "exec",
    cls=AurCommand,
    examples=(
        ('aur exec "Add a test for the empty cart"', "Give it to the default agent, and print its answer."),
        ('aur exec "Fix the flaky test" --agent codex --check "pytest -q"', "Done only if the tests pass."),
        ('aur exec "Speed up the parser" --candidates 3', "Three attempts side by side; the best is taken."),
        ('aur exec "Update the docs" --bg', "In the background; prints the run's name."),
        ("aur runs result exec-1763690000000", "The answer of an earlier run."),
        ("aur exec - < task.txt", "The task from standard input."),
    ),
)
@click.argument(
    "task", nargs=-1, required=True, metavar="TASK", help="What the agent is to do; - reads it from standard input."
)
@click.option(
    "--agent",
    metavar="NAME",
    help="The agent or persona for the task (default: `tool` of the configuration, else an installed CLI).",
)
@click.option("--tool", metavar="NAME", help="The agent to use if --agent is left out or names a persona.")
@click.option("--match", is_flag=True, help="Find a persona for the task; create one if none fits.")
@click.option(
    "--check",
    "checks",
    multiple=True,
    metavar="CMD",
    help="A command that must pass on the work; can be given more than once.",
)
@budget_option
@sandbox_option
@candidate_options
@place_options
@click.option("--dry-run", is_flag=True, help="Show what would run, and run nothing.")
@click.option("--yes", is_flag=True, help="Merge without a question, except into a protected branch.")
@click.option("--bg", "background", is_flag=True, help="In the background; survives this terminal and the logout.")
@json_option
def command(**given: object) -> int:
    """Give one task to one agent.

    The agent's answer is the result, on standard output; all else goes to standard error. The run is in the journal
    like any other: `aur runs result RUN` prints the answer again, and what was interrupted can be resumed. The exit
    status is 1 if the task failed.
    """
    options = _Options(**given)  # type: ignore[arg-type]
    options.check()
    prompt = options.prompt()
    with wiring.open_folder(tool=options.tool) as aurora:
        plan = aurora.plan_task(
            prompt,
            agent=options.agent,
            checks=options.checks,
            background=options.background,
            match=options.match,
            budget_usd=options.budget_usd,
            sandbox=options.sandbox_mode,
            isolation=options.work.wanted(aurora.config),
            candidates=options.candidates,
            candidate_agents=options.candidate_agents,
        )
        if options.dry_run:
            if options.as_json:
                emit_json(Schema.RUN_PREVIEW, preview.as_document(plan))
            else:
                emit(preview.as_text(plan))
            return ExitCode.DONE
        note(preview.as_text(plan))
        aurora.set_up()
        aurora.refresh_memory(plan.agents, index_with_progress)
        run = aurora.new_run(plan)
        if options.background:
            code = run_progress.in_background(aurora, run.run_id, as_json=options.as_json)
            note(f"its answer, once it is done: aur runs result {run.run_id}")
            return code
        return run_progress.execute(
            aurora, run, None, plan.titles, as_json=options.as_json, answer_of=plan.file.lines[0].id
        )
