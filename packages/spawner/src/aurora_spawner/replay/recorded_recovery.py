"""The recovery of a run in a replay: the policy decides as ever, and a guide says when waits are over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from aurora_spawner.recovery.actions import Retry, Start, Wait
from aurora_spawner.recovery.agent_rules import AgentRules
from aurora_spawner.recovery.machine import MODEL_AGENT
from aurora_spawner.recovery.no_recovery import NoRecovery
from aurora_spawner.recovery.run_recovery import RunRecovery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.classification.classifier import Classification
    from aurora_spawner.recovery.actions import AfterAttempt, BeforeAttempt
    from aurora_spawner.recovery.machine import RecoveryStateTransition
    from aurora_spawner.recovery.restore import RestoredRecovery
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.replay.recorded_gates import RecordedGates
    from aurora_spawner.runs.decision_settings import DecisionSettings
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask

FOREVER_S: Final = 1e10
"""A wait whose end the guide decides."""


class RecordedRules(AgentRules):
    """The rules for each agent, with the fallbacks and providers that were recorded."""

    def __init__(
        self, settings: RecoverySettings, *, backends: Mapping[str, Backend], recorded: DecisionSettings
    ) -> None:
        super().__init__(settings, backends=backends, histories={})
        self._recorded = recorded

    def chain(self, agent: str) -> tuple[str, ...]:
        """Returns the fallbacks of an agent, in order."""
        policy, chain = self.policy(agent), self._recorded.chains.get(agent, ())
        if not policy.strategy.falls_back:
            return ()
        return tuple(each for each in chain if each != MODEL_AGENT or policy.fallback_to_llm)

    def provider(self, agent: str) -> str:
        """Returns the account whose limits an agent meets."""
        return self._recorded.providers.get(agent) or agent


class Guide(Protocol):
    """Knows from the journal what a clock, other runs and chance did."""

    def began(self, task_id: str) -> None:
        """Is told, in a run without recovery, that a task has taken a slot."""
        ...

    def admits(self, agent: str, provider: str, *, unavailable: Callable[[], bool]) -> bool:
        """Returns True if an attempt of an agent may start now."""
        ...

    def considers(self, task_id: str) -> None:
        """Is told the task whose agent the scheduler asks for, before it asks if that agent is admitted."""
        ...

    def turned(self) -> None:
        """Is told, in a run with recovery, that a task had its turn."""
        ...

    def park(self, task_id: str, after_s: float) -> None:
        """Is told that a task waits without a slot, for so long at most."""
        ...


class GuidedRecovery(RunRecovery):
    """Decides as the recovery of the run did."""

    def __init__(
        self,
        settings: RecoverySettings,
        *,
        run_id: str,
        backends: Mapping[str, Backend],
        agent_of: Callable[[SpawnTask], str],
        restored: RestoredRecovery,
        rules: RecordedRules,
        classify: Callable[[AttemptEnd, SpawnResult], Classification],
        gates: RecordedGates,
        guide: Guide,
    ) -> None:
        super().__init__(
            settings,
            run_id=run_id,
            backends=backends,
            agent_of=agent_of,
            restored=restored,
            rules=rules,
            classify=classify,
        )
        self.providers.store = gates
        self._guide = guide
        self._recorded_rules = rules

    def agent_of(self, task: SpawnTask) -> str:
        """Returns the agent that has a task now."""
        self._guide.considers(str(task.id))
        return super().agent_of(task)

    def admits(self, agent: str) -> bool:
        """Returns True if the guide lets an attempt start, or if the provider is not waited for."""
        self.providers.asked.add(agent)
        provider = self._recorded_rules.provider(agent)
        return self._guide.admits(agent, provider, unavailable=lambda: self.providers.unavailable(agent) is not None)

    def admissions(self, task_id: str) -> int:
        """Returns how many times a task had its turn under this coordinator."""
        return sum(not each.from_state.attempting for each in self._changes(task_id))

    def outcomes(self, task_id: str) -> int:
        """Returns how many attempts at a task came out under this coordinator, by whatever number of tries."""
        return sum(each.from_state.attempting for each in self._changes(task_id))

    def _changes(self, task_id: str) -> Sequence[RecoveryStateTransition]:
        state = self.machine.get_task_state(task_id)
        return () if state is None else state.transitions[len(self._restored.changes.get(task_id, ())) :]

    def before(self, task: SpawnTask) -> BeforeAttempt:
        """Decides what becomes of a task that has taken a slot."""
        decision = super().before(task)
        self._guide.turned()
        if isinstance(decision, Wait):
            self._guide.park(str(task.id), decision.after_s)
            return Wait(after_s=FOREVER_S)
        return decision

    def after(
        self, task: SpawnTask, end: AttemptEnd, result: SpawnResult, *, cancelled: bool = False
    ) -> AfterAttempt:
        """Decides what follows an attempt."""
        decision = super().after(task, end, result, cancelled=cancelled)
        if isinstance(decision, Retry) and decision.after_s:
            self._guide.park(str(task.id), decision.after_s)
            return replace(decision, after_s=FOREVER_S)
        return decision

    def resume(self, tasks: Iterable[SpawnTask], *, attempted: set[str]) -> dict[str, float]:
        """Puts every unfinished task back where the journal has it."""
        waits = super().resume(tasks, attempted=attempted)
        for task_id, after_s in waits.items():
            if after_s:
                self._guide.park(task_id, after_s)
                waits[task_id] = FOREVER_S
        return waits


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedNoRecovery(NoRecovery):
    """Answers as `NoRecovery` does, and tells a guide of starts."""

    guide: Guide

    def agent_of(self, task: SpawnTask) -> str:
        """Returns the task's own agent."""
        self.guide.considers(str(task.id))
        return self.first_agent(task)

    def admits(self, agent: str) -> bool:
        """Returns True if the guide lets an attempt start."""
        return self.guide.admits(agent, "", unavailable=lambda: False)

    def before(self, task: SpawnTask) -> Start:
        """Starts every attempt."""
        self.guide.began(str(task.id))
        return Start()
