"""Codex's own protocol for programs: `codex app-server`, JSON-RPC over its standard input and output.

It asks before each command and each patch, and a hook asks before each tool call, also before those that the user's
own rules allow; both have the same id of the call, and the first decision is the second's, too.
"""

from __future__ import annotations

import itertools
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.fields import Fields
from aurora_spawner.conversations.answers import answer_of_each
from aurora_spawner.conversations.app_server_events import HELLO, THREAD, TURN, AppServerReader
from aurora_spawner.conversations.live import LiveConversation
from aurora_spawner.gates.wirings import CODEX_TRUST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptOrder, Executor
    from aurora_spawner.backends.base import AttemptRequest
    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.backends.events import PermissionAsked, QuestionAsked
    from aurora_spawner.conversations.port import OnStart

ARGUMENTS: Final = (
    "app-server",
    *("-c", "check_for_update_on_startup=false"),
    *("-c", "features.default_mode_request_user_input=true"),  # else it cannot ask its user
    *("-c", "suppress_unstable_features_warning=true"),
)
"""The words of the command before those of the user."""
_NOBODY: Final = "Nobody has answered; decide yourself, and say what you have assumed."


class TalkingCodex(CliBackend):
    """Codex while it is talked with: it starts its app-server, whose output has another dialect."""

    __slots__ = ()

    @property
    def dialect(self) -> Dialect:
        """A new reader of its stdout."""
        return AppServerReader().dialect

    def _arguments(self, request: AttemptRequest, wired: tuple[str, ...], *, permissive: bool) -> tuple[str, ...]:  # noqa: ARG002
        """Returns the words after the program; the session and what it may do are named in its protocol."""
        model = request.task.model or self.model
        named = ("-c", f"model={json.dumps(model)}") if model else ()
        return (*ARGUMENTS, *named, *self.args, *(word for word in wired if word != CODEX_TRUST))


def speaks_app_server(backend: CliBackend) -> bool:
    """Returns True for Codex, unless its user gives it options that only `codex exec` takes."""
    options = backend.args[::2]
    return (
        backend.kind == "codex"
        and len(backend.args) % 2 == 0
        and all(each in backend.profile.interactive_takes for each in options)
    )


class AppServerWire:
    """The protocol of Codex's app-server, for one conversation.

    Args:
        cwd: the folder in which the agent works.
        hooked: a hook asks before each tool call, so that what needs no consent may leave the sandbox.
    """

    confirms_session: Final = True
    words: Final = "one process, by Codex's app-server"

    def __init__(self, cwd: Path, *, hooked: bool) -> None:
        self._cwd = cwd
        self._hooked = hooked
        self._reader = AppServerReader()
        self._numbers = itertools.count(1)

    @property
    def dialect(self) -> Dialect:
        """Reads the lines of the latest process: its first one forgets the process before."""
        return self._reader.dialect

    def hello(self, session_id: str | None) -> tuple[Mapping[str, Any], ...]:
        """Returns the greeting, and the request for a thread."""
        client = {"name": "aurora", "title": "Aurora", "version": version("aurora-spawner")}
        thread = {
            "cwd": str(self._cwd),
            "approvalPolicy": "untrusted",
            "approvalsReviewer": "user",
            "sandbox": "danger-full-access" if self._hooked else "read-only",
            **({"config": {"bypass_hook_trust": True}} if self._hooked else {}),
        }
        resumed = {"threadId": session_id, "excludeTurns": True} if session_id else {}
        method = "thread/resume" if session_id else "thread/start"
        return (
            {"id": HELLO, "method": "initialize", "params": {"clientInfo": client, "capabilities": None}},
            {"method": "initialized"},
            {"id": THREAD, "method": method, "params": {**resumed, **thread}},
        )

    def turn(self, text: str) -> Mapping[str, Any]:
        """Returns the request of a turn."""
        params = {"threadId": self._reader.thread, "input": [{"type": "text", "text": text, "text_elements": []}]}
        return {"id": f"{TURN}{next(self._numbers)}", "method": "turn/start", "params": params}

    def permission(self, asked: PermissionAsked, *, allowed: bool, reason: str) -> Mapping[str, Any]:  # noqa: ARG002
        """Returns the answer to a request for consent; only the hook's answer has a place for the reason."""
        request = self._reader.asked.pop(asked.id, None)
        if request is not None and request.text("method") == "mcpServer/elicitation/request":
            result: dict[str, Any] = {"action": "accept" if allowed else "decline", "content": None, "_meta": None}
        else:
            result = {"decision": "accept" if allowed else "decline"}
        return {"id": request.raw.get("id") if request else asked.id, "result": result}

    def answer(self, asked: QuestionAsked, text: str | None) -> Mapping[str, Any]:
        """Returns the answer to questions; of several, each line answers one."""
        request = self._reader.asked.pop(asked.id, None)
        names = [each.text("id") for each in Fields(dict(asked.given)).rows("questions")]
        said = answer_of_each(names, _NOBODY if text is None else text)
        answers = {name: {"answers": [each]} for name, each in said.items()}
        return {"id": request.raw.get("id") if request else asked.id, "result": {"answers": answers}}

    @property
    def turn_runs(self) -> bool:
        """True if the turn that runs has an id, by which it can be interrupted."""
        return bool(self._reader.turn)

    def interrupt(self) -> Mapping[str, Any]:
        """Returns the request to interrupt the turn that runs."""
        params = {"threadId": self._reader.thread, "turnId": self._reader.turn}
        return {"id": f"aurora-interrupt-{next(self._numbers)}", "method": "turn/interrupt", "params": params}

    def due(self) -> tuple[Mapping[str, Any], ...]:
        """Returns, once, the answers to requests that need no decision."""
        due = tuple(self._reader.due)
        self._reader.due.clear()
        return due


class AppServerConversation(LiveConversation):
    """Talks with Codex over its app-server; args as `LiveConversation`."""

    def __init__(
        self,
        agent: str,
        wire: AppServerWire,
        executor: Executor,
        order: Callable[[str | None], AttemptOrder],
        on_start: OnStart,
    ) -> None:
        super().__init__(agent, wire, executor, order, on_start)
        self._server = wire
        self._owed = False
        """True if an interruption waits for the id of its turn."""

    def _due(self) -> tuple[Mapping[str, Any], ...]:
        owed = self._interruption() if self._owed else ()
        return (*self._server.due(), *owed)

    def _interruption(self) -> tuple[Mapping[str, Any], ...]:
        """Returns the request to interrupt; nothing yet if the turn has no id so far."""
        self._owed = self._interrupting and not self._server.turn_runs
        return (self._server.interrupt(),) if self._interrupting and not self._owed else ()
