"""The gate of a worker: the hooks of its agents ask it before each tool call, and its own policies answer.

No row of the queue has a say in that. Where the policies want a person's consent the call is denied, since nobody can
be asked on a worker. Each decision is in the attempt's folder before the hook has its answer, and goes to the journal
of the coordinator with the result.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.distributed.documents import JUDGED_LIMIT, DocumentError, JudgedDocument
from aurora_spawner.gates.hook import ALLOWED
from aurora_spawner.gates.hook_command import SOCKET_NAME, HookCommand
from aurora_spawner.gates.hook_server import (
    JUDGED_AT_ONCE,
    REASON_LIMIT,
    denial,
    denial_words,
    denied_if_failed,
    judged,
    serve_hooks,
)
from aurora_spawner.gates.reading import UnreadableCallError, read_call
from aurora_spawner.gates.tool_calls import GateAction, ToolCall
from aurora_spawner.storage.private_files import make_private_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from aurora_spawner.distributed.documents import OrderDocument
    from aurora_spawner.distributed.worker_trees import AgentPlace
    from aurora_spawner.gates.tool_calls import ToolCallGate, Verdict

JUDGED: Final = "judged.jsonl"
"""The file of the decisions in an attempt's folder, one a line."""
NOBODY: Final = "nobody"
"""The source of the answer to a prompt on a worker."""
_UNASKED: Final = "nobody can be asked on a worker of a pool, so it is denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedAttempt:
    """An attempt whose tool calls are judged."""

    document: OrderDocument
    folder: Path
    """Of the attempt."""
    place: AgentPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGate:
    """Judges the tool calls of a worker's agents by a gate, at a socket in the worker's folder."""

    gate: ToolCallGate
    folder: Path
    """The worker's own; its next process listens at the same place, where the hooks look for it."""
    tell: Callable[[str], None]
    _attempts: dict[str, GatedAttempt] = field(default_factory=dict)
    """Those that may ask, by token."""
    _expected: dict[str, asyncio.Event] = field(default_factory=dict)
    """Those of an earlier process of this worker whose place is not known yet, by token."""
    _at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(JUDGED_AT_ONCE))

    def expect(self, tokens: Iterable[str]) -> None:
        """Lets the hooks of attempts wait that an earlier process of this worker has left."""
        self._expected.update((token, asyncio.Event()) for token in tokens)

    def hook_for(self, token: str, attempt: GatedAttempt) -> HookCommand:
        """Lets an attempt ask from now on; returns the hook for its agent."""
        self._attempts[token] = attempt
        self._found(token)
        return HookCommand(socket=self.folder / SOCKET_NAME, token=token)

    def forget(self, token: str) -> None:
        """Denies everything that still asks for an attempt, which has ended."""
        self._attempts.pop(token, None)
        self._found(token)

    def _found(self, token: str) -> None:
        expected = self._expected.pop(token, None)
        if expected is not None:
            expected.set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answers hooks while this is open."""
        problems: list[str] = []
        async with serve_hooks(self._answer, self.folder / SOCKET_NAME, problems):
            for problem in problems:
                self.tell(problem)
            yield

    async def _answer(self, token: str, raw: bytes) -> bytes:
        return await denied_if_failed(
            self._decided(token, raw), lambda problem: self.tell(f"attempt {token}: {problem}")
        )

    async def _decided(self, token: str, raw: bytes) -> bytes:
        expected = self._expected.get(token)
        if expected is not None:  # the hook has a limit of its own, and denies then
            await expected.wait()
        attempt = self._attempts.get(token)
        if attempt is None:
            return denial("no attempt of this worker asks for it")
        try:
            reported = read_call(raw)
        except UnreadableCallError as error:
            return denial(f"{error}, so it cannot be judged")
        place = attempt.place
        call = ToolCall(
            task_id=attempt.document.task_id,
            agent=attempt.document.agent,
            tool=reported.tool,
            uses=reported.uses,
            cwd=reported.cwd or place.cwd,
            workspace=place.worktree or place.cwd,
            isolated=place.worktree is not None,
        )
        verdict = await judged(self.gate, call, self._at_once)
        await asyncio.to_thread(_note, attempt.folder, call, verdict)
        if verdict.action is GateAction.ALLOW:
            return ALLOWED
        self.tell(f"attempt {token}: the policies stopped a tool call: {call.subject}")
        return denial(denial_words(verdict, _UNASKED if verdict.action is GateAction.PROMPT else ""))


def judged_calls(folder: Path) -> tuple[tuple[JudgedDocument, ...], int]:
    """Returns the decisions about an attempt, and how many there were; of too many, denied ones come first.

    A line that cannot be read was cut off by a kill: its hook has got no answer.
    """
    try:
        lines = (folder / JUDGED).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return (), 0
    found = []
    for line in lines:
        try:
            found.append(JudgedDocument.parse(line))
        except DocumentError:
            continue
    if len(found) > JUDGED_LIMIT:
        kept = sorted(range(len(found)), key=lambda index: found[index].allowed)[:JUDGED_LIMIT]
        return tuple(found[index] for index in sorted(kept)), len(found)
    return tuple(found), len(found)


def _note(folder: Path, call: ToolCall, verdict: Verdict) -> None:
    document = JudgedDocument(
        tool=_sendable(call.tool),
        subject=_sendable(call.subject),
        action=verdict.action.value,
        allowed=verdict.action is GateAction.ALLOW,
        rule=_sendable(verdict.rule),
        reason=_sendable(verdict.reason),
        answered_by=NOBODY if verdict.action is GateAction.PROMPT else "",
    )
    make_private_folder(folder)
    descriptor = os.open(folder / JUDGED, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(f"{document.model_dump_json()}\n".encode())


def _sendable(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode()[:REASON_LIMIT]
