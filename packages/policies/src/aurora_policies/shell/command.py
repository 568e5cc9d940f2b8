"""A simple command, and texts as words of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurora_policies.shell.stream import EMPTY, Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_policies.shell.state import Value
    from aurora_policies.shell.words import Word

__all__ = ["Command", "quote"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A simple command.

    Attributes:
        words: the name and the arguments; never empty.
        assignments: variables that only this command sees.
        input: standard input.
        plain: functions and aliases do not replace it (`command rm`).
    """

    words: tuple[Word, ...]
    assignments: Mapping[str, Value] = field(default_factory=dict)
    input: Stream = EMPTY
    plain: bool = False


def quote(text: str) -> str:
    """Returns a text in quotes, so that it is one word of a script; what is not known stays so."""
    return "'" + text.replace("'", "'\\''") + "'"
