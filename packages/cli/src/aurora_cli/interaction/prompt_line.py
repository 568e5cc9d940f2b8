"""The line editor of a session: history, completion of commands and agents, pasted texts of many lines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings

from aurora_core.private_files import private_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document
    from prompt_toolkit.key_binding import KeyPressEvent

__all__ = ["PromptLine"]

SWITCH: Final = "/switch"
_GIVE_WAY_S: Final = 1.0
"""The longest wait for a prompt to leave the screen."""


class PromptLine:
    """Reads lines at the terminal.

    Args:
        history: the file of earlier lines.
        commands: with a word about each.
        agents: returns those that can be talked with.
        changed: called after each change of the terminal's modes.
    """

    def __init__(
        self,
        history: Path,
        commands: Mapping[str, str],
        agents: Callable[[], tuple[str, ...]],
        *,
        changed: Callable[[], None],
    ) -> None:
        if not history.exists():
            private_folder(history.parent)
            write_private(history, b"")
        self._session: PromptSession[str] = PromptSession(
            history=FileHistory(history),
            completer=_Words(commands, agents),
            complete_while_typing=False,
            key_bindings=_bindings(),
            enable_history_search=True,
        )
        self._changed = changed
        self._told = False
        self._session.app.after_render += self._tell_when_drawn
        self._draft = ""
        """The words that were typed when the prompt gave way."""

    async def read(self, prompt: str, *, unless: asyncio.Event) -> str | None:
        """Returns the next line, which may be a text of many lines.

        Args:
            unless: the prompt gives way when this is set; what was typed by then stands in the next prompt.

        Returns:
            None if the prompt has given way.

        Raises:
            EOFError: the input has ended, as by Ctrl-D.
            KeyboardInterrupt: Ctrl-C was typed.
        """
        draft, self._draft = self._draft, ""
        reading = asyncio.ensure_future(self._typed(prompt, draft))
        giving_way = asyncio.ensure_future(unless.wait())
        try:
            await asyncio.wait({reading, giving_way}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                self._give_way()
                await asyncio.wait({reading}, timeout=_GIVE_WAY_S)
                return None
            typed = reading.result()
        finally:
            for each in (reading, giving_way):
                each.cancel()
            await asyncio.gather(reading, giving_way, return_exceptions=True)
        if typed is None:
            raise KeyboardInterrupt
        return typed

    async def _typed(self, prompt: str, draft: str) -> str | None:
        """Returns a line; None for Ctrl-C, which a task must not raise."""
        self._session.app.erase_when_done = False
        self._told = False
        try:
            return await self._session.prompt_async(prompt, default=draft, handle_sigint=False)
        except KeyboardInterrupt:
            return None

    def _tell_when_drawn(self, _app: object) -> None:
        """Tells of the modes that the editor has set, once it draws for the first time."""
        if not self._told:
            self._told = True
            self._changed()

    def _give_way(self) -> None:
        """Takes the prompt from the screen."""
        app = self._session.app
        if app.is_running:
            self._draft = self._session.default_buffer.text
            app.erase_when_done = True
            app.exit(result="")


class _Words(Completer):
    """Completes commands, and after `/switch` the names of agents."""

    def __init__(self, commands: Mapping[str, str], agents: Callable[[], tuple[str, ...]]) -> None:
        self._commands = commands
        self._agents = agents

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002 -- the signature of the library
        """Yields what may stand at the cursor."""
        typed = document.text_before_cursor
        if typed.startswith(f"{SWITCH} "):
            word = typed[len(SWITCH) + 1 :]
            yield from (Completion(each, -len(word)) for each in self._agents() if each.startswith(word))
        elif typed.startswith("/") and " " not in typed:
            for name, about in self._commands.items():
                if name.startswith(typed):
                    yield Completion(name, -len(typed), display_meta=about)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings
