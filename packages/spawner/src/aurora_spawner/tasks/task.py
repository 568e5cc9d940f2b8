"""A task: one piece of work for one agent."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import KW_ONLY, asdict, astuple, dataclass, fields, replace
from typing import Any, Final, Literal

from aurora_spawner.errors import TaskError
from aurora_spawner.storage.stored_values import MOST, StoredValueError, read_fields, text, whole
from aurora_spawner.tasks.labels import label_problem
from aurora_spawner.tasks.result_schema import SchemaSource, schema_text
from aurora_spawner.tasks.review import Reviewer, ReviewSource, reviewer_from_json, reviewer_of

COMMAND_BYTES: Final = 100_000
"""The longest command of a task; the system refuses an argument of 128 KiB."""
PromptFormat = Literal["text", "json"]
Picking = Literal["best", "ask"]
MOST_CANDIDATES: Final = 20
"""The most candidates of a task; each is an attempt with a worktree of its own."""


@dataclass(frozen=True, slots=True)
class SpawnTask:
    """The prompt for an agent, with its dependencies and limits.

    Raises:
        TaskError: A field has an invalid value.
    """

    prompt: str
    """The text that the agent gets; the results of dependencies are added to it."""
    agent: str | None = None
    """The name of the backend; None takes the run's default."""
    _: KW_ONLY
    id: str | None = None
    """The id, unique within the run; a task without one gets its position, from 1."""
    depends_on: tuple[str, ...] = ()
    title: str | None = None
    """A short line for people; None takes the first line of the prompt."""
    priority: int = 0
    """The highest of the ready tasks starts first; equal ones start in the given order."""
    timeout_s: float | None = None
    """Seconds from the start of each attempt; None takes the limit of the backend or the run."""
    critical: bool = True
    """True skips the dependants if this task fails."""
    files: tuple[str, ...] = ()
    """Outputs that must exist when the task is done: paths or globs below the working folder."""
    model: str | None = None
    instructions: str | None = None
    """The agent's role and way of working: appended to its system prompt if its backend can do that, else put before
    the prompt."""
    order_only: tuple[str, ...] = ()
    """Those of `depends_on` that only the order of a file implies: the prompt does not rest on them."""
    checks: tuple[str, ...] = ()
    """Shell commands that must pass on the work before the task is done."""
    until: str | None = None
    """A shell command; the agent goes on in its session until it passes."""
    max_turns: int = 10
    """The most attempts that `until` may take."""
    result_schema: SchemaSource | None = None
    """The JSON Schema of the result, given as text, mapping or pydantic model and kept as text. The answer must then
    be one JSON document by it, which `SpawnResult.document` has."""
    review: ReviewSource | None = None
    """The agent that reviews the work once its checks have passed; None for no review."""
    candidates: int | None = None
    """The number of times that the task runs side by side, of which one is taken; None for once, or once for each of
    `agents`."""
    agents: tuple[str, ...] = ()
    """The agents of the candidates, in turn; empty for `agent`."""
    pick: Picking = "best"
    """With "ask" the user picks the candidate that is taken."""
    candidate_of: str | None = None
    """The task that this is a candidate of; `tasks/candidates.py` sets it."""
    choice_of: tuple[str, ...] = ()
    """The candidates of this task, which then has no attempt of its own; set as `candidate_of`."""
    picked: str | None = None
    """For a choice that is made again: the candidate that the user picked before; a resume sets it."""
    resolves: str | None = None
    """For a task that resolves a conflict: the id of the task whose work conflicts."""
    conflict: str | None = None
    """For such a task: the commit that it starts from, a merge of what was merged before and that work."""
    pool: str | None = None
    """In a run on a pool of workers: another one, whose workers do this task."""
    labels: tuple[str, ...] = ()
    """In a run on a pool of workers: the labels that a worker must have to do this task."""
    prompt_format: PromptFormat = "text"
    """With "json" the prompt is a JSON object, and it gets the results of dependencies as `dependency_results`."""

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise TaskError("a task needs a prompt", field="prompt")
        if self.id is not None and not self.id.strip():
            raise TaskError("a task's id must not be empty; omit it to get one", field="id")
        for name in ("id", "agent", "model", "pool"):
            value = getattr(self, name)
            if value is not None and not value.isprintable():  # they become names of files, columns, variables
                raise TaskError(f"{name} must be a line of printable characters, not {value!a}", field=name)
        if self.timeout_s is not None and not 0 < self.timeout_s < math.inf:
            raise TaskError(
                f"timeout_s must be a number of seconds above 0, not {self.timeout_s}; None sets no task limit",
                field="timeout_s",
            )
        try:
            whole(self.priority)
        except StoredValueError as error:
            raise TaskError(f"priority {error}", field="priority") from error
        for file in self.files:
            _check_file(file)
        _check_labels(self.labels)
        _check_commands(self)
        _check_candidates(self)
        if self.result_schema is not None:
            object.__setattr__(self, "result_schema", schema_text(self.result_schema))
        if self.review is not None:
            object.__setattr__(self, "review", reviewer_of(self.review))
        _check_format(self)

    @property
    def headline(self) -> str:
        """The title, or the first line of the prompt, at most 80 characters."""
        line = self.title or self.prompt.strip().splitlines()[0]
        return line if len(line) <= 80 else line[:79] + "…"

    @property
    def schema(self) -> str | None:
        """The schema of its result as JSON text; None if its result is prose."""
        return self.result_schema if isinstance(self.result_schema, str) else None

    @property
    def reviewer(self) -> Reviewer | None:
        """The agent that reviews its work; None if it gets no review."""
        return self.review if isinstance(self.review, Reviewer) else None

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that must pass on its work: its checks and its goal."""
        return (*self.checks, *((self.until,) if self.until else ()))

    @property
    def candidate_count(self) -> int:
        """The number of times that the task runs side by side."""
        return self.candidates or len(self.agents) or 1

    @property
    def content_hash(self) -> str:
        """A hash of the agent's work; equal for tasks whose results are interchangeable.

        It ignores title, priority, criticality and mere order, because they change no result.
        """
        needs = sorted(each for each in self.depends_on if each not in self.order_only)
        asked = [self.prompt, self.agent, self.model, needs, sorted(self.files), self.prompt_format]
        asked += [self.instructions] if self.instructions else []
        asked += [["checks", *self.checks]] if self.checks else []
        asked += [["resolves", self.resolves, str(self.conflict)]] if self.resolves else []
        asked += [["until", self.until, str(self.max_turns)]] if self.until else []
        asked += [["candidates", str(self.candidate_count), self.pick, *self.agents]] if self._has_candidates else []
        asked += [["result", self.schema]] if self.schema else []
        asked += [["review", *astuple(self.reviewer)]] if self.reviewer else []
        return hashlib.sha256(json.dumps(asked, ensure_ascii=True).encode()).hexdigest()

    @property
    def _has_candidates(self) -> bool:
        return self.candidate_count > 1 or bool(self.agents)

    def with_id(self, task_id: str) -> SpawnTask:
        """Returns the task with another id."""
        return replace(self, id=task_id)


def _check_labels(labels: tuple[str, ...]) -> None:
    if problem := label_problem(labels):
        raise TaskError(problem, field="labels")


def _check_file(file: str) -> None:
    """Checks that a declared output can be the name of a file."""
    try:
        named = bool(file) and b"\0" not in os.fsencode(file)
    except UnicodeEncodeError:
        named = False
    if not named:
        raise TaskError(f"{file!a} cannot be the name of a file", field="files")


def _check_commands(task: SpawnTask) -> None:
    """Checks the commands of a task."""
    if type(task.checks) is not tuple:
        raise TaskError(f"checks must be a tuple of commands, not {ascii(task.checks)[:60]}", field="checks")
    for name, command in (*(("checks", each) for each in task.checks), ("until", task.until)):
        if command is not None and not _is_command(command):
            raise TaskError(f"{name} must be a shell command, not {ascii(command)[:100]}", field=name)
    if type(task.max_turns) is not int or not 1 <= task.max_turns <= MOST:
        raise TaskError(f"max_turns must be a whole number from 1, not {task.max_turns!r}", field="max_turns")


def _check_candidates(task: SpawnTask) -> None:
    """Checks the fields about candidates."""
    if task.candidates is not None and type(task.candidates) is not int:
        raise TaskError(f"candidates must be a whole number, not {task.candidates!r}", field="candidates")
    if type(task.agents) is not tuple:
        raise TaskError(f"agents must be a tuple of names, not {ascii(task.agents)[:60]}", field="agents")
    for agent in task.agents:
        if not agent.strip() or not agent.isprintable():
            raise TaskError(f"agents must be names of agents, not {agent!a}", field="agents")
    if task.agents and task.agent:
        raise TaskError("a task may have an agent, or agents for its candidates, but not both", field="agents")
    if task.candidates is not None and task.candidates < 1:
        raise TaskError(f"candidates must be at least 1, not {task.candidates}", field="candidates")
    if task.candidate_count > MOST_CANDIDATES:
        problem = f"a task may have {MOST_CANDIDATES} candidates, not {task.candidate_count}"
        raise TaskError(problem, field="candidates" if task.candidates else "agents")
    if not set(task.choice_of) <= set(task.depends_on):
        raise TaskError("every task in choice_of must also be in depends_on", field="choice_of")
    if task.pick not in ("best", "ask"):
        raise TaskError(f"pick must be best or ask, not {task.pick}", field="pick")


def _is_command(command: object) -> bool:
    if not isinstance(command, str) or not command.strip() or "\0" in command:
        return False
    try:
        return len(command.encode()) <= COMMAND_BYTES
    except UnicodeEncodeError:
        return False


def _check_format(task: SpawnTask) -> None:
    """Checks the form of a prompt."""
    if task.prompt_format not in ("text", "json"):
        raise TaskError(f"prompt_format must be text or json, not {task.prompt_format}", field="prompt_format")
    if task.prompt_format == "json":
        _check_json_object(task.prompt)


def _check_json_object(prompt: str) -> None:
    try:
        value = json.loads(prompt)
    except (ValueError, RecursionError) as error:
        raise TaskError(f"prompt_format is json, but the prompt is not JSON: {error}", field="prompt") from error
    if not isinstance(value, dict):
        raise TaskError("a JSON prompt must be an object", field="prompt")


def task_to_json(task: SpawnTask) -> dict[str, Any]:
    """Returns all fields as JSON values."""
    stored = {each.name: getattr(task, each.name) for each in fields(task)}
    return {**stored, "review": asdict(task.reviewer) if task.reviewer else None}


def task_from_json(stored: dict[str, Any]) -> SpawnTask:
    """Returns the task that `task_to_json` stored.

    Raises:
        StoredValueError, TaskError: The value is not a stored task.
    """
    readers = {"PromptFormat": text, "Picking": text, "SchemaSource": text, "ReviewSource": reviewer_from_json}
    return SpawnTask(**read_fields(SpawnTask, stored, readers))
