"""The transcript of a session: what its notes in the journal say, read one after the other. Pure.

A note is a topic with a JSON object. The constructors below make them, `Transcript.take` reads them; nothing else
knows their form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import TurnTooLongError
from aurora_spawner.storage.stored_values import count, storable_text, text
from aurora_spawner.tasks.usage import NOTHING, Usage, usage_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.runs.noted_run import Note

Draft = tuple[str, dict[str, Any]]
"""A note that is to be kept: its topic and content."""

TURN_CHARS: Final = 1 << 20
"""The most characters of a turn."""
BEGUN: Final = "session"
_TURN, _SAID, _TOOL, _ENDED = "turn", "said", "tool", "ended"
_AGENT, _PROCESS, _WENT_ON, _SWITCHED = "agent", "process", "went on", "switched"
_PLANNED, _RUN = "planned", "run"
TEAM: Final = "the team"
"""Answers the turn that is a run of the session's team; no agent has such a name."""


class TurnState(StrEnum):
    """The state of a turn; all but the first are final."""

    ANSWERING = "answering"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    """The agent ended before it had answered."""
    CUT_OFF = "cut off"
    """Aurora ended before the agent had answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A tool that the agent has used."""

    name: str
    about: str


@dataclass(slots=True, kw_only=True)
class Turn:
    """Words of the user, and what the agent has answered so far."""

    number: int
    agent: str
    text: str
    at: float
    state: TurnState = TurnState.ANSWERING
    problem: str = ""
    ended_at: float | None = None
    usage: Usage | None = None
    tools: list[ToolUse] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def answer(self) -> str:
        """Everything that the agent has said."""
        return "".join(self.pieces)

    def to_json(self) -> dict[str, Any]:
        """Returns the turn as JSON values."""
        return {
            "number": self.number,
            "agent": self.agent,
            "state": self.state.value,
            "problem": self.problem,
            "messages": [
                {"role": "user", "content": self.text, "at": self.at},
                {"role": "agent", "content": self.answer, "at": self.ended_at},
            ],
            "tools": [{"name": each.name, "about": each.about} for each in self.tools],
            "usage": self.usage.to_json() if self.usage else None,
        }


@dataclass(slots=True, kw_only=True)
class AgentProcess:
    """A process that was started for an agent of a session."""

    token: str
    folder: str
    read_bytes: int = 0
    """The part of its output whose events are in the notes."""


@dataclass(slots=True)
class Transcript:
    """A session as far as its notes were read."""

    goal: str = ""
    agent: str = ""
    """The agent that the next turn goes to."""
    mode: str = "interactive"
    team: bool = False
    """True if the session begins with a plan and a run of its tasks."""
    tool: str = ""
    """The agent that plans for the team and takes the tasks that name none; "" if rules and the default do."""
    isolation: str = ""
    """The isolation of the team, as the user has said; "" leaves it to the configuration."""
    taskfile: str = ""
    """The tasks of the team, once the user has agreed to the plan."""
    run_id: str = ""
    """The run of the team, once it has begun."""
    turns: list[Turn] = field(default_factory=list)
    native: dict[str, str] = field(default_factory=dict)
    """The agents' own sessions, by agent."""
    processes: dict[str, AgentProcess] = field(default_factory=dict)
    """The latest process of each agent."""
    started: int = 0
    """The number of processes that were started."""
    went_on: list[tuple[str, str]] = field(default_factory=list)
    """The agent of each process, and how it has come to know the earlier turns."""
    _readers: dict[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._readers = {
            BEGUN: self._begun,
            _TURN: self._turn,
            _SAID: self._said,
            _TOOL: self._tool,
            _ENDED: self._ended,
            _AGENT: self._agent,
            _PROCESS: self._process,
            _WENT_ON: self._went_on,
            _SWITCHED: self._switched,
            _PLANNED: self._planned,
            _RUN: self._run,
        }

    @property
    def open_turn(self) -> Turn | None:
        """The turn that has no end yet."""
        last = self.turns[-1] if self.turns else None
        return last if last and last.state is TurnState.ANSWERING else None

    @property
    def usage(self) -> Usage:
        """The usage of all turns together."""
        return sum((turn.usage for turn in self.turns if turn.usage), NOTHING)

    def take_all(self, notes: Iterable[Note]) -> None:
        """Reads further notes."""
        for note in notes:
            self.take(note.topic, note.note, note.at)

    def take(self, topic: str, note: dict[str, Any], at: float) -> None:
        """Reads the next note; one of another version is passed over."""
        reader = self._readers.get(topic)
        if reader is not None:
            reader(note, at)

    def _begun(self, note: dict[str, Any], _at: float) -> None:
        self.goal, self.agent, self.mode = text(note["goal"]), text(note["agent"]), text(note["mode"])
        self.team, self.tool = note.get("team") is True, text(note.get("tool", ""))
        self.isolation = text(note.get("isolation", ""))

    def _turn(self, note: dict[str, Any], at: float) -> None:
        self.turns.append(Turn(number=len(self.turns) + 1, agent=text(note["agent"]), text=text(note["text"]), at=at))

    def _said(self, note: dict[str, Any], _at: float) -> None:
        if (turn := self.open_turn) is not None:
            turn.pieces.append(text(note["text"]))
            self._read(turn, note)

    def _tool(self, note: dict[str, Any], _at: float) -> None:
        if (turn := self.open_turn) is not None:
            turn.tools.append(ToolUse(name=text(note["name"]), about=text(note["about"])))
            self._read(turn, note)

    def _ended(self, note: dict[str, Any], at: float) -> None:
        if (turn := self.open_turn) is not None:
            turn.state, turn.problem, turn.ended_at = TurnState(note["state"]), text(note["problem"]), at
            turn.usage = usage_from_json(note["usage"])
            self._read(turn, note)

    def _read(self, turn: Turn, note: dict[str, Any]) -> None:
        process = self.processes.get(turn.agent)
        if process is not None and note["read"] is not None:
            process.read_bytes = count(note["read"])

    def _agent(self, note: dict[str, Any], _at: float) -> None:
        self.native[text(note["agent"])] = text(note["session"])

    def _process(self, note: dict[str, Any], _at: float) -> None:
        process = AgentProcess(token=text(note["token"]), folder=text(note["folder"]))
        self.processes[text(note["agent"])] = process
        self.started += 1

    def _went_on(self, note: dict[str, Any], _at: float) -> None:
        self.went_on.append((text(note["agent"]), text(note["how"])))

    def _switched(self, note: dict[str, Any], _at: float) -> None:
        self.agent = text(note["agent"])

    def _planned(self, note: dict[str, Any], _at: float) -> None:
        self.taskfile = text(note["taskfile"])

    def _run(self, note: dict[str, Any], _at: float) -> None:
        self.run_id = text(note["run"])

    @property
    def team_works(self) -> bool:
        """True if the session's team has not done its work."""
        return self.team and not any(turn.agent == TEAM and turn.ended_at is not None for turn in self.turns)

    def to_json(self) -> dict[str, Any]:
        """Returns the session as JSON values, without what only its process needs."""
        return {
            "goal": self.goal,
            "agent": self.agent,
            "mode": self.mode,
            "team": {"taskfile": self.taskfile or None, "run": self.run_id or None} if self.team else None,
            "agent_sessions": {agent: session for agent, session in self.native.items() if session},
            "went_on": [{"agent": agent, "how": how} for agent, how in self.went_on],
            "turns": [turn.to_json() for turn in self.turns],
            "usage": self.usage.to_json(),
        }


def begun(*, goal: str, agent: str, mode: str, team: bool = False, tool: str = "", isolation: str = "") -> Draft:
    """Returns the first note of a session; `tool` is the agent that its team was begun with."""
    return BEGUN, {"goal": goal, "agent": agent, "mode": mode, "team": team, "tool": tool, "isolation": isolation}


def planned(taskfile: str) -> Draft:
    """Returns the note of a plan that the user has agreed to."""
    return _PLANNED, {"taskfile": taskfile}


def team_began(run_id: str) -> Draft:
    """Returns the note of the run of a session's team."""
    return _RUN, {"run": run_id}


def checked_turn(words: str) -> str:
    """Returns the user's words as the journal takes them.

    Raises:
        TurnTooLongError: They are too long.
    """
    whole = storable_text(words, limit=6 * len(words))  # half a character becomes an escape of six
    if len(whole) > TURN_CHARS:
        raise TurnTooLongError(len(whole), TURN_CHARS)
    return whole


def turn_said(*, agent: str, words: str) -> Draft:
    """Returns the note of a turn, which is kept before the turn is sent."""
    return _TURN, {"agent": agent, "text": words}


def piece_said(words: str, *, read_bytes: int | None) -> Draft:
    """Returns the note of what the agent has said since the last one.

    Args:
        read_bytes: the part of its process's output that is in the notes with it; None if that is as before.
    """
    return _SAID, {"text": words, "read": read_bytes}


def tool_used(name: str, about: str, *, read_bytes: int | None) -> Draft:
    """Returns the note of a tool that the agent uses."""
    return _TOOL, {"name": name, "about": about, "read": read_bytes}


def turn_ended(state: TurnState, *, problem: str, usage: Usage | None, read_bytes: int | None) -> Draft:
    """Returns the note of the end of a turn."""
    used = usage.to_json() if usage else None
    return _ENDED, {"state": state.value, "problem": problem, "usage": used, "read": read_bytes}


def agent_session(agent: str, session_id: str) -> Draft:
    """Returns the note of an agent's own session."""
    return _AGENT, {"agent": agent, "session": session_id}


def process_started(agent: str, *, token: str, folder: str) -> Draft:
    """Returns the note of a process that runs for the session."""
    return _PROCESS, {"agent": agent, "token": token, "folder": folder}


def went_on(agent: str, how: str) -> Draft:
    """Returns the note of how an agent has come to know the earlier turns."""
    return _WENT_ON, {"agent": agent, "how": how}


def switched(agent: str) -> Draft:
    """Returns the note of a change of the agent."""
    return _SWITCHED, {"agent": agent}
