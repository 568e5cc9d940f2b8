"""One piece of work for one agent."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any, Literal

from aurora_spawner.errors import TaskError
from aurora_spawner.storage.stored_values import read_fields, text

PromptFormat = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class SpawnTask:
    """What an agent is asked to do, and what must be done before.

    Raises:
        TaskError: A field has a value that no task can have.
    """

    prompt: str
    """What the agent reads on its stdin; the results of dependencies are added to it."""
    agent: str | None = None
    """Name of the backend; None takes the run's default."""
    _: KW_ONLY
    id: str | None = None
    """Unique within the run; a run names the tasks that have none by their position, from 1."""
    depends_on: tuple[str, ...] = ()
    title: str | None = None
    """A short line for people; the first line of the prompt when None."""
    priority: int = 0
    """Among tasks that could start, the highest goes first; equal ones in the order given."""
    timeout_s: float | None = None
    """From the start of each attempt; None takes the backend's or the run's."""
    critical: bool = True
    """Whether dependants are skipped when this task fails."""
    files: tuple[str, ...] = ()
    """Outputs that must exist when the task is done: paths or globs below the working folder."""
    model: str | None = None
    instructions: str | None = None
    """Who the agent is to be and how it is to work: an appended system prompt where its backend has a place for one,
    else words before the prompt."""
    order_only: tuple[str, ...] = ()
    """Those of `depends_on` that follow from the order of a file alone: what is asked does not rest on them."""
    prompt_format: PromptFormat = "text"
    """With "json" the prompt is a JSON object, and results of dependencies enter it as `dependency_results`."""

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise TaskError("a task needs a prompt", field="prompt")
        if self.id is not None and not self.id.strip():
            raise TaskError("a task's id must not be empty; leave it out to have one given", field="id")
        for name in ("id", "agent", "model"):
            value = getattr(self, name)
            if value is not None and not value.isprintable():  # they become names of files, columns, variables
                raise TaskError(f"{name} must be a line of printable characters, not {value!a}", field=name)
        if self.timeout_s is not None and not 0 < self.timeout_s < math.inf:
            raise TaskError(
                f"timeout_s must be a number of seconds above 0, not {self.timeout_s}; None is no limit of its own",
                field="timeout_s",
            )
        if not isinstance(self.priority, int):
            raise TaskError(f"priority must be a whole number, not {self.priority!r}", field="priority")
        for file in self.files:
            _check_file(file)
        if self.prompt_format not in ("text", "json"):
            raise TaskError(f"prompt_format is text or json, not {self.prompt_format}", field="prompt_format")
        if self.prompt_format == "json":
            _check_json_object(self.prompt)

    @property
    def headline(self) -> str:
        """The title, or the first line of the prompt, at most 80 characters."""
        line = self.title or self.prompt.strip().splitlines()[0]
        return line if len(line) <= 80 else line[:79] + "…"

    @property
    def content_hash(self) -> str:
        """Names what the agent is asked; equal for tasks whose results can stand for each other.

        Title, priority, criticality and mere order are left out: changing them changes no result.
        """
        needs = sorted(each for each in self.depends_on if each not in self.order_only)
        asked = [self.prompt, self.agent, self.model, needs, sorted(self.files), self.prompt_format]
        asked += [self.instructions] if self.instructions else []
        return hashlib.sha256(json.dumps(asked, ensure_ascii=True).encode()).hexdigest()

    def with_id(self, task_id: str) -> SpawnTask:
        """The same task under another id."""
        return replace(self, id=task_id)


def _check_file(file: str) -> None:
    """That a declared output can be the name of a file at all."""
    try:
        named = bool(file) and b"\0" not in os.fsencode(file)
    except UnicodeEncodeError:
        named = False
    if not named:
        raise TaskError(f"no file can be named {file!a}", field="files")


def _check_json_object(prompt: str) -> None:
    try:
        value = json.loads(prompt)
    except (ValueError, RecursionError) as error:
        raise TaskError(f"the prompt is not JSON ({error}), though prompt_format says so", field="prompt") from error
    if not isinstance(value, dict):
        raise TaskError("a JSON prompt must be an object", field="prompt")


def task_to_json(task: SpawnTask) -> dict[str, Any]:
    """All fields as JSON values."""
    return {each.name: getattr(task, each.name) for each in fields(task)}


def task_from_json(stored: dict[str, Any]) -> SpawnTask:
    """The task that `task_to_json` stored.

    Raises:
        StoredValueError, TaskError: It is not what was stored.
    """
    return SpawnTask(**read_fields(SpawnTask, stored, {"PromptFormat": text}))
