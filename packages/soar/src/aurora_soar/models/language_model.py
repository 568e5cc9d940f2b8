"""The port to a language model, and the adapter that makes one of any agent the user has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from aurora_soar.run_options import project_run_options
from aurora_spawner import Run, SpawnTask
from aurora_spawner.runs.run_options import GateOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_core import Project
    from aurora_spawner import Backend, RecoverySettings
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
        executor: returns a new executor for each call.
        gate: judges its tool calls.
    """

    name: str
    backends: Mapping[str, Backend]
    project: Project
    timeout_s: float
    recovery: RecoverySettings
    executor: Callable[[], Executor]
    gate: GateOptions = field(default_factory=GateOptions)

    async def ask(self, prompt: str, *, title: str) -> Completion:
        """Runs the agent on the prompt in the project's folder."""
        run = Run.create(
            self.project.runs_db,
            [SpawnTask(prompt, self.name, title=title)],
            self.backends,
            project_run_options(
                self.project,
                kind="soar",
                default_agent=self.name,
                timeout_s=self.timeout_s,
                recovery=self.recovery,
                executor=self.executor(),
                state_dir=self.recovery.state_dir,
                gate=self.gate,
            ),
        )
        report = await run.execute()
        (result,) = report.results.values()
        return Completion(
            text=result.output if result.success else "",
            agent=result.agent,
            usage=result.usage,
            error=None if result.success else result.error or str(result.state),
            interrupted=report.interrupted,
        )
