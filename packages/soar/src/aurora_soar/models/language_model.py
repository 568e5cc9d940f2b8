"""The port to a language model, and the adapter that makes one of any agent the user has."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from aurora_soar.resumption.kinds import MODEL_RUN
from aurora_soar.resumption.record import Unrecorded
from aurora_soar.run_options import project_run_options
from aurora_spawner import SpawnTask
from aurora_spawner.runs.run_options import GateOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_core import Project
    from aurora_spawner import Backend, RecoverySettings, Run
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.tasks.usage import Usage

__all__ = ["AgentModel", "Completion", "LanguageModel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A model's answer to one prompt.

    Attributes:
        text: the answer; "" if the call failed.
        agent: the agent that answered; a fallback if the first agent failed.
        usage: tokens and cost; None if the agent did not report them.
        error: the reason why there is no answer; None on success.
        interrupted: True if a signal ended the call.
    """

    text: str
    agent: str
    usage: Usage | None
    error: str | None
    interrupted: bool = False


class LanguageModel(Protocol):
    """Anything that answers prompts."""

    @property
    def name(self) -> str:
        """The name under which an answer credits the model."""
        ...

    async def ask(self, prompt: str, *, title: str) -> Completion:
        """Sends a prompt and returns the completion.

        Args:
            title: the purpose of the prompt in a few words, shown to the user.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentModel:
    """An agent used as a model: each prompt is a run of one task, journalled and supervised like any other run.

    Attributes:
        name: name of the backend.
        backends: by name, the fallbacks included.
        timeout_s: time limit of one call, in seconds.
        executor: returns a new executor for each call, given the run that the call resumes, or None.
        gate: judges its tool calls.
    """

    name: str
    backends: Mapping[str, Backend]
    project: Project
    timeout_s: float
    recovery: RecoverySettings
    executor: Callable[[str | None], Executor]
    gate: GateOptions = field(default_factory=GateOptions)

    async def ask(self, prompt: str, *, title: str) -> Completion:
        """Runs the agent on the prompt in the project's folder."""
        return await self.ask_within(Unrecorded(), "", prompt, title=title)

    async def ask_within(self, record: Unrecorded, key: str, prompt: str, *, title: str) -> Completion:
        """Asks as a part of a recorded question; a call that an earlier process started is taken up.

        Args:
            key: names the call within the question, which ends with it if the user cancels it; "" outside of one.
        """
        run = record.part(
            key,
            partial(self._new_run, prompt, title),
            partial(self._resumed_run, accept_changes=record.accept_changes),
        )
        report = await run.execute()
        (result,) = report.results.values()
        return Completion(
            text=result.output if result.success else "",
            agent=result.agent,
            usage=result.usage,
            error=None if result.success else result.error or str(result.state),
            interrupted=report.interrupted or (bool(key) and report.cancelled_by_user),
        )

    def _new_run(self, prompt: str, title: str) -> Run:
        from aurora_spawner import Run  # with the coordinator; a question without a model needs none

        return Run.create(
            self.project.runs_db,
            [SpawnTask(prompt, self.name, title=title)],
            self.backends,
            project_run_options(
                self.project,
                kind=MODEL_RUN,
                default_agent=self.name,
                timeout_s=self.timeout_s,
                recovery=self.recovery,
                executor=self.executor(None),
                state_dir=self.recovery.state_dir,
                gate=self.gate,
            ),
        )

    def _resumed_run(self, run_id: str, *, accept_changes: bool) -> Run:
        from aurora_spawner import Run  # as above

        return Run.resume(
            self.project.runs_db,
            run_id,
            self.backends,
            accept_changes=accept_changes,
            recovery=self.recovery,
            executor=self.executor(run_id),
            state_dir=self.recovery.state_dir,
            **self.gate,
        )
