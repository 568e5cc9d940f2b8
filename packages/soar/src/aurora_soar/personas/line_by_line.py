"""Line-by-line reading of front matter that is not valid YAML, such as `description: Use it: always`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.model_names import is_model_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["read_line_by_line"]

_KEY: Final = re.compile(r"^([A-Za-z_][\w-]{0,63})[ \t]*:(?:[ \t]+|$)(.*)$")
_ITEM: Final = re.compile(r"^[ \t]*-[ \t]+(.*)$")
_TAG: Final = re.compile(r"<(/?)([A-Za-z][\w-]{0,31})>")
_BLOCK: Final = re.compile(r"[|>][+-]?\d?[+-]?")
_LISTED: Final = re.compile(r"[\w*.:/()\[\]@-]+(?:[ \t]*,[ \t]*[\w*.:/()\[\]@-]+)*")

_NAMES: Final = frozenset({"id", "name"})
_TEXTS: Final = frozenset(
    {"description", "goal", "role", "examples", "when_to_use", "whenToUse", "when-to-use", "skills", "dependencies"}
)
_WORDS: Final = frozenset({"model", "tools", "category"})
_OF_OTHERS: Final = frozenset(
    {
        "color",
        "colour",
        "version",
        "author",
        "tags",
        "type",
        "mode",
        "temperature",
        "permission",
        "permissions",
        "permissionMode",
        "disallowedTools",
        "disallowed-tools",
        "allowed-tools",
        "allowed_tools",
        "allowedTools",
        "hooks",
        "memory",
        "mcpServers",
        "mcp-servers",
        "mcp_servers",
        "maxTurns",
        "max_turns",
        "background",
        "isolation",
        "effort",
        "license",
        "metadata",
        "emoji",
        "vibe",
        "services",
        "globs",
        "alwaysApply",
        "infer",
        "target",
        "handoffs",
        "argument-hint",
        "argument_hint",
        "displayName",
        "display_name",
        "priority",
        "readonly",
        "icon",
        "top_p",
        "steps",
        "hidden",
        "disable",
        "user-invocable",
        "disable-model-invocation",
        "reasoning_effort",
    }
)
_KNOWN: Final = _NAMES | _TEXTS | _WORDS | _OF_OTHERS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line that starts a key.

    Attributes:
        index: in the head, counted from 0.
    """

    key: str
    index: int
    rest: str


def read_line_by_line(lines: Sequence[str], first: int) -> dict[str, tuple[str | tuple[str, ...], int]]:
    """Returns the values and their lines by key; a text continues until the next known key.

    Descriptions quote whole conversations without indenting them. Therefore a line between `<example>` and
    `</example>` never starts a key. Of a key that occurs several times, the first line counts for names and texts,
    the last plausible line for all others.

    Args:
        first: the number of the first line in the file.
    """
    begins = {each.index: each for each in _chosen(list(_candidates(lines)))}
    found: dict[str, tuple[str | tuple[str, ...], int]] = {}
    for index, each in begins.items():
        value = _value([each.rest, *_continuation(lines, each, begins)])
        found[each.key] = (value, first + index)
    return found


def _candidates(lines: Sequence[str]) -> Iterator[_Line]:
    closed_last = {match[2]: index for index, line in enumerate(lines) for match in _TAG.finditer(line) if match[1]}
    inside: str | None = None
    for index, line in enumerate(lines):
        match = _KEY.match(line)
        if match and inside is None:
            yield _Line(key=match[1], index=index, rest=match[2].strip())
        for tag in _TAG.finditer(line):
            if tag[1] and tag[2] == inside:
                inside = None
            elif not tag[1] and inside is None and closed_last.get(tag[2], -1) >= index:
                inside = tag[2]


def _chosen(candidates: list[_Line]) -> list[_Line]:
    """Returns one line for each key, in their order; the other candidates are text."""
    by_key: dict[str, list[_Line]] = {}
    for each in candidates:
        by_key.setdefault(each.key, []).append(each)
    texts = [each.index for each in candidates if each.key in _TEXTS]
    begun = min(texts, default=len(candidates) and candidates[-1].index)
    chosen = []
    for key, lines in by_key.items():
        if key not in _KNOWN:
            # A key of another tool counts before the first text only; after that it is a line of the text.
            chosen += [lines[0]] if lines[0].index < begun else []
        elif key in _NAMES or key in _TEXTS:
            chosen.append(lines[0])
        else:
            chosen.append(next((each for each in reversed(lines) if _is_plausible(each)), lines[-1]))
    return sorted(chosen, key=lambda each: each.index)


def _is_plausible(line: _Line) -> bool:
    value = _bare(line.rest)
    if line.key == "model":
        return is_model_name(value)
    return not value or bool(_LISTED.fullmatch(value))


def _continuation(lines: Sequence[str], begin: _Line, begins: dict[int, _Line]) -> Iterator[str]:
    for index in range(begin.index + 1, len(lines)):
        line = lines[index]
        if index in begins or (begin.key not in _TEXTS and _KEY.match(line)):
            return
        if line.strip():
            yield line if _ITEM.match(line) else line.strip()


def _value(parts: list[str]) -> str | tuple[str, ...]:
    if _BLOCK.fullmatch(parts[0]):
        parts = ["", *parts[1:]]
    items = [match[1] for match in map(_ITEM.match, parts[1:]) if match]
    if not parts[0] and items and len(items) == len(parts) - 1:
        return tuple(map(_bare, items))
    return _bare(" ".join(parts))


def _bare(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
