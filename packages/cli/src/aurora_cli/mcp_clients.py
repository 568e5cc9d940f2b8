"""The configuration of MCP clients: the entry that makes a client start `aur mcp serve`, added to its file."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_cli.errors import ClientFileError
from aurora_core.bounded import read_regular
from aurora_core.private_files import write_private
from aurora_soar.user_only import check_user
from aurora_spawner.supervision.interpreter import python_command

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CLIENTS", "Addition", "addition", "write"]

NAME: Final = "aurora"
MAX_BYTES: Final = 4_000_000
_NEW_FILE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program that takes MCP servers.

    Attributes:
        file: of its configuration, from the project's root or, if `of_user`, from the home folder.
        section: the key that holds all servers.
        form: the keys of an entry: `command` with `args`, or one list.
    """

    file: str
    section: str = "mcpServers"
    of_user: bool = False
    form: str = "command"
    more: Mapping[str, Any] | None = None


CLIENTS: Final[Mapping[str, Client]] = {
    "claude": Client(file=".mcp.json"),
    "codex": Client(file=".codex/config.toml", section="mcp_servers", of_user=True),
    "gemini": Client(file=".gemini/settings.json"),
    "qwen": Client(file=".qwen/settings.json"),
    "opencode": Client(file="opencode.json", section="mcp", form="list", more={"type": "local", "enabled": True}),
    "copilot": Client(file=".copilot/mcp-config.json", of_user=True, more={"type": "local", "tools": ["*"]}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """An entry that is to be added to a file.

    Attributes:
        content: of the whole file afterwards; None if the entry is there already.
        entry: the part that is new, as it stands in the file.
    """

    path: Path
    entry: str
    content: bytes | None


def addition(client: str, root: Path) -> Addition:
    """Returns what a client's file lacks, with everything else in it as it is.

    Args:
        client: one of CLIENTS.
        root: of the project.

    Raises:
        ClientFileError: the file cannot be read, a link puts it elsewhere than in the project, or it has
            an entry of this name that starts something else.
    """
    found = CLIENTS[client]
    path = (Path.home() if found.of_user else root) / found.file
    real = Path(os.path.realpath(path))
    if not found.of_user and not real.is_relative_to(root.resolve()):
        raise ClientFileError(path, f"a link leads out of the project, to {real}")
    before = _read(path)
    return _toml(path, found, before) if path.suffix == ".toml" else _json(path, found, before)


def write(new: Addition) -> None:
    """Writes a client's file.

    Raises:
        UserOnlyError: this process belongs to an agent.
        ClientFileError: it cannot be written.
    """
    check_user("the configuration of other programs is", "ask the user for it")
    if new.content is None:
        return
    try:
        new.path.parent.mkdir(parents=True, exist_ok=True)
        real = new.path.resolve()  # a link to a file of the user's stays one
        write_private(real, new.content, mode=stat.S_IMODE(real.stat().st_mode) if real.exists() else _NEW_FILE)
    except OSError as error:
        raise ClientFileError(new.path, f"cannot be written: {error.strerror}", new.entry) from error


def _server(client: Client) -> dict[str, Any]:
    program = ("aur",) if shutil.which("aur") else python_command("aurora_cli")
    command = [*program, "mcp", "serve"]
    named = {"command": command} if client.form == "list" else {"command": command[0], "args": command[1:]}
    return {**(client.more or {}), **named}


def _read(path: Path) -> str:
    try:
        return read_regular(path, MAX_BYTES).decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ClientFileError(path, f"cannot be read: {error}") from error


def _json(path: Path, client: Client, before: str) -> Addition:
    server = _server(client)
    entry = json.dumps({client.section: {NAME: server}}, indent=2)
    try:
        whole = json.loads(before) if before.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ClientFileError(path, f"is not plain JSON ({error})", entry) from error
    servers = whole.get(client.section, {}) if isinstance(whole, dict) else None
    if not isinstance(servers, dict):
        raise ClientFileError(path, f"{client.section} is not an object there", entry)
    if _is_there(path, servers.get(NAME), server, entry):
        return Addition(path=path, entry=entry, content=None)
    whole[client.section] = {**servers, NAME: server}
    return Addition(path=path, entry=entry, content=(json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode())


def _toml(path: Path, client: Client, before: str) -> Addition:
    server = _server(client)
    lines = [f"[{client.section}.{NAME}]", *(f"{key} = {json.dumps(value)}" for key, value in server.items())]
    entry = "\n".join(lines)
    try:
        servers = tomllib.loads(before).get(client.section, {})
    except (ValueError, RecursionError) as error:
        raise ClientFileError(path, f"is not TOML ({error})", entry) from error
    if not isinstance(servers, dict):
        raise ClientFileError(path, f"{client.section} is not a table there", entry)
    if _is_there(path, servers.get(NAME), server, entry):
        return Addition(path=path, entry=entry, content=None)
    space = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    content = f"{before}{space}{entry}\n"
    try:
        tomllib.loads(content)
    except ValueError as error:  # for example, all servers stand in one inline table
        raise ClientFileError(path, "a table cannot be added at its end", entry) from error
    return Addition(path=path, entry=entry, content=content.encode())


def _is_there(path: Path, found: object, server: Mapping[str, Any], entry: str) -> bool:
    if found is not None and found != server:
        raise ClientFileError(path, f"has another entry called {NAME}", entry)
    return found is not None
