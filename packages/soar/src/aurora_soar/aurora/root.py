"""The root object: one project with its memory, configuration, policies, agents, ledger and keys, and its runs."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aurora_core import AuroraCoreError, Memory, Project, load_config
from aurora_core.checkouts import linked_worktree_above
from aurora_core.private_files import private_folder
from aurora_core.project import shared_answers_folder
from aurora_core.trust import Part
from aurora_soar.aurora import trust
from aurora_soar.errors import NoProjectError
from aurora_soar.notices import Notice, Notify, log_notice

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from aurora_core import Config, IndexProgress, IndexReport
    from aurora_core.semantic import Embedder
    from aurora_core.settings.keys import KeyStore
    from aurora_core.trust import Claim
    from aurora_policies import PoliciesEngine
    from aurora_policies.budget import Ledger
    from aurora_soar.log.execution import Verbosity
    from aurora_soar.orchestrator import SOAROrchestrator
    from aurora_soar.personas import Roster
    from aurora_soar.result import SoarEvent, SoarResult
    from aurora_soar.taskruns.agents import ProjectAgents
    from aurora_soar.taskruns.execute import TaskRunResult
    from aurora_soar.taskruns.limits import RunLimits
    from aurora_soar.taskruns.plan import SpawnPlan
    from aurora_soar.taskruns.resume import ResumePlan
    from aurora_spawner import Backend, Run, RunEvent
    from aurora_spawner.control.checkpoints import CleanReport
    from aurora_spawner.control.status import RunStatus
    from aurora_spawner.recovery.settings import BatchQuestion
    from aurora_spawner.taskfiles.model import Order
    from aurora_spawner.tasks.result import RunState, TaskState

__all__ = ["Aurora"]


class Aurora:
    """A project and everything that works on it; each part is made when it is first used, and read once.

    What an untrusted project's files name has no effect. Use it in a `with` statement, or call `close`.

    Args:
        project: may be a folder that was never set up; `set_up`, and what needs it, makes its `.aurora`.
        tool: the agent for tasks that name none, and the model of questions; None leaves it to the configuration.
        max_concurrent: agents at once; None leaves it to the configuration.
        notify: receives notices for the user; the log of this package by default.
        ask_trust: receives what the user does not trust of the project yet; True trusts it from now on. None asks
            nothing, and a notice names what was left aside.
        on_batch_held: answers if too many tasks of a run fail; None leaves the rest held, for a resume.
    """

    def __init__(
        self,
        project: Project,
        *,
        tool: str | None = None,
        max_concurrent: int | None = None,
        notify: Notify = log_notice,
        ask_trust: Callable[[Sequence[Claim]], bool] | None = None,
        on_batch_held: BatchQuestion | None = None,
    ) -> None:
        self.project = project
        self.notify = notify
        self._given = {"tool": tool, "spawner.max_concurrent": max_concurrent}
        self._on_batch_held = on_batch_held
        self._left_aside_reported = False
        self._resources = ExitStack()
        if ask_trust is not None:
            trust.ask_for_trust(project, self._find_roster(), ask_trust)

    @classmethod
    def open(
        cls,
        folder: Path | str = ".",
        *,
        tool: str | None = None,
        max_concurrent: int | None = None,
        notify: Notify = log_notice,
        ask_trust: Callable[[Sequence[Claim]], bool] | None = None,
        on_batch_held: BatchQuestion | None = None,
        existing: bool = False,
    ) -> Self:
        """Opens the project that a folder belongs to, or would be; nothing is made yet.

        Args:
            folder: the project's root, or a folder below it.
            existing: refuse a folder that was never set up. The other arguments are those of the class.

        Raises:
            NoProjectError: the folder belongs to no project, and `existing` is set.
            ProjectError: the project belongs to another user.
            ConfigError, PolicyFileError, TrustStoreError: with `ask_trust`, a file is not valid.
        """
        start = Path(folder)
        project = Project.find(start)
        if project is None:
            if existing:
                raise NoProjectError(start, worktree=linked_worktree_above(start))
            project = Project.uninitialised(start)
        return cls(
            project,
            tool=tool,
            max_concurrent=max_concurrent,
            notify=notify,
            ask_trust=ask_trust,
            on_batch_held=on_batch_held,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the memories that were opened."""
        self._resources.close()
        self.__dict__.pop("memory", None)
        self.__dict__.pop("_shared", None)

    def set_up(self) -> None:
        """Makes the project's `.aurora` and says so; one that is there stays as it is.

        Raises:
            ProjectError: the folder is not there or cannot be written.
        """
        if self.project.aurora_dir.exists():
            self.project = Project.init(self.project.root)
            return
        self.notify(Notice(message=f"setting up a project in {self.project.root} (.aurora/)"))
        self.project = Project.init(self.project.root)
        trust.remember_made(self.project, self.notify)

    # The parts of a project.

    @cached_property
    def config(self) -> Config:
        """The configuration, without what the user does not trust.

        Raises:
            ConfigError: a file or variable is not valid; names file, line and field.
        """
        overrides = {key: value for key, value in self._given.items() if value is not None}
        config = load_config(self.project, environ=os.environ, overrides=overrides)
        if config.untrusted:
            self._report_left_aside()
        return config

    @cached_property
    def policies(self) -> PoliciesEngine:
        """The policies, or the defaults if the project has none; looser ones only if the user trusts them.

        Raises:
            PolicyFileError: the file is not valid; nothing may run.
        """
        from aurora_policies import PoliciesEngine

        policies = PoliciesEngine.load(self.project.policies_file)
        loosened = trust.loosened_by(policies)
        if trust.trust_store().trusts(self.project, Part.POLICIES, trust.policy_claims(loosened)):
            return policies
        self._report_left_aside()
        return policies.without(loosened)

    @cached_property
    def personas(self) -> Roster:
        """The personas of the project and of its user."""
        return self._trusted(self._find_roster())

    def refresh_personas(self) -> Roster:
        """Reads all personas anew, past the cache."""
        self.personas = self._trusted(self._find_roster(refresh=True))
        return self.personas

    @cached_property
    def agents(self) -> Mapping[str, Backend]:
        """The agents that tasks may name: the configured ones, the CLIs found on PATH, and the local one."""
        from aurora_soar.taskruns.agents import find_backends

        if any(backend.key for backend in self.config.backends.values()):
            _ = self.keys  # a project's own keys that are left aside are reported now
        return find_backends(self.project, self.config, lambda name: self.keys.find(name).value)

    @property
    def shadowed_personas(self) -> list[str]:
        """The personas that tasks cannot name, because a backend has their name."""
        try:
            return [name for name in self.personas.by_id if name in self.agents]
        except AuroraCoreError:
            return []  # whoever needs the configuration reports its error

    @cached_property
    def keys(self) -> KeyStore:
        """The user's keys; those of the project's `.env` only if the user trusts them."""
        from aurora_core.settings.keys import KeyStore, system_ring

        trusted = trust.trust_store().trusts(self.project, Part.KEYS, trust.key_claims(self.project))
        if not trusted:
            self._report_left_aside()
        return KeyStore(
            ring=system_ring(),
            env_file=self.project.root / ".env" if trusted else None,
            environ=os.environ,
            names_file=Path.home() / ".aurora" / "key_names.json",
        )

    @property
    def ledger(self) -> Ledger:
        """The user's ledger, with the limits that hold in this project now."""
        from aurora_soar.taskruns.ledger import open_ledger

        return open_ledger(self.policies)

    def set_user_limits(
        self, *, amounts: Mapping[str, float | None], warn_at: float | None = None, on_limit: str | None = None
    ) -> None:
        """Changes the limits that the user has set for all projects; see `taskruns.ledger.set_user_limits`.

        Raises:
            PolicyFileError: the project's policies are not valid.
            BudgetStoreError: the ledger cannot be read or written.
        """
        from aurora_soar.taskruns.ledger import set_user_limits

        _ = self.policies  # a file that is not valid is reported before anything is written
        set_user_limits(amounts=amounts, warn_at=warn_at, on_limit=on_limit)

    @cached_property
    def memory(self) -> Memory:
        """The project's memory; `close` closes it."""
        return self._resources.enter_context(self.open_memory())

    def open_memory(self) -> Memory:
        """Opens the project's memory once more; the caller closes it."""
        config = self.config
        return Memory.open(
            self.project.root, exclude=config.exclude, activation=config.activation, embedder=self._embedder()
        )

    def rebuild_memory(self, on_progress: Callable[[IndexProgress], None] | None = None) -> IndexReport:
        """Makes the project's memory again from its files, whatever state it is in."""
        return Memory.rebuild(self.project.root, exclude=self.config.exclude, on_progress=on_progress)

    def claims(self) -> tuple[Claim, ...]:
        """Returns everything in the project that needs the user's trust, trusted or not.

        Raises:
            ConfigError, PolicyFileError: a file is not valid.
        """
        return trust.all_claims(self.project, self._find_roster())

    @cached_property
    def project_agents(self) -> ProjectAgents:
        """The agents with the rules that hold for them: the default, trust, fallbacks, recovery, limits."""
        from aurora_soar.taskruns.agents import ProjectAgents

        return ProjectAgents(
            project=self.project,
            config=self.config,
            policies=self.policies,
            backends=self.agents,
            on_batch_held=self._on_batch_held,
            notify=self.notify,
        )

    # Questions.

    def ask(
        self,
        question: str,
        *,
        index: bool = True,
        verbosity: Verbosity | str = "normal",
        on_event: Callable[[SoarEvent], None] | None = None,
    ) -> SoarResult:
        """Answers a question; see `aask`. Must not be called while an event loop runs."""
        import asyncio

        return asyncio.run(self.aask(question, index=index, verbosity=verbosity, on_event=on_event))

    async def aask(
        self,
        question: str,
        *,
        index: bool = True,
        verbosity: Verbosity | str = "normal",
        on_event: Callable[[SoarEvent], None] | None = None,
    ) -> SoarResult:
        """Answers a question about the project, with sources; a project that was never set up is set up.

        Args:
            index: bring the memory up to date first.
            on_event: receives each event of the phases.

        Raises:
            EmptyQuestionError: the question holds no word to look for.
            UnknownAgentError, UntrustedAgentError: `tool` names an agent that is not there, or not trusted.
            OverLimitError: nothing is left of the budget for it.
        """
        from aurora_soar.log.execution import Verbosity
        from aurora_soar.question.question import read_question

        text = read_question(question).text
        self.set_up()
        orchestrator = self.orchestrator()
        if index:
            await self.memory.aindex()
        return await orchestrator.aexecute(text, verbosity=Verbosity(verbosity), on_event=on_event)

    def orchestrator(self) -> SOAROrchestrator:
        """Builds the orchestrator of this project's questions over `memory`; errors as `aask`."""
        from aurora_soar.aurora.question_orchestrator import build_orchestrator

        return build_orchestrator(self.project_agents, self.memory, self._shared)

    # Runs of task files.

    def plan(
        self,
        taskfile: Path | str,
        *,
        budget_usd: float | None = None,
        order: Order | None = None,
        optional: bool = False,
        match: bool = False,
        background: bool = False,
    ) -> SpawnPlan:
        """Plans the run of a task file; nothing is started. See `plan_taskfile` for arguments and errors."""
        from aurora_soar.taskruns.plan import plan_taskfile

        return plan_taskfile(
            self.project_agents,
            Path(taskfile),
            roster=lambda: self.personas,
            order=order,
            optional=optional,
            background=background,
            match=match,
            budget_usd=budget_usd,
        )

    def run_taskfile(
        self,
        taskfile: Path | str,
        *,
        budget_usd: float | None = None,
        order: Order | None = None,
        optional: bool = False,
        match: bool = False,
        stagger_s: float = 0.0,
        force: bool = False,
        on_event: Callable[[RunEvent], None] | None = None,
    ) -> TaskRunResult:
        """Runs a task file; see `arun_taskfile`. Must not be called while an event loop runs."""
        import asyncio

        return asyncio.run(
            self.arun_taskfile(
                taskfile,
                budget_usd=budget_usd,
                order=order,
                optional=optional,
                match=match,
                stagger_s=stagger_s,
                force=force,
                on_event=on_event,
            )
        )

    async def arun_taskfile(
        self,
        taskfile: Path | str,
        *,
        budget_usd: float | None = None,
        order: Order | None = None,
        optional: bool = False,
        match: bool = False,
        stagger_s: float = 0.0,
        force: bool = False,
        on_event: Callable[[RunEvent], None] | None = None,
    ) -> TaskRunResult:
        """Runs the open tasks of a task file, with personas, under the project's policies and the user's budget.

        Boxes are ticked as tasks succeed. If this process is killed, the agents go on and `resume` continues the run.

        Args:
            budget_usd: the most that the run may cost; the policies' limit if that is less.
            order: of its tasks, instead of the order that the form of the file has.
            optional: also run the tasks that are marked as optional.
            match: find a persona for tasks that name no agent, or generate one.
            stagger_s: time between two starts; 0 for none.
            force: run the file although another run works on it.
            on_event: receives each event of the run.

        Raises:
            TaskFileError, GraphError: the file cannot be understood.
            UnknownAgentError, UntrustedAgentError: a task names an agent that is not there, or not trusted.
            OverLimitError: the run cannot stay within its limits.
            TaskFileInUseError: another run works on the file.
        """
        from aurora_soar.taskruns.execute import execute_run, nothing_to_run

        plan = self.plan(taskfile, budget_usd=budget_usd, order=order, optional=optional, match=match)
        if not plan.file.tasks:
            return nothing_to_run(plan)
        self.check_not_in_use(plan, force=force)
        self.set_up()
        await self._index_for(plan.agents)
        with self.start_lock(plan, force=force) as release:
            run = self.new_run(plan, stagger_s=stagger_s)
            return await execute_run(run, plan.file, plan.titles, on_event=on_event, on_start=release)

    def check_not_in_use(self, plan: SpawnPlan, *, force: bool = False) -> None:
        """Refuses a plan whose task file a run works on; with `force` only warns.

        Raises:
            TaskFileInUseError: a run works on it.
        """
        from aurora_soar.taskruns.start import check_not_in_use

        check_not_in_use(self.project, plan.file.path, force=force, notify=self.notify)

    def start_lock(self, plan: SpawnPlan, *, force: bool = False) -> AbstractContextManager[Callable[[], None]]:
        """Keeps other processes from starting a run; see `taskruns.start.start_lock`."""
        from aurora_soar.taskruns.start import start_lock

        return start_lock(self.project, plan.file.path, as_read=plan.content, force=force, notify=self.notify)

    def new_run(self, plan: SpawnPlan, *, stagger_s: float = 0.0, keep_in: Path | None = None) -> Run:
        """Writes a run of a plan into the journal; nothing starts. See `taskruns.execute.new_run`."""
        from aurora_soar.taskruns.execute import new_run

        return new_run(self.project_agents, plan, stagger_s=stagger_s, keep_in=keep_in)

    def resume(
        self,
        run_id: str,
        *,
        retry_failed: bool = False,
        accept_changes: bool = False,
        on_event: Callable[[RunEvent], None] | None = None,
    ) -> TaskRunResult:
        """Resumes a run of a task file; see `aresume`. Must not be called while an event loop runs."""
        import asyncio

        return asyncio.run(
            self.aresume(run_id, retry_failed=retry_failed, accept_changes=accept_changes, on_event=on_event)
        )

    async def aresume(
        self,
        run_id: str,
        *,
        retry_failed: bool = False,
        accept_changes: bool = False,
        on_event: Callable[[RunEvent], None] | None = None,
    ) -> TaskRunResult:
        """Resumes a run of a task file where it stands, within the limit that it was given.

        Finished tasks stay finished, attempts that still work are adopted, and edited tasks run again.

        Args:
            retry_failed: also run again what failed, was skipped or was cancelled.
            accept_changes: go on though the run's part of the journal was changed.
            on_event: receives each event of the run.

        Raises:
            UnknownRunError: the journal has no such run.
            NotResumableError: it is no run of a task file.
            RunHeldError: another process works on it.
            OverLimitError: nothing is left of its budget.
        """
        from aurora_soar.taskruns.execute import execute_run, resumed_run

        plan = self.plan_resume(run_id, accept_changes=accept_changes)
        run = await resumed_run(self.project_agents, plan, retry_failed=retry_failed)
        await self._index_for(plan.agents)
        return await execute_run(run, plan.file, plan.titles, on_event=on_event)

    def plan_resume(self, run_id: str, taskfile: Path | None = None, *, accept_changes: bool = False) -> ResumePlan:
        """Finds a run and its task file as it is now; see `taskruns.resume.plan_resume`."""
        from aurora_soar.taskruns.resume import plan_resume

        return plan_resume(
            self.project.runs_db,
            run_id,
            backends=lambda: self.agents,
            roster=lambda: self.personas,
            taskfile=taskfile,
            accept_changes=accept_changes,
        )

    def status(self, run_id: str | None = None) -> list[RunStatus]:
        """Returns the status of one run, or of each run that goes on or was cut off, the newest first.

        Raises:
            UnknownRunError: the journal has no such run.
        """
        from aurora_spawner.control.status import run_status, unfinished_statuses

        journal = self.project.runs_db
        return unfinished_statuses(journal) if run_id is None else [run_status(journal, run_id)]

    def cancel(
        self, run_id: str, *, task_id: str | None = None, at_once: bool = False
    ) -> TaskState | RunState | None:
        """Ends a run or one of its tasks, and settles what it cost; see `taskruns.settle.cancel_run`."""
        from aurora_soar.taskruns.settle import cancel_run

        return cancel_run(
            self.project.runs_db,
            run_id,
            task_id=task_id,
            at_once=at_once,
            limits_of=self._limits_of,
            notify=self.notify,
        )

    def clean(self, *, older_than_days: float) -> CleanReport:
        """Removes the contents of old runs, each after its open reservations are settled."""
        from aurora_soar.taskruns.settle import clean_runs

        return clean_runs(self.project.runs_db, older_than_days=older_than_days, limits_of=self._limits_of)

    def _limits_of(self, run_id: str) -> RunLimits | None:
        reserved = self.ledger.open_reservations(run_id)
        return self.project_agents.limits().using(reserved.values()) if reserved else None

    async def _index_for(self, agents: Collection[str]) -> None:
        """Brings the memory up to date if the local agent, which answers from it, has a task."""
        from aurora_soar.registry import LOCAL_AGENT

        if LOCAL_AGENT in agents:
            with self.open_memory() as memory:
                await memory.aindex()

    @cached_property
    def _shared(self) -> Memory | None:
        """The memory that the user's projects share answers in; None without consent."""
        folder = shared_answers_folder(os.environ) if self.config.share_answers else None
        if folder is None:
            return None
        private_folder(folder)
        return self._resources.enter_context(Memory.open(folder))

    def _embedder(self) -> Embedder | None:
        if self.config.semantic_model is None:
            return None
        from aurora_core.semantic import Model2VecEmbedder

        return Model2VecEmbedder(self.config.semantic_model)

    def _find_roster(self, *, refresh: bool = False) -> Roster:
        from aurora_soar.personas import CACHE_NAME, load_roster

        cache = self.project.aurora_dir / CACHE_NAME if self.project.aurora_dir.is_dir() else None
        return load_roster(self.project.root, Path.home(), cache=cache, now=time.time(), refresh=refresh)

    def _trusted(self, roster: Roster) -> Roster:
        claims = trust.persona_claims(self.project, roster)
        if trust.trust_store().trusts(self.project, Part.PERSONAS, claims):
            return roster
        self._report_left_aside()
        return roster.without_models_of_project()

    def _report_left_aside(self) -> None:
        """Reports once what of the project has no effect."""
        if not self._left_aside_reported:
            self._left_aside_reported = True
            self.notify(trust.left_aside_notice(self.project, self._find_roster))
