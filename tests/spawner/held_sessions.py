"""Sessions that a test holds in its own process, with agents in the imagination."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.spawner.imagined_agents import AskingGate, ImaginedConversation, NothingLeft, World

from aurora_spawner.conversations.held import SessionParts, held_session
from aurora_spawner.conversations.json_lines import JSON_LINES
from aurora_spawner.conversations.stored import create_session
from aurora_spawner.runs.run_options import RunOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aurora_spawner.conversations.session import Session
    from aurora_spawner.conversations.session_events import SessionEvent


@asynccontextmanager
async def imagined_session(
    folder: Path, seen: list[SessionEvent], world: World, **parts: Any
) -> AsyncIterator[Session]:
    """Holds a new session in `runs.db` of a folder; its events are appended to `seen`."""
    options = RunOptions(
        default_agent="able",
        cwd=folder,
        spool=folder / "runs",
        kind="interact",
        state_dir=parts.get("state_dir"),
    )
    given: dict[str, Any] = {
        "converse": lambda agent, orders, started: ImaginedConversation(world, agent, orders, started),
        "dialect_of": lambda _agent: JSON_LINES,
        "executor": NothingLeft(),
        "gate": AskingGate(),
        "limit_s": None,
        "turn_limit_s": lambda _agent: None,
        "state_dir": None,
        "environ": {},
        "on_event": seen.append,
    }
    run_id = create_session(folder / "runs.db", options, goal="", mode="interactive")
    async with held_session(folder / "runs.db", run_id, SessionParts(**{**given, **parts})) as session:
        yield session
