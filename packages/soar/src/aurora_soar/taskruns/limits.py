"""Limits of one run: caps and budget, checked before it starts and kept while it runs."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_core import Project
from aurora_core.settings.user_folder import user_folder
from aurora_policies import CapExceeded, HardLimitAction, check_caps, depth_of
from aurora_soar.errors import OverLimitError
from aurora_soar.notices import Notice, Notify, log_notice
from aurora_soar.taskruns.confinement import AgentConfinement
from aurora_soar.taskruns.ledger import open_ledger
from aurora_soar.taskruns.pools import check_pool, database_url, hosts_of, pool_executor, shared_gates
from aurora_spawner import CommandBackend
from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.sandbox.executor import ConfiningExecutor
from aurora_spawner.spending.budgeted_executor import BudgetedExecutor
from aurora_spawner.spending.capped_executor import CappedExecutor
from aurora_spawner.spending.costing import Costing
from aurora_spawner.spending.prices import PriceTable, load_prices
from aurora_spawner.supervision.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from aurora_core.settings.config import PoolConfig
    from aurora_policies import Caps, PoliciesEngine
    from aurora_policies.budget import Ledger, Limits
    from aurora_policies.schema import SandboxMode
    from aurora_spawner import Backend
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.journal.views import AttemptRow
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.spending.budget_port import BudgetGate

__all__ = ["RunLimits", "free_agents", "user_prices"]

_FIGURE: Final = re.compile(r"\$\d+(?:\.\d+)?|\d+ %")


def user_prices(environ: Mapping[str, str]) -> PriceTable:
    """Loads the prices of models, the user's own over the packaged ones.

    Raises:
        PriceFileError: the user's file cannot be understood.
    """
    folder = user_folder(environ)
    return load_prices(folder / "prices.yaml" if folder else None)


def free_agents(backends: Mapping[str, Backend]) -> frozenset[str]:
    """Names the agents that cost nothing: the user's own programs that report no model."""
    return frozenset(
        name for name, each in backends.items() if isinstance(each, CommandBackend) and each.dialect is None
    )


def _refuses_unpriced(limits: Limits) -> bool:
    """Returns True if a limit that the user has set also holds for agents whose spending cannot be watched.

    The default limit of a month lets them run: their reservations count.
    """
    return limits.asked and limits.hard_action is HardLimitAction.REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """Keeps one run within the caps and the budget.

    Attributes:
        may_use: agents that the run may use, fallbacks included.
        per_run_usd: a limit that was set for this run.
        sandbox: the mode that was asked for in this run; the policies' own if that is stricter.
        pool: the pool that runs the attempts; None for this machine.
        pools: the pools that the configuration describes, by name.
        folder: the project's, whose runs share what is its share of a pool.
        notify: receives what the user should know about the budget.
        told: warnings about the budget so far, without their figures; `notify:` in the configuration tells each once.
    """

    policies: PoliciesEngine
    backends: Mapping[str, Backend]
    may_use: frozenset[str]
    prices: PriceTable
    per_run_usd: float | None = None
    sandbox: SandboxMode | None = None
    pool: str | None = None
    pools: Mapping[str, PoolConfig] = field(default_factory=dict)
    folder: Path = field(default_factory=Path.cwd)
    notify: Notify = log_notice
    told: set[str] = field(default_factory=set, repr=False, compare=False)

    def using(self, agents: Collection[str]) -> RunLimits:
        """Returns the limits for a run that may use these agents, too."""
        return replace(self, may_use=self.may_use | frozenset(agents))

    @property
    def caps(self) -> Caps:
        """The caps in force."""
        return self.policies.caps

    @property
    def confinement(self) -> AgentConfinement:
        """The sandbox and the limits on resources of each agent."""
        return AgentConfinement(policies=self.policies, backends=self.backends, asked=self.sandbox)

    @property
    def _costly(self) -> frozenset[str]:
        return self.may_use - free_agents(self.backends)

    def check(
        self,
        agents: Collection[str],
        *,
        tasks: int,
        isolated: bool = False,
        placed: Collection[tuple[str, str]] = (),
    ) -> None:
        """Refuses a run that cannot stay within its limits, before it starts.

        Args:
            agents: those of its open tasks.
            isolated: they work in worktrees.
            placed: agents of tasks that name a pool, each with that pool.

        Raises:
            OverLimitError: it cannot, or nothing is left for the first attempt.
            NoSandboxError: a sandbox is required, and none holds here.
            PoolError: its pool cannot run it.
        """
        try:
            check_caps(self.caps, tasks=tasks, depth=depth_of(os.environ))
        except CapExceeded as error:
            raise OverLimitError(str(error), f"raise {error.setting} in .aurora/policies.yaml") from error
        if self.pool is None:
            self.confinement.check(agents)
        else:  # each worker sees for itself what holds there
            check_pool(self.pool, self.pools, agents, self.backends, placed=placed, isolated=isolated)
            hosts = hosts_of(self.pool, self.pools, agents, self.backends, placed) if isolated else []
            prepared = Project(root=self.folder).worktree_file
            if hosts and prepared.exists():
                message = (
                    f"{prepared.name} has no effect on {', '.join(hosts)}: a worktree there has its commit alone"
                )
                self.notify(Notice(message=message, warning=True))
        costly = sorted(self._costly & set(agents) & self.backends.keys())  # the run itself refuses any other
        if costly:
            self._check_budget(costly)

    def _check_budget(self, agents: Sequence[str]) -> None:
        """Refuses agents that cost something if nothing is left for them, or their spending cannot be watched."""
        ledger = self._ledger()
        costing = Costing(backends=self.backends, prices=self.prices)
        for agent in agents:
            model = getattr(self.backends[agent], "model", None)
            unwatchable = costing.unpriced_reason(agent, model) if _refuses_unpriced(ledger.limits) else None
            if unwatchable:
                raise OverLimitError(unwatchable, "`aur budget show` shows the limits in force")
            answer = ledger.would_admit(agent, model)
            for message in filter(self._is_new, answer.notices):
                self.notify(Notice(message=message, warning=True, budget=True))
            if not answer.granted:
                hint = "`aur budget show` shows what it was spent on; `aur budget set --monthly USD` changes it"
                raise OverLimitError(answer.reason, hint)

    def expected_usd(self, agents: Collection[tuple[str, str | None]]) -> float | None:
        """Estimates the cost of attempts together, each by its agent and model; None if all of them are free."""
        costly = Counter(each for each in agents if each[0] not in free_agents(self.backends))
        if not costly:
            return None
        ledger = self._ledger()
        return sum(
            count * ledger.estimate_usd(agent, model or getattr(self.backends[agent], "model", None))
            for (agent, model), count in costly.items()
        )

    def executor(self, *, resumes: str | None = None, spawned: int = 0, detached: bool = True) -> Executor:
        """Builds what runs attempts within the limits.

        Args:
            resumes: the run that is resumed.
            spawned: attempts that it has had.
            detached: whether agents continue when this process dies; see `LocalExecutor`.
        """
        inner = self._innermost(detached=detached)
        if self._costly:
            ledger = self._ledger()
            budget, close = self._budget(ledger)
            inner = BudgetedExecutor(
                inner=inner,
                gate=budget,
                on_close=close,
                backends=self.backends,
                resumes=resumes,
                free=free_agents(self.backends),
                prices=self.prices,
                refuse_unpriced=_refuses_unpriced(ledger.limits),
                tell=lambda message: self.notify(Notice(message=f"budget: {message}", budget=self._is_new(message))),
            )
        return CappedExecutor(
            inner=inner,
            max_total_spawns=self.caps.max_total_spawns,
            spawned=spawned,
            depth=depth_of(os.environ),
        )

    def _innermost(self, *, detached: bool) -> Executor:
        if self.pool is not None:
            return pool_executor(
                self.pool,
                self.confinement,
                self.pools,
                workspace=self.folder,
                tell=lambda pool, message: self.notify(Notice(message=f"pool {pool}: {message}", warning=True)),
            )
        # Also without confinement now: a resume may find attempts that have begun with some.
        return ConfiningExecutor(inner=LocalExecutor(detached=detached), confining=self.confinement)

    def recovery(self, settings: RecoverySettings) -> RecoverySettings:
        """Returns the recovery of the run: on a pool, its provider gates are those of all runs on its database.

        Raises:
            PoolError: no database is named, or the packages for it are not installed.
        """
        return replace(settings, gates=shared_gates(database_url())) if self._has_database else settings

    @property
    def _has_database(self) -> bool:
        """True on a pool of workers; a host over ssh has no database, and shares nothing with other runs."""
        return self.pool is not None and (self.pool not in self.pools or self.pools[self.pool].ssh is None)

    async def reconcile(self, run_id: str, attempts: Sequence[AttemptRow], *, over: bool) -> None:
        """Settles the reservations of attempts of a run that have ended: at the reported cost, else the estimate.

        Args:
            attempts: all that the journal has of the run.
            over: no process works on the run or will, so that nothing more of it starts.
        """
        reserved = self._ledger().open_reservations(run_id)
        if not reserved:
            return
        by_token = {each.token: each for each in attempts}
        executor = self.using(reserved.values()).executor(resumes=run_id)
        budget, close = self._budget(self._ledger())
        for token in reserved:
            attempt = by_token.get(token)
            ended = over or (attempt is not None and attempt.state == "ended")
            if attempt and (AttemptFolder(path=attempt.folder).exit.exists() or (over and attempt.folder.is_dir())):
                found = await executor.adopt(token=token, folder=attempt.folder, supervisor=attempt.supervisor)
                ended = isinstance(found, AttemptEnd)
            if ended:  # without a record, or of an agent that counts as free by now; else this changes nothing
                budget.settle(token, None)
        close()
        executor.close()

    def _is_new(self, message: str) -> bool:
        """Notes a warning; returns False if it was given before, perhaps with other figures.

        Attempts repeat what the check has said, while the figures move.
        """
        about = _FIGURE.sub("", message)
        is_new = about not in self.told
        self.told.add(about)
        return is_new

    def _budget(self, ledger: Ledger) -> tuple[BudgetGate, Callable[[], None]]:
        """Returns what grants money, and what closes it: on a pool, also the budget that its runs share."""
        if self.pool is None or not self._has_database:
            return ledger, lambda: None
        url = database_url()
        from aurora_soar.taskruns.pool_budget import PoolBudget
        from aurora_spawner.distributed.pool_money import PoolMoney

        money = PoolMoney(url, self.pool)
        return PoolBudget(ledger, money), money.close

    def _ledger(self) -> Ledger:
        return open_ledger(self.policies, per_run_usd=self.per_run_usd)
