"""The backend of any program: prompt on stdin; on stdout the answer, or events in a known dialect."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from aurora_spawner.backends.base import AttemptRequest, Invocation, Reply
from aurora_spawner.backends.reply_builder import digest_of
from aurora_spawner.backends.undeclared import final_failure
from aurora_spawner.errors import BackendError
from aurora_spawner.supervision.programs import find_on_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.tasks.task import SpawnTask

PromptBy = Literal["stdin", "file", "argument"]
TalksBy = Literal["one-shot", "json-lines", "acp"]
PROMPT_FILE: Final = "{prompt_file}"
"""The placeholder in a command for the prompt's file."""


@dataclass(frozen=True, slots=True)
class CommandBackend:
    """A program that reads a prompt and prints an answer.

    AURORA_RUN_ID, AURORA_TASK_ID, AURORA_ATTEMPT_NUMBER and AURORA_MODEL name its run, task, attempt and model.

    Raises:
        BackendError: The command is empty.
    """

    name: str
    command: tuple[str, ...]
    """An argument list, run without a shell. A relative path counts from the run's working folder."""
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    keep_env: tuple[str, ...] = ()
    """Names or patterns of further variables that it inherits, keys included."""
    provider: str | None = None
    """The provider whose rate limits apply; None shares limits with agents that run the same command."""
    instructible: bool = True
    """True puts a task's instructions before its prompt; a program that is no model does not need them."""
    dialect: Dialect | None = None
    """The dialect of its events; None for an answer in plain text."""
    prompt: PromptBy = "stdin"
    """The way the prompt is passed; "file" puts its path in place of {prompt_file}, or at the end of the command."""
    model: str | None = None
    """The model for tasks that name none."""
    conversation: TalksBy = "one-shot"
    """The way it is talked with: a process for each turn, or one for all turns in JSON Lines or ACP."""
    pool: str | None = None
    """In a run on a pool of workers: the pool for tasks that name none."""
    labels: tuple[str, ...] = ()
    """In a run on a pool of workers: labels that a worker must have, beside those of the task."""
    resumes: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise BackendError(self.name, "has no command; give the program and its arguments")

    @property
    def program(self) -> str:
        """The program that it starts: a name, or a path."""
        return self.command[0]

    def invoke(self, task: SpawnTask) -> Invocation:
        """Returns the command unchanged."""
        find_program(self.name, self.program, self.env)
        model = task.model or self.model
        named = {"AURORA_MODEL": model} if model else {}
        env = {**self.env, **named}
        return Invocation(command=self.command, env=env, keep_env=self.keep_env, instructed=not self.instructible)

    def request(self, request: AttemptRequest) -> Invocation:
        """Returns the command with the prompt where the program expects it."""
        plain = self.invoke(request.task)
        return replace(
            plain,
            command=self._with_prompt(request),
            prompt_last=self.prompt == "argument",
            prompt_on_stdin=self.prompt == "stdin",
        )

    def _with_prompt(self, request: AttemptRequest) -> tuple[str, ...]:
        if self.prompt != "file":
            return self.command
        path = str(request.prompt_file)
        if any(PROMPT_FILE in word for word in self.command):
            return tuple(word.replace(PROMPT_FILE, path) for word in self.command)
        return (*self.command, path)

    def read(self, stdout: str, stderr: str) -> Reply:  # noqa: ARG002 -- the port's signature
        """Returns all of stdout as the answer; with a dialect, the reply that its events report."""
        if self.dialect:
            return self.read_stream([stdout.encode("utf-8", errors="surrogatepass")])
        return Reply(text=stdout, reported=final_failure(stdout))

    def read_stream(self, pieces: Iterable[bytes]) -> Reply:
        """Returns the reply that its events report; needs a dialect."""
        assert self.dialect is not None
        return digest_of(self.dialect, pieces)


def find_program(name: str, program: str, env: Mapping[str, str], *, advice: str = "install it") -> None:
    """Checks that a program exists.

    Raises:
        BackendError: The program does not exist.
    """
    if find_on_path(program, env.get("PATH")) is None:
        raise BackendError(name, f"{program} is not on PATH; {advice} or give its full path")
    if program.startswith("/") and not Path(program).exists():
        raise BackendError(name, f"{program} does not exist")
