"""Prompts of a task file: a task's text and details, and the groups that it is part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.taskfiles.lines import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.taskfiles.form import Item
    from aurora_spawner.taskfiles.lines import BodyLine

CONTEXT_LIMIT: Final = 4_000
"""The characters about a task's groups; all tasks of a group repeat them."""


class Prompts:
    """Writes the prompts of one file."""

    def __init__(self) -> None:
        self._groups: dict[str, str] = {}

    def of(self, item: Item) -> str:
        """Returns a task's own text, word for word, then the text of its groups, the innermost first."""
        parts = ["\n".join([item.title, *dedented(item.details)])]
        left = CONTEXT_LIMIT
        group = item.parent
        while group is not None and left > 0:
            if group.title:
                parts.append(_cut(self._of_group(group), left, group.entry.line))
                left -= len(parts[-1])
            group = group.parent
        return "\n\n".join(parts)

    def _of_group(self, group: Item) -> str:
        if group.id not in self._groups:
            self._groups[group.id] = "\n".join([f"Part of: {group.title}", *dedented(group.details)])
        return self._groups[group.id]


def _cut(text: str, length: int, line: int) -> str:
    return text if len(text) <= length else f"{text[:length]} … (the rest is in the task file, line {line})"


def dedented(lines: Sequence[BodyLine]) -> list[str]:
    """Returns lines without their common indentation and without blank lines around them."""
    written = [at for at, line in enumerate(lines) if line.text]
    body = lines[written[0] : written[-1] + 1] if written else []
    margin = min((line.indent for line in body if line.text and line.kind is not Kind.COMMENT), default=0)
    return [" " * max(0, line.indent - margin) + line.text if line.text else "" for line in body]
