"""The line editor of a session: history, completion of commands and agents, pasted texts of many lines."""

from __future__ import annotations

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


class PromptLine:
    """Reads lines at the terminal.

    Args:
        history: the file of earlier lines.
        commands: with a word about each.
        agents: returns those that can be talked with.
    """

    def __init__(self, history: Path, commands: Mapping[str, str], agents: Callable[[], tuple[str, ...]]) -> None:
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

    async def read(self, prompt: str) -> str:
        """Returns the next line, which may be a text of many lines.

        Raises:
            EOFError: the input has ended, as by Ctrl-D.
            KeyboardInterrupt: Ctrl-C was typed.
        """
        return await self._session.prompt_async(prompt, handle_sigint=False)


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
