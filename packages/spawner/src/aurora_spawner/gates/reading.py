"""Reads a tool call as the CLIs give it to their hooks: its tool, its effects and its folder.

The CLIs name tools and arguments differently, and MCP servers as they like. A tool that is not known is read by its
arguments: what looks like a command is one.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.gates.tool_addresses import addresses
from aurora_spawner.gates.tool_calls import ToolUse, UseKind
from aurora_spawner.gates.tool_commands import CAMEL, joined, of_server, parts, placed, told_commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PATCH_TOOL: Final = "apply_patch"
_TYPING_TOOL: Final = "write_stdin"
"""Types into a program that an earlier call has started, such as a shell."""
_COMMAND_TOOLS: Final = frozenset(
    {
        *("bash", "shell", "local_shell", "container.exec", "exec_command", "shell_command", "unified_exec"),
        *("run_shell_command", "run_commands"),
    }
)
"""Tools that do nothing but run commands, in lower case."""
_SEVERAL: Final = "commands"
_COMMANDS: Final = ("command", "cmd", _SEVERAL, "script", "shell_command", "command_line", "commandline")
_FOLDERS: Final = ("workdir", "working_directory", "dir_path", "directory", "cwd")
_PATHS: Final = ("file_path", "filePath", "absolute_path", "notebook_path", "path", "file", "filename", "target_file")
_FROM_TO: Final = (("source", "destination"), ("from", "to"), ("old_path", "new_path"))
_CONTENTS: Final = ("content", "contents", "file_text", "new_source", "text", "data")
_REPLACEMENTS: Final = (("old_string", "new_string"), ("old_str", "new_str"), ("oldText", "newText"))
_EDITS: Final = "edits"
_STATEMENT: Final = "sql"
_PERHAPS_STATEMENTS: Final = ("statement", "query")
"""SQL, or words that are searched for."""
_CHANGES_DATA: Final = re.compile(
    r"(?:^|[;\n(]|\*/)[^\S\n]*+(?:(?:drop|alter|create)\s+(?:or\s+replace\s+)?[a-z]+\s+\S|truncate\s+\S"
    r"|delete\s+from\s+\S|update\s+(?:only\s+)?\S+\s+(?:as\s+\S+\s+|\S+\s+)?set\s|(?:insert|replace|merge)\s+into\s+\S"
    r"|grant\s.{1,300}?\sto\s|revoke\s.{1,300}?\sfrom\s|with\s.{1,300}?\sas\s*\()",
    re.IGNORECASE | re.DOTALL,
)
"""The forms of statements that change something; a clause that begins with one of the verbs is none."""
_LONGEST_SEARCH: Final = 50_000
"""Characters of the longest text that may be a search; a longer one counts as a statement."""
_SEARCHES: Final = re.compile(r"(^|[^a-z])(search|find|fetch|lookup|browse)([^a-z]|$)", re.IGNORECASE)
_DATABASE: Final = re.compile(r"sql|(^|[^a-z])(db|database|postgres|maria|oracle|duckdb)([^a-z]|$)", re.IGNORECASE)
_REMOVES: Final = re.compile(r"(^|[^a-z])(delete|remove|rm|unlink|trash|erase)([^a-z]|$)", re.IGNORECASE)
_DESTROYS: Final = re.compile(
    r"(^|[^a-z])(delete|remove|drop|destroy|truncate|purge|wipe|reset|revoke|force|terminate|erase)([^a-z]|$)",
    re.IGNORECASE,
)
_JOINED: Final = re.compile(r"[a-z0-9][_-][a-z0-9]", re.IGNORECASE)
"""A name of several words, as a server's and its tool's together are."""
_PATCHED: Final = re.compile(r"^[^\S\n]*\*\*\* (?:(Add|Update|Delete) File: (.+)|(Move) to: (.+))$", re.MULTILINE)
"""Headers of files in a patch; Codex trims its lines before it looks for them."""
_EDITS_LINE: Final = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
_SIGNALS: Final = ("\x03", "\x04", "\x1a", "\x1c")
"""Interrupt, end of input, suspend, quit."""
LONGEST_NAME: Final = 1_000
"""Characters of a tool's name; a server of tools that gives a longer one only wants to keep the coordinator busy."""
_NO_NAME: Final = re.compile("[\0\ud800-\udfff]")


class UnreadableCallError(ValueError):
    """A tool call that cannot be understood; it must not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCall:
    """A tool call as a CLI reports it."""

    tool: str
    uses: tuple[ToolUse, ...]
    cwd: Path | None
    """None if the CLI does not say it."""
    id: str = ""
    """The CLI's own id of the call; "" if it says none."""


def read_call(raw: bytes) -> ReportedCall:
    """Reads what a CLI gives to its hook.

    Raises:
        UnreadableCallError: It is no JSON object with a tool and its arguments.
    """
    try:
        given = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UnreadableCallError("the tool call is not JSON") from error
    if isinstance(given, dict) and "toolName" in given:  # Copilot CLI
        given = {"tool_name": given["toolName"], "tool_input": _arguments(given.get("toolArgs")), **given}
    tool = given.get("tool_name") if isinstance(given, dict) else None
    if not isinstance(tool, str) or not 0 < len(tool) <= LONGEST_NAME:
        raise UnreadableCallError("the tool call names no tool")
    tool = _named(tool, given)
    arguments = given.get("tool_input", {})
    if isinstance(arguments, str):
        arguments = {"command" if tool != _PATCH_TOOL else "patch": arguments}
    if not isinstance(arguments, dict):
        raise UnreadableCallError(f"the arguments of {tool} are no JSON object")
    cwd = _folder(given.get("cwd"), None)
    return ReportedCall(
        tool=tool,
        uses=tuple(_uses(tool, arguments)),
        cwd=next((_folder(arguments[name], cwd) for name in _FOLDERS if arguments.get(name)), cwd),
        id=id_ if isinstance(id_ := given.get("tool_use_id"), str) else "",
    )


def _named(tool: str, given: Mapping[str, Any]) -> str:
    """Returns a tool's name with its server's, which Gemini CLI says beside it."""
    context = given.get("mcp_context")
    server, own = (context.get("server_name"), context.get("tool_name")) if isinstance(context, dict) else ("", "")
    if not (isinstance(server, str) and isinstance(own, str) and server and own):
        return tool
    return f"mcp__{server}__{own}"[:LONGEST_NAME]


def _arguments(given: object) -> object:
    """Returns arguments that are given as JSON in a text, or as they are."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        return given


def _folder(given: object, above: Path | None) -> Path | None:
    if not isinstance(given, str):
        return above
    if _NO_NAME.search(given):
        raise UnreadableCallError("the folder of the call is no path")  # CLIs differ in what they make of it
    path = (above or Path("/")) / given
    return path if above is not None or Path(given).is_absolute() else None


def _uses(tool: str, arguments: Mapping[str, Any]) -> Iterator[ToolUse]:
    if tool == _TYPING_TOOL:
        yield from _typed(arguments.get("chars"))
        return
    patch = _patch_of(tool, arguments)
    if patch is not None:
        yield from _patched(patch)
        return
    found = False
    for use in _seen(tool, arguments):
        found = found or use.kind is not UseKind.FETCH  # an address does not show what becomes of it
        yield use
    if not found and tool.lower() in _COMMAND_TOOLS:
        raise UnreadableCallError(f"the call of {tool} shows no command")
    own = tool.rpartition("__")[2]
    # OpenCode and Copilot CLI do not mark the tools of servers.
    named = of_server(tool) or _JOINED.search(tool) is not None
    if not found and named and _DESTROYS.search(CAMEL.sub("_", own)):
        yield ToolUse(kind=UseKind.UNSEEN)


def _seen(tool: str, arguments: Mapping[str, Any]) -> Iterator[ToolUse]:
    """Yields the effects that the arguments show; those of a server's tool also in objects inside them."""
    for each in parts(tool, arguments):
        commands = tuple(_commands(tool, each)) or tuple(told_commands(tool, each))
        for command in commands:
            yield ToolUse(kind=UseKind.COMMAND, command=placed(tool, {**arguments, **each}, command))
        for statement in _statements(tool, each):
            yield ToolUse(kind=UseKind.COMMAND, command=f"psql -c {shlex.quote(statement)}")
        for address in addresses(tool, each, elsewhere=bool(commands)):
            yield ToolUse(kind=UseKind.FETCH, url=address)
    yield from _changes(tool, arguments)


def _commands(tool: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yields the commands under their usual names."""
    by_name = {name.lower(): given for name, given in arguments.items()}
    for name in _COMMANDS:
        given = by_name.get(name)
        if isinstance(given, list):  # the words of one command, or several commands
            given = [_line(each) for each in given] if name == _SEVERAL else given
            words = [word for word in given if isinstance(word, str)]
            if len(words) < len(given) and tool.lower() in _COMMAND_TOOLS:
                raise UnreadableCallError(f"the call of {tool} has words that are no text")
            given = "\n".join(words) if name == _SEVERAL else shlex.join(words)
        if isinstance(given, str) and given.strip():
            yield joined(given, arguments)


def _line(given: object) -> object:
    """Returns a command that is given by its words as a line."""
    is_words = isinstance(given, list) and all(isinstance(word, str) for word in given)
    return shlex.join(given) if isinstance(given, list) and is_words else given


def _statements(tool: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yields SQL that the arguments hold; a search for words such as "drop table" is none."""
    statement, words = arguments.get(_STATEMENT), CAMEL.sub("_", tool)
    if isinstance(statement, str) and statement.strip():
        yield statement
    if _SEARCHES.search(words) and not _DATABASE.search(words):
        return
    for name in _PERHAPS_STATEMENTS:
        text = arguments.get(name)
        if isinstance(text, str) and (len(text) > _LONGEST_SEARCH or _CHANGES_DATA.search(text)):
            yield text


def _typed(chars: object) -> Iterator[ToolUse]:
    """Yields what is typed, and whether it is only a part of a line, since what the whole becomes is not known.

    A terminal takes a carriage return for the end of a line, and other control characters complete, delete or recall;
    what they leave in the line may be run by a later line end. Alone, some end or stop the program.
    """
    if not isinstance(chars, str | None):
        raise UnreadableCallError(f"the call of {_TYPING_TOOL} shows no text")
    text = (chars or "").replace("\r", "\n")
    written = any(each.isprintable() and each != " " for each in text)
    if written:
        yield ToolUse(kind=UseKind.COMMAND, command=text)
    edited = text not in _SIGNALS and _EDITS_LINE.search(text)
    if edited or (written and not text.endswith("\n")):
        yield ToolUse(kind=UseKind.TYPED)


def _changes(tool: str, arguments: Mapping[str, Any]) -> Iterator[ToolUse]:
    """Yields changes of files."""
    for old, new in _FROM_TO:
        if isinstance(arguments.get(old), str) and isinstance(arguments.get(new), str):
            yield ToolUse(kind=UseKind.WRITE, files=(arguments[old], arguments[new]))
    files = tuple(arguments[name] for name in _PATHS if isinstance(arguments.get(name), str) and arguments[name])
    lines = _lines_changed(arguments)
    if not files:
        return
    if lines is not None:
        yield ToolUse(kind=UseKind.WRITE, files=files, lines_changed=lines)
    elif _REMOVES.search(CAMEL.sub("_", tool)):
        yield ToolUse(kind=UseKind.DELETE, files=files)


def _lines_changed(arguments: Mapping[str, Any]) -> int | None:
    """Returns the number of lines that an edit adds and removes; None if it is no edit."""
    edits = arguments.get(_EDITS)
    if isinstance(edits, list):
        return sum(_lines_changed(edit) or 0 for edit in edits if isinstance(edit, dict))
    for name in _CONTENTS:
        if isinstance(arguments.get(name), str):
            return _count(arguments[name])
    for old, new in _REPLACEMENTS:
        if new in arguments or old in arguments:
            return _count(arguments.get(old)) + _count(arguments.get(new))
    return None


def _count(text: object) -> int:
    return text.count("\n") + 1 if isinstance(text, str) and text else 0


def _patch_of(tool: str, arguments: Mapping[str, Any]) -> str | None:
    """Returns the patch that a tool applies; None if it applies none."""
    if tool.rpartition("__")[2] != _PATCH_TOOL:
        return None
    given = (arguments.get(name) for name in ("patch", "input", "command"))
    return next((each for each in given if isinstance(each, str)), "")


def _patched(patch: str) -> Iterator[ToolUse]:
    deleted: list[str] = []
    written: list[str] = []
    for verb, path, move, target in _PATCHED.findall(patch):
        (deleted if verb == "Delete" else written).append((target if move else path).strip())
    if not deleted and not written:
        raise UnreadableCallError("the patch names no file")
    lines = sum(line[:1] in ("+", "-") for line in patch.splitlines())
    if written:
        yield ToolUse(kind=UseKind.WRITE, files=tuple(dict.fromkeys(written)), lines_changed=lines)
    if deleted:
        yield ToolUse(kind=UseKind.DELETE, files=tuple(dict.fromkeys(deleted)))
