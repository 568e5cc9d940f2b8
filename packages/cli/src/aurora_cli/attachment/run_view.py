"""A run of another process, followed: at a terminal by the live table, elsewhere in lines of text or JSON."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aurora_cli.approval_prompts import ApprovalPrompts
from aurora_cli.attachment.detaching import Detaching
from aurora_cli.attachment.documents import attachment_document, run_event_document
from aurora_cli.attachment.holder_lines import RESUME, holder_line
from aurora_cli.attachment.lines import emit_attached, read_requests
from aurora_cli.exits import ExitCode
from aurora_cli.interaction.requests import BadLineError
from aurora_cli.output import note
from aurora_cli.render.run import watch
from aurora_cli.user_prompts import is_interactive
from aurora_spawner.control.attached import Attached, Attachment, CoordinatorEnded, CoordinatorKilled
from aurora_spawner.control.told_events import afollow_told
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_cli.interaction.requests import Request
    from aurora_spawner import RunEvent

__all__ = ["attach_run", "attach_run_in_lines"]


async def attach_run(journal: Path, run_id: str) -> ExitCode:
    """Shows a run until it ends or the user detaches; what it asks is asked here if somebody can answer.

    At a terminal, a run whose process was killed is waited for; elsewhere that is the end.
    """
    asks = is_interactive()
    prompts = ApprovalPrompts(journal)
    with watch() as show:

        def told(event: RunEvent) -> None:
            show(event)
            if asks:
                prompts.follow(event)

        following = _Following(run_id, waits=asks, told=told, of_holder=_say(run_id))
        detaching = Detaching()
        with detaching.on_signals():
            await detaching.until_detached(following.follow(journal), *([_asking(prompts)] if asks else []))
    if detaching.is_set:
        note(f"detached; aur attach {run_id} shows it again")
    return following.code(detached=detaching.is_set)


async def _asking(prompts: ApprovalPrompts) -> None:
    await prompts.serve()
    await asyncio.Event().wait()  # the input is over, and the run is not


def _say(run_id: str) -> Callable[[Attachment], None]:
    def say(event: Attachment) -> None:
        note(holder_line(event, run_id, go_on=RESUME))

    return say


async def attach_run_in_lines(journal: Path, run_id: str) -> ExitCode:
    """Writes the events of a run as JSON, and takes answers, until it ends or a signal detaches."""

    async def nothing_else(_request: Request) -> None:
        raise BadLineError("a run takes answer, approve and deny; say, interrupt and switch are for sessions")

    following = _Following(
        run_id,
        waits=False,
        told=lambda event: emit_attached(run_event_document(event)),
        of_holder=lambda event: emit_attached(attachment_document(event, run_id)),
    )
    detaching = Detaching()
    with detaching.on_signals():
        await detaching.until_detached(following.follow(journal), read_requests(journal, nothing_else))
    code = following.code(detached=detaching.is_set)
    emit_attached({"event": "detached", "id": run_id, "status": int(code)})
    return code


class _Following:
    """Follows a run to its end.

    Args:
        waits: a run whose process was killed is waited for.
        told: called with each event of the run.
        of_holder: called with what becomes of its processes.
    """

    def __init__(
        self,
        run_id: str,
        *,
        waits: bool,
        told: Callable[[RunEvent], None],
        of_holder: Callable[[Attachment], None],
    ) -> None:
        self._run_id = run_id
        self._waits = waits
        self._told = told
        self._of_holder = of_holder
        self._state: RunState | None = None

    async def follow(self, journal: Path) -> None:
        """Hands out what happens."""
        async for event in afollow_told(journal, self._run_id):
            if not isinstance(event, Attachment):
                self._told(event)
                continue
            self._of_holder(event)
            match event:
                case Attached(pid=None) | CoordinatorEnded():
                    self._state = event.state
                    return
                case CoordinatorKilled() if not self._waits:
                    return

    def code(self, *, detached: bool) -> ExitCode:
        """Returns the exit status: whether the run has reached its goal, as far as this has seen."""
        if detached:
            return ExitCode.INTERRUPTED
        return ExitCode.DONE if self._state is RunState.SUCCEEDED else ExitCode.NOT_REACHED
