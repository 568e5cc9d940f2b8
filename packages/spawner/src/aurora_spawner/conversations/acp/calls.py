"""Tool calls as ACP describes them, in the form in which the gates judge a call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aurora_spawner.backends.fields import Fields

_TOOLS: Final = {
    "execute": "Bash",
    "edit": "Edit",
    "delete": "Delete",
    "move": "Move",
    "fetch": "WebFetch",
    "read": "Read",
    "search": "Search",
}
"""Names that the gates know, by ACP's kinds."""
_UNREADABLE: Final = ("apply_patch", {"patch": ""})
"""A change of a file that nobody names; the gates refuse it."""
_FOLDER: Final = re.compile(r"\[current working directory (/[^\n]*)\]")
"""The way in which Gemini CLI tells the folder of a command."""


def call_of(call: Fields) -> tuple[str, dict[str, Any]]:
    """Returns the tool and the arguments of a call; what the arguments leave out is taken from its description."""
    kind = call.text("kind")
    given = dict(call.fields("rawInput").raw)
    if kind == "execute":
        given |= _of_command(call, given)
    changed = [(each.text("path"), each.text("newText")) for each in call.rows("content") if each.text("path")]
    if len(changed) > 1:
        return "apply_patch", {"patch": _patch(changed)}
    if changed:
        given |= {"file_path": changed[0][0], "content": changed[0][1]}
    elif kind in ("edit", "delete", "move") and not _names_file(given):
        placed = _of_places([each.text("path") for each in call.rows("locations") if each.text("path")], kind)
        if not placed:
            return _UNREADABLE
        given |= placed
    return _TOOLS.get(kind) or tool_name(call), given


def tool_name(call: Fields) -> str:
    """Returns the agent's own name of a tool if it tells it, else ACP's kind."""
    meta = call.fields("_meta")
    named = meta.text("toolName") or meta.fields("claudeCode").text("toolName")
    return named or call.text("kind") or call.text("title") or "tool"


def shows_itself(call: Fields) -> bool:
    """Returns True if its arguments are there; many agents announce a call before they have them."""
    return bool(call.fields("rawInput").text("command", "file_path", "filePath", "path", "pattern", "query", "url"))


def about_call(call: Fields) -> str:
    """Returns the command, path or query of a call, in one line."""
    if shows_itself(call):
        return call.fields("rawInput").about()
    places = call.rows("locations")
    said = call.text("title") or (places[0].text("path") if places else "")
    return " ".join(said[:800].split())[:200]


def _of_command(call: Fields, given: dict[str, Any]) -> dict[str, str]:
    """Returns the command in the title, and its folder in the explanation, of an agent that gives no arguments."""
    found: dict[str, str] = {}
    if not any(given.get(name) for name in ("command", "commands", "cmd", "script")) and call.text("title"):
        found["command"] = call.text("title")
        told = "\n".join(each.fields("content").text("text") for each in call.rows("content"))
        if (folder := _FOLDER.search(told)) is not None:
            found["cwd"] = folder[1]
    return found


def _names_file(given: dict[str, Any]) -> bool:
    return any(isinstance(given.get(name), str) for name in ("file_path", "filePath", "path", "file", "source"))


def _of_places(paths: list[str], kind: str) -> dict[str, str]:
    if kind == "move" and len(paths) > 1:
        return {"source": paths[0], "destination": paths[1]}
    if not paths:
        return {}
    return {"file_path": paths[0]} if kind == "delete" else {"file_path": paths[0], "content": ""}


def _patch(changed: list[tuple[str, str]]) -> str:
    lines: list[str] = []
    for path, content in changed:
        lines.append(f"*** Update File: {' '.join(path.splitlines())}")
        lines += [f"+{line}" for line in content.splitlines()]
    return "\n".join(lines)
