"""Parts of a project: configuration, policies, personas, agents, keys, ledger, memory; nothing untrusted in them."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aurora_core import AuroraCoreError, Project, load_config
from aurora_core.checkouts import linked_worktree_above
from aurora_core.private_files import private_folder
from aurora_core.project import shared_answers_folder
from aurora_core.trust import Part
from aurora_soar.aurora import trust
from aurora_soar.errors import NoProjectError
from aurora_soar.notices import Notice, Notify, log_notice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from aurora_core import Config, IndexProgress, IndexReport, Memory
    from aurora_core.semantic import Embedder
    from aurora_core.settings.keys import KeyStore
    from aurora_core.trust import Claim
    from aurora_policies import PoliciesEngine
    from aurora_policies.budget import Ledger
    from aurora_soar.notifications.outbox import Outbox
    from aurora_soar.personas import Roster
    from aurora_soar.taskruns.agents import ProjectAgents
    from aurora_spawner import Backend
    from aurora_spawner.recovery.settings import BatchQuestion
    from aurora_spawner.workspaces.preparation import Preparation

__all__ = ["ProjectParts"]


class ProjectParts:
    """A project and its parts; each part is made when it is first used, and read once.

    What an untrusted project's files name has no effect. Use it in a `with` statement, or call `close`.

    Args:
        project: may be a folder that was never set up; `set_up`, and what needs it, makes its `.aurora`.
        tool: the agent for tasks that name none, and the model of questions; None leaves it to the configuration.
        max_concurrent: agents at once; None leaves it to the configuration, or to the run that is resumed.
        notify: receives notices for the user; the log of this package by default.
        ask_trust: receives what the user does not trust of the project yet; True trusts it from now on. None asks
            nothing, and a notice names what is ignored.
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
        self._max_concurrent = max_concurrent
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
        """Closes the memories that were opened, and delivers the notifications that no run has delivered."""
        self._resources.close()
        self.__dict__.pop("memory", None)
        self.__dict__.pop("shared_answers", None)
        if "outbox" in self.__dict__:
            for undelivered in self.outbox.flush():
                self.notify(Notice(message=undelivered, warning=True))

    def set_up(self) -> None:
        """Makes the project's `.aurora` and says so; an existing one does not change.

        Raises:
            ProjectError: the folder is not there or cannot be written.
        """
        if self.project.aurora_dir.exists():
            self.project = Project.init(self.project.root)
            return
        self.notify(Notice(message=f"setting up a project in {self.project.root} (.aurora/)"))
        self.project = Project.init(self.project.root)
        trust.trust_created_project(self.project, self.notify)

    @cached_property
    def config(self) -> Config:
        """The configuration, without what the user does not trust.

        Raises:
            ConfigError: a file or variable is not valid; names file, line and field.
        """
        self._report_left_aside(self._config.untrusted)
        return self._config

    @cached_property
    def policies(self) -> PoliciesEngine:
        """The policies in force: the project's, or the defaults, and the user's own where these are stricter.

        What is looser than the defaults counts only if the user trusts the project.

        Raises:
            PolicyFileError: the file is not valid; nothing may run.
        """
        policies, untrusted = self._policies
        self._report_left_aside(untrusted)
        return policies.beside(self.user_policies)

    @cached_property
    def user_policies(self) -> PoliciesEngine | None:
        """The user's own policies for all projects; None without a file.

        Raises:
            PolicyFileError: the file is not valid; nothing may run.
        """
        from aurora_soar.taskruns.user_policies import load_user_policies

        return load_user_policies(os.environ)

    @cached_property
    def personas(self) -> Roster:
        """The personas of the project and of its user."""
        roster, untrusted = self._personas
        self._report_left_aside(untrusted)
        return roster

    @cached_property
    def preparation(self) -> Preparation:
        """The contents of tasks' worktrees besides their base commit; commands, variables and links only if trusted.

        Raises:
            PreparationError: `worktree.yaml` is not valid; nothing may run.
        """
        preparation, untrusted = self._preparation
        self._report_left_aside(untrusted)
        return preparation

    def refresh_personas(self) -> Roster:
        """Reads all personas anew, past the cache."""
        self._personas = self._trusted(self._find_roster(refresh=True))
        self.__dict__.pop("personas", None)
        return self.personas

    @cached_property
    def agents(self) -> Mapping[str, Backend]:
        """The agents that tasks may name: the configured ones, the CLIs found on PATH, and the local one."""
        from aurora_soar.taskruns.agents import find_backends

        if any(backend.key for backend in self.config.backends.values()):
            _ = self.keys  # a project's own keys that are ignored are reported now
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

        self._report_left_aside(self._untrusted_keys)
        return KeyStore(
            ring=system_ring(),
            env_file=None if self._untrusted_keys else self.project.root / ".env",
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

        The policies are read anew afterwards: a limit of the user's own decides what of a project's needs trust.

        Raises:
            PolicyFileError: the project's policies are not valid.
            BudgetStoreError: the ledger cannot be read or written.
        """
        from aurora_policies import PoliciesEngine
        from aurora_soar.taskruns.ledger import set_user_limits

        PoliciesEngine.load(self.project.policies_file)  # a file that is not valid is reported before the write
        set_user_limits(amounts=amounts, warn_at=warn_at, on_limit=on_limit)
        for read in ("_policies", "policies", "project_agents"):
            self.__dict__.pop(read, None)
        self._left_aside_reported = False

    @cached_property
    def memory(self) -> Memory:
        """The project's memory; `close` closes it."""
        return self._resources.enter_context(self.open_memory())

    def open_memory(self, *, by_meaning: bool = True) -> Memory:
        """Opens the project's memory once more; the caller closes it.

        Args:
            by_meaning: False for searches by words alone, whether a model is there or not.
        """
        from aurora_core import Memory  # with numpy; most commands open none

        config = self.config
        embedder = self._embedder() if by_meaning else None
        return Memory.open(self.project.root, exclude=config.exclude, activation=config.activation, embedder=embedder)

    def rebuild_memory(self, on_progress: Callable[[IndexProgress], None] | None = None) -> IndexReport:
        """Makes the project's memory again from its files, whatever state it is in."""
        from aurora_core import Memory

        return Memory.rebuild(self.project.root, exclude=self.config.exclude, on_progress=on_progress)

    def claims(self) -> tuple[Claim, ...]:
        """Returns everything in the project that needs the user's trust, trusted or not.

        Raises:
            ConfigError, PolicyFileError, PreparationError: a file is not valid.
        """
        return trust.all_claims(self.project, self._find_roster())

    def untrusted(self) -> tuple[Claim, ...]:
        """Returns what of the project has no effect, because the user does not trust it; errors as for `claims`.

        Raises:
            TrustStoreError: a record of trust cannot be read.
        """
        return tuple(trust.untrusted_of(self.project, self.claims()))

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
            notify=self._notify_of_run,
            preparation=lambda: self.preparation,
        )

    @cached_property
    def outbox(self) -> Outbox:
        """The notifications that `notify:` in the configuration asks for."""
        from aurora_soar.notifications.outbox import Outbox
        from aurora_soar.notifications.receivers import receiver_of

        project = str(self.project.root)
        return Outbox(
            [
                (frozenset(each.on), receiver_of(each, project=project, key=lambda name: self.keys.find(name).value))
                for each in self.config.notify
            ]
        )

    def _notify_of_run(self, notice: Notice) -> None:
        self.notify(notice)
        if notice.budget:
            from aurora_soar.notifications.messages import budget_warning

            self.outbox.put(budget_warning(notice.message, at=time.time()))

    @cached_property
    def shared_answers(self) -> Memory | None:
        """The memory that the user's projects share answers in; None without consent."""
        folder = shared_answers_folder(os.environ) if self.config.share_answers else None
        if folder is None:
            return None
        from aurora_core import Memory

        private_folder(folder)

        return self._resources.enter_context(Memory.open(folder))

    @property
    def static_model(self) -> Path | None:
        """The file of the project's static model, there while search by meaning is on; None without a home folder."""
        from aurora_core.static_model.places import model_path

        return model_path(self.project.root, os.environ)

    def _embedder(self) -> Embedder | None:
        if self.config.semantic_model is not None:
            from aurora_core.semantic import Model2VecEmbedder

            return Model2VecEmbedder(self.config.semantic_model)
        model = self.static_model
        if model is None or not model.is_file():
            return None
        from aurora_core.static_model.model import StaticModel

        return StaticModel.load(model)

    def _find_roster(self, *, refresh: bool = False) -> Roster:
        from aurora_soar.personas import CACHE_NAME, load_roster

        cache = self.project.aurora_dir / CACHE_NAME if self.project.aurora_dir.is_dir() else None
        return load_roster(self.project.root, Path.home(), cache=cache, now=time.time(), refresh=refresh)

    # Each part is read and its trust decided once, here; what takes effect and the notice both follow from that.

    @cached_property
    def _config(self) -> Config:
        overrides = {key: value for key, value in self._given.items() if value is not None}
        return load_config(self.project, environ=os.environ, overrides=overrides)

    @cached_property
    def _policies(self) -> tuple[PoliciesEngine, tuple[Claim, ...]]:
        from aurora_policies import PoliciesEngine

        policies = PoliciesEngine.load(self.project.policies_file)
        loosened = trust.loosened_by(policies)
        untrusted = trust.untrusted_in(self.project, Part.POLICIES, trust.policy_claims(loosened))
        return policies.without(loosened) if untrusted else policies, untrusted

    @cached_property
    def _personas(self) -> tuple[Roster, tuple[Claim, ...]]:
        return self._trusted(self._find_roster())

    def _trusted(self, roster: Roster) -> tuple[Roster, tuple[Claim, ...]]:
        claims = trust.persona_claims(self.project, roster)
        untrusted = trust.untrusted_in(self.project, Part.PERSONAS, claims)
        return roster.without_models_of_project() if untrusted else roster, untrusted

    @cached_property
    def _untrusted_keys(self) -> tuple[Claim, ...]:
        return trust.untrusted_in(self.project, Part.KEYS, trust.key_claims(self.project))

    @cached_property
    def _preparation(self) -> tuple[Preparation, tuple[Claim, ...]]:
        from aurora_soar.taskruns.preparation import read_preparation, worktree_claims

        preparation = read_preparation(self.project)
        claims = worktree_claims(preparation)
        untrusted = trust.untrusted_in(self.project, Part.WORKTREES, claims)
        return preparation.without_commands() if untrusted else preparation, untrusted

    def _report_left_aside(self, untrusted: tuple[Claim, ...]) -> None:
        """Reports what of the whole project has no effect, once, if a part that is used has such claims."""
        if untrusted and not self._left_aside_reported:
            self._left_aside_reported = True
            readers = (
                lambda: self._config.untrusted,
                lambda: self._policies[1],
                lambda: self._personas[1],
                lambda: self._untrusted_keys,
                lambda: self._preparation[1],
            )
            self.notify(trust.untrusted_notice(self.project, readers))
