"""`aur spawn`: run the tasks of a task file side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click

from aurora_cli import run_progress, wiring
from aurora_cli.commands.resume import resume
from aurora_cli.commands.runs.clean import clean
from aurora_cli.commands.runs.list import show_resumable
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import (
    Assignment,
    ExistingPath,
    FiniteRange,
    accept_changes_option,
    given_parameters,
    json_option,
    max_concurrent_option,
    one_word,
)
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import preview, trust
from aurora_cli.render.index import index_with_progress
from aurora_cli.user_prompts import is_interactive
from aurora_cli.work_options import (
    WorkOptions,
    budget_option,
    candidate_options,
    place_options,
    pool_options,
    sandbox_option,
)
from aurora_policies.schema import SandboxMode
from aurora_soar.aurora.trust import trust_store
from aurora_soar.errors import StartedBeforeError
from aurora_soar.taskruns.execute import nothing_to_run
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aurora_core import Config
    from aurora_soar import Aurora, SpawnPlan
    from aurora_soar.taskruns.isolation import WantedIsolation
    from aurora_spawner.control.status import RunStatus
    from aurora_spawner.runs.run_options import Overlaps
    from aurora_spawner.taskfiles.model import Order

__all__ = ["command"]

_ENDED: Final = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)
SHOWN_TASKS: Final = 40
"""More would scroll the question about them off the screen."""


_TAKEN_WITH: Final[Mapping[str, tuple[str, ...]]] = {
    "resume": (
        "taskfile",
        "max_concurrent",
        "sequential",
        "stagger_s",
        "background",
        "retry_failed",
        "accept_changes",
        "yes",
        "as_json",
    ),
    "list_checkpoints": ("yes", "as_json"),
    "clean_days": ("yes", "as_json"),
}
"""The parameters that take effect beside an option that starts no new run, and `--yes` where nothing is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The options of one call, as they were given."""

    taskfile: Path | None
    max_concurrent: int | None
    sequential: bool
    stagger_s: float
    tool: str | None
    match: bool
    budget_usd: float | None
    sandbox: str | None
    pool: str | None
    dry_run: bool
    yes: bool
    force: bool
    order: Order | None
    optional: bool
    candidates: int | None
    candidate_agents: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...]
    key: str | None
    isolation: str | None
    include_dirty: bool
    merge: str | None
    conflicts: str | None
    overlaps: Overlaps
    background: bool
    no_checkpoint: bool
    resume: str | None
    retry_failed: bool
    accept_changes: bool
    list_checkpoints: bool
    clean_days: float | None
    as_json: bool

    def check(self, given: Mapping[str, str]) -> None:
        """Refuses options that contradict each other, or have no effect beside another.

        Args:
            given: the parameters on the command line, by name, each as the user writes it.

        Raises:
            click.UsageError: they do.
        """
        doing = [name for name in _TAKEN_WITH if name in given]
        if len(doing) > 1:
            raise click.UsageError("--resume, --list-checkpoints and --clean-checkpoints exclude each other")
        if self.taskfile is None and not doing:
            raise click.UsageError("name a task file: aur spawn tasks.md")
        for conflict, problem in self._conflicts(new=not doing):
            if conflict:
                raise click.UsageError(problem)
        for name in doing:
            useless = [word for each, word in given.items() if each not in {name, *_TAKEN_WITH[name]}]
            if useless:
                raise click.UsageError(f"no effect with {given[name]}: {', '.join(useless)}")

    def _conflicts(self, *, new: bool) -> Iterator[tuple[object, str]]:
        """Yields each contradiction: true if it is there, and what to say of it."""
        yield (
            self.sequential and self.max_concurrent not in (None, 1),
            "--sequential and --max-concurrent exclude each other",
        )
        yield self.no_checkpoint and self.background, "--no-checkpoint leaves nothing that --bg could continue"
        yield self.retry_failed and new, "--retry-failed needs --resume"
        yield self.accept_changes and new, "--accept-changes needs --resume"
        yield (
            self.isolation == "worktree" and self.no_checkpoint,
            "--no-checkpoint leaves no record to find a worktree again",
        )
        yield self.no_checkpoint and self.key is not None, "--no-checkpoint leaves no record for --key to find"
        yield (
            self.pool and self.no_checkpoint,
            "--no-checkpoint leaves no record to find a pool's attempts again",
        )
        names = [name for name, _ in self.arguments]
        yield len(set(names)) < len(names), "--arg gives one name two values"
        yield self.work.conflict, self.work.conflict

    @property
    def sandbox_mode(self) -> SandboxMode | None:
        """The use of a sandbox, as given; None leaves it to the policies."""
        return None if self.sandbox is None else SandboxMode(self.sandbox)

    @property
    def work(self) -> WorkOptions:
        """The place of the work and its merge, as given. Runs without a trace make no worktrees."""
        return WorkOptions(
            isolation=self.isolation or ("none" if self.no_checkpoint else None),
            include_dirty=self.include_dirty,
            merge=self.merge,
            conflicts=self.conflicts,
            yes=self.yes,
        )

    def wanted_isolation(self, config: Config) -> WantedIsolation:
        """Returns where tasks work; by default not in worktrees on a pool that names no repository for trees.

        Raises:
            click.UsageError: an option is for worktrees, and there will be none.
        """
        work = self.work
        if self.pool and self.pool not in config.pools and self.isolation is None:
            work = replace(work, isolation="none")
        return work.wanted(config)

    @property
    def at_once(self) -> int | None:
        """Returns the number of concurrent tasks; None for the configured number."""
        return 1 if self.sequential else self.max_concurrent


@click.command(
    "spawn",
    cls=AurCommand,
    examples=(
        ("aur spawn tasks.md --dry-run", "Show what would run."),
        ("aur spawn tasks.md --max-concurrent 8", "Run it, eight tasks at once."),
        ("aur spawn tasks.md --tool reviewer --yes", "Give tasks without an agent to one; skip the confirmation."),
        ("aur spawn tasks.md --agents claude,codex", "Let both do each task, and take the better result."),
        ("aur spawn tasks.md --conflicts agent", "Let another agent resolve conflicts of finished work."),
        ("aur spawn tasks.md --bg", "Run it in the background; `aur status` and `aur logs` show its progress."),
        ("aur spawn audit.md --arg module=api", "Run a recipe: {{module}} in its tasks is `api`."),
        ("aur spawn nightly.md --yes --key 2026-01-31", "From cron: a second start with this key is the same run."),
        ("aur spawn tasks.md --pool big", "Run it on a pool of other machines; docs/distributed.md."),
        ("aur spawn --list-checkpoints", "The runs that were cut off."),
        ("aur spawn --resume spawn-1763690000000", "Continue one of them."),
    ),
)
@click.argument(
    "taskfile",
    required=False,
    type=ExistingPath("file"),
    help="A Markdown file with lines like `- [ ] 1.2 Text`; with --resume the run's own if absent.",
)
@max_concurrent_option
@click.option("--sequential", is_flag=True, help="One task after the other, in the order of the file.")
@click.option(
    "--stagger-delay",
    "stagger_s",
    type=FiniteRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Time between two starts; none by default.",
)
@click.option("--tool", metavar="NAME", help="The agent for tasks that name none.")
@click.option("--match", is_flag=True, help="Find a persona for tasks that name no agent; create one if none fits.")
@budget_option
@sandbox_option
@pool_options
@click.option(
    "--order",
    type=click.Choice(["file", "parallel"]),
    help="Run tasks one after the other, or all at once, regardless of the file's form.",
)
@click.option("--optional", is_flag=True, help="Also run the tasks that the file marks as optional: `- [ ]* Text`.")
@click.option(
    "--arg",
    "arguments",
    type=Assignment(),
    multiple=True,
    metavar="NAME=VALUE",
    help="A value for {{NAME}} in the tasks of the file; can be repeated.",
)
@click.option(
    "--key",
    metavar="NAME",
    callback=one_word,
    help="A name for this start: another start with it starts nothing, or resumes this run if it was cut off.",
)
@candidate_options
@place_options
@click.option(
    "--overlaps",
    type=click.Choice(["wait", "allow"]),
    default="wait",
    help="Tasks that declare a common file (`- Files:`) run one after the other (the default), or side by side.",
)
@click.option("--dry-run", is_flag=True, help="Show what would run, and run nothing.")
@click.option(
    "--yes",
    is_flag=True,
    help="Do not ask before starting and merging, except into a protected branch. Without a terminal, that is the "
    "only question; it is in `aur approvals`.",
)
@click.option("--force", is_flag=True, help="Run the file although another run works on it now.")
@click.option("--bg", "background", is_flag=True, help="In the background; survives this terminal and the logout.")
@click.option("--no-checkpoint", is_flag=True, help="Leave no trace in the journal; such a run cannot be resumed.")
@click.option("--resume", metavar="RUN", help="Continue a run that was cut off.")
@click.option("--retry-failed", is_flag=True, help="With --resume: also run what failed, was skipped or cancelled.")
@accept_changes_option
@click.option("--list-checkpoints", is_flag=True, help="List the runs that can be resumed.")
@click.option(
    "--clean-checkpoints",
    "clean_days",
    type=FiniteRange(min=0),
    metavar="DAYS",
    help="Remove what runs older than so many days left behind.",
)
@json_option
def command(**given: object) -> int:
    """Run the tasks of a task file concurrently.

    Each open task starts as soon as what it depends on is done. Task lists of spec-kit, Kiro, cc-sdd and OpenSpec run
    in their own order; --dry-run shows it, and every box that is no task. Boxes are ticked as tasks succeed. The
    exit status is 1 if a task failed, was skipped or cannot be run. A run that was cut off can be resumed: what is
    finished stays finished.
    """
    options = _Options(**given)  # type: ignore[arg-type]
    options.check(given_parameters(click.get_current_context()))
    if options.list_checkpoints:
        return show_resumable(as_json=options.as_json)
    if options.clean_days is not None:
        return clean(options.clean_days, as_json=options.as_json)
    if options.resume is not None:
        return resume(
            options.resume,
            taskfile=options.taskfile,
            max_concurrent=options.at_once,
            stagger_s=options.stagger_s,
            retry_failed=options.retry_failed,
            background=options.background,
            accept_changes=options.accept_changes,
            yes=options.yes,
            as_json=options.as_json,
        )
    return _spawn(options)


def _spawn(options: _Options) -> ExitCode:
    with wiring.open_folder(tool=options.tool, max_concurrent=options.at_once) as aurora:
        try:
            return _spawn_in(aurora, options)
        except StartedBeforeError as started:
            note(str(started))
            (status,) = aurora.status(started.run_id)
    return _started_before(status, options)


def _started_before(status: RunStatus, options: _Options) -> ExitCode:
    """Resumes the run that a start with the same key has begun, if it was cut off; else only says how it stands."""
    if status.pid is None and status.state not in _ENDED:
        return resume(
            status.run_id,
            retry_failed=False,
            background=options.background,
            accept_changes=False,
            yes=options.yes,
            as_json=options.as_json,
        )
    if options.as_json:
        emit_json(Schema.RUN_NOT_STARTED, {"run_id": status.run_id, "state": status.state, "started": False})
    else:
        emit(f"{status.run_id} {status.state}; nothing was started")
    return ExitCode.NOT_REACHED if status.state in (RunState.FAILED, RunState.CANCELLED) else ExitCode.DONE


def _spawn_in(aurora: Aurora, options: _Options) -> ExitCode:
    assert options.taskfile is not None
    plan = aurora.plan(
        options.taskfile,
        order=options.order,
        optional=options.optional,
        background=options.background,
        match=options.match,
        budget_usd=options.budget_usd,
        sandbox=options.sandbox_mode,
        isolation=options.wanted_isolation(aurora.config),
        candidates=options.candidates,
        candidate_agents=options.candidate_agents,
        overlaps=options.overlaps,
        arguments=dict(options.arguments),
        key=options.key,
    )
    if options.pool:
        plan = plan.on_pool(options.pool)
    if options.dry_run:
        return _show_plan(plan, as_json=options.as_json)
    aurora.check_key_is_free(plan)
    if not plan.file.tasks:
        return _nothing_to_run(plan, as_json=options.as_json)
    aurora.check_not_in_use(plan, force=options.force)
    note(preview.as_text(plan, limit=SHOWN_TASKS))
    if not _wanted(options):
        return ExitCode.NOT_REACHED
    plan = _with_trusted_checks(aurora, plan)
    aurora.set_up()
    aurora.refresh_memory(plan.agents, index_with_progress)
    with aurora.start_lock(plan, force=options.force) as release:
        return _run(aurora, plan, options, on_start=release)


def _run(aurora: Aurora, plan: SpawnPlan, options: _Options, *, on_start: Callable[[], None]) -> ExitCode:
    if options.no_checkpoint:
        with TemporaryDirectory(prefix="aurora-") as folder:
            run = aurora.new_run(plan, stagger_s=options.stagger_s, keep_in=Path(folder))
            return run_progress.execute(
                aurora, run, plan.file, plan.titles, as_json=options.as_json, delivers=False, on_start=on_start
            )
    run = aurora.new_run(plan, stagger_s=options.stagger_s)
    if options.background:
        more = [f"--stagger-delay={options.stagger_s}"] + (
            [f"--max-concurrent={options.at_once}"] if options.at_once else []
        )
        return run_progress.in_background(aurora, run.run_id, more=more, as_json=options.as_json)
    return run_progress.execute(aurora, run, plan.file, plan.titles, as_json=options.as_json, on_start=on_start)


def _with_trusted_checks(aurora: Aurora, plan: SpawnPlan) -> SpawnPlan:
    """Asks about commands of the file that the user does not trust yet, if a question can be answered."""
    claim = plan.untrusted_checks
    if claim is None or not is_interactive():
        return plan
    for line in trust.claim_lines([claim]):
        note(line)
    if not click.confirm("Aurora itself runs these commands. Trust them?", default=False, err=True):
        return plan
    trust_store().remember_claim(aurora.project.root, claim)
    return replace(plan, untrusted_checks=None)


def _wanted(options: _Options) -> bool:
    """Asks whether to start, if a question can be answered."""
    if options.yes or not is_interactive():
        return True
    return click.confirm("Start?", default=True, err=True)


def _nothing_to_run(plan: SpawnPlan, *, as_json: bool) -> ExitCode:
    note(preview.as_text(plan, limit=SHOWN_TASKS))
    note("nothing to run")
    if as_json:
        return run_progress.report_result(nothing_to_run(plan), as_json=True)
    return ExitCode.NOT_REACHED if plan.file.not_run else ExitCode.DONE


def _show_plan(plan: SpawnPlan, *, as_json: bool) -> ExitCode:
    if as_json:
        emit_json(Schema.RUN_PREVIEW, preview.as_document(plan))
    else:
        emit(preview.as_text(plan))
    return ExitCode.DONE
