"""Asking a language model: a question in words, an answer in words, through whatever agent the user has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aurora_spawner import Run, SpawnTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_core import Project
    from aurora_spawner import Backend, RecoverySettings
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.tasks.usage import Usage

__all__ = ["AgentModel", "LanguageModel", "Said"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model answered.

    Attributes:
        text: its words; "" where it failed.
        by: who answered in the end; another than was asked where that one failed.
        usage: what it used; None where nobody told.
        error: why there is no answer; None where there is one.
        interrupted: whether a signal ended the call.
    """

    text: str
    by: str
    usage: Usage | None
    error: str | None
    interrupted: bool = False


class LanguageModel(Protocol):
    """Something that answers prompts."""

    @property
    def name(self) -> str:
        """What the answer names it by."""
        ...

    async def ask(self, prompt: str, *, title: str) -> Said:
        """Puts a prompt to it.

        Args:
            title: what it is for, in a few words for people.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentModel:
    """An agent that is asked as a model; each question is a run of one task, journalled and supervised like others.

    Attributes:
        name: of the backend that is asked.
        backends: by name; those of its fallbacks among them.
        timeout_s: a call's time from start to end.
        executor: makes what runs each call.
    """

    name: str
    backends: Mapping[str, Backend]
    project: Project
    timeout_s: float
    recovery: RecoverySettings
    executor: Callable[[], Executor]

    async def ask(self, prompt: str, *, title: str) -> Said:
        """Runs the agent on the prompt in the project's folder."""
        run = Run.create(
            self.project.runs_db,
            [SpawnTask(prompt, self.name, title=title)],
            self.backends,
            default_agent=self.name,
            kind="soar",
            default_timeout_s=self.timeout_s,
            cwd=self.project.root,
            spool=self.project.aurora_dir / "runs",
            recovery=self.recovery,
            executor=self.executor(),
        )
        report = await run.execute()
        (result,) = report.results.values()
        return Said(
            text=result.output if result.success else "",
            by=result.agent,
            usage=result.usage,
            error=None if result.success else result.error or str(result.state),
            interrupted=report.interrupted,
        )
