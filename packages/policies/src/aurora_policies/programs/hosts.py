"""Finds the hosts that a command contacts, as far as its words show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.network import CURL_VALUED, WGET_VALUED
from aurora_policies.programs.remote import SSH_VALUED
from aurora_policies.shell.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from aurora_policies.shell.words import Word

__all__ = ["contacted"]

_ADDRESS: Final = re.compile(r"(?:-[-\w]*=?)?[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)
"""An address, also as the value of an option."""
_PLACE: Final = re.compile(r"(?:[^/:@]+@)?(\[[^\]]+\]|[^/:]+):(?!:)")
"""A file elsewhere, as in `user@host:folder/file`."""
_CONNECTION: Final = re.compile(r"/dev/(?:tcp|udp)/([^/]+)/")
"""A file that bash opens as a connection."""
_SPOKEN: Final = frozenset(
    {
        *(
            "echo",
            "printf",
            "print",
            "cat",
            "grep",
            "egrep",
            "fgrep",
            "rg",
            "ag",
            "ack",
            "sed",
            "gsed",
            "awk",
            "gawk",
        ),
        *("jq", "yq", "test", "[", "[[", "expr", "tr", "cut", "head", "tail", "sort", "tee", "diff", "true", ":"),
        *("export", "declare", "local", "readonly", "read", "case", "let", "basename", "dirname", "wc", "base64"),
    }
)
"""Programs for which an address is only text."""
_GIT_CONTACTS: Final = frozenset({"clone", "fetch", "pull", "push", "ls-remote", "remote", "submodule", "archive"})
_GIT_VALUED: Final = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "-b", "--branch", "-o", "-u"})
_FIRST: Final[Mapping[str, frozenset[str]]] = {
    "ssh": SSH_VALUED,
    "mosh": SSH_VALUED,
    "sftp": SSH_VALUED,
    "ssh-copy-id": SSH_VALUED,
    "ssh-keyscan": frozenset({"-p", "-t", "-T", "-f"}),
    "telnet": frozenset({"-l"}),
    "ftp": frozenset(),
    "tftp": frozenset({"-c", "-m"}),
    "nc": frozenset({"-w", "-p", "-s", "-x", "-X", "-i", "-q"}),
    "ncat": frozenset({"-w", "-p", "-s", "-i", "--proxy"}),
    "netcat": frozenset({"-w", "-p", "-s", "-i", "-q"}),
    "ping": frozenset({"-c", "-i", "-W", "-w", "-s", "-t"}),
    "ping6": frozenset({"-c", "-i", "-W", "-w", "-s", "-t"}),
    "traceroute": frozenset({"-m", "-q", "-w", "-p"}),
    "nmap": frozenset({"-p", "-oN", "-oX", "-iL"}),
}
"""Programs whose first operand is a host, and their options with values."""
_ALL: Final[Mapping[str, frozenset[str]]] = {
    "curl": CURL_VALUED,
    "wget": WGET_VALUED,
    "aria2c": frozenset({"-d", "-o", "-x", "-s", "-i"}),
}
"""Programs of which each operand is an address, also without its scheme."""
_HTTPIE: Final = frozenset({"http", "https", "xh", "xhs", "httpie", "curlie"})
_PLACES: Final = frozenset({"scp", "rsync"})
_BY_OPTION: Final = frozenset(
    {
        *("psql", "pg_dump", "pg_restore", "createdb", "dropdb", "mysql", "mariadb", "mysqldump", "redis-cli"),
        *("mongosh", "mongo", "mongodump", "ldapsearch", "smbclient", "swaks"),
    }
)
_HOST_OPTIONS: Final = ("-h", "--host", "--hostname", "-H", "--server")
_SOCAT: Final = re.compile(
    r"(?:tcp|udp|sctp|openssl|ssl|socks)\w*(?:-connect|-sendto)?:(\[[^\]]*\]|[^:,]+)", re.IGNORECASE
)


def contacted(name: str, words: Sequence[Word], settings: Mapping[str, str]) -> Iterator[str]:
    """Yields the hosts that a command contacts; one that is known only in part holds the mark of what is not.

    Args:
        name: of the program.
        words: its arguments.
        settings: of the git repository that it runs in.
    """
    if name == "git":
        yield from _of_git(words, settings)
        return
    if name in _SPOKEN:
        return
    handler = _HANDLERS.get(name)
    if handler is not None:
        yield from handler(name, words)
    for word in words:
        found = _CONNECTION.match(word.text) or _ADDRESS.match(word.text)
        if found:
            yield _authority(found[1])


def _authority(text: str) -> str:
    """Returns the host of `user:password@host:port`."""
    host = text.rpartition("@")[2]
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _bare(text: str) -> str:
    """Returns the host of `user@host:port/path`."""
    return _authority(text.partition("/")[0].partition("?")[0])


def _first(name: str, words: Sequence[Word]) -> Iterator[str]:
    operands = arguments(words, valued=_FIRST[name], stop_at_operand=True).operands
    if operands and "://" not in operands[0].text:
        yield _bare(operands[0].text)


def _all(name: str, words: Sequence[Word]) -> Iterator[str]:
    for word in arguments(words, valued=_ALL[name]).operands:
        if "://" not in word.text and not word.text.startswith(("file:", "/", ".")):
            yield _bare(word.text)


def _httpie(_name: str, words: Sequence[Word]) -> Iterator[str]:
    operands = [word.text for word in arguments(words).operands]
    address = next((text for text in operands if not re.fullmatch(r"[A-Z]+", text)), "")
    if "://" not in address and address:
        yield "localhost" if address.startswith((":", "/")) else _bare(address)


def _places(_name: str, words: Sequence[Word]) -> Iterator[str]:
    for word in words:
        found = _PLACE.match(word.text)
        if found and not word.text.startswith("-") and "://" not in word.text:
            yield found[1]
        elif word.text[:1] == UNKNOWN:
            yield UNKNOWN


def _by_option(_name: str, words: Sequence[Word]) -> Iterator[str]:
    given = arguments(words, valued=frozenset(_HOST_OPTIONS))
    for value in given.values(*_HOST_OPTIONS):
        if not value.text.startswith("/"):  # the folder of a socket
            yield _authority(value.text)


def _socat(_name: str, words: Sequence[Word]) -> Iterator[str]:
    for word in words:
        found = _SOCAT.match(word.text)
        if found:
            yield found[1]


_HANDLERS: Final[Mapping[str, Callable[[str, Sequence[Word]], Iterator[str]]]] = {
    **dict.fromkeys(_FIRST, _first),
    **dict.fromkeys(_ALL, _all),
    **dict.fromkeys(_HTTPIE, _httpie),
    **dict.fromkeys(_PLACES, _places),
    **dict.fromkeys(_BY_OPTION, _by_option),
    "socat": _socat,
}


def _of_git(words: Sequence[Word], settings: Mapping[str, str]) -> Iterator[str]:
    operands = [word.text for word in arguments(words, valued=_GIT_VALUED).operands]
    if not operands or operands[0] not in _GIT_CONTACTS:
        return
    subcommand, *rest = operands
    addresses = [text for text in rest if _ADDRESS.match(text) or _PLACE.match(text)]
    if subcommand in {"fetch", "pull", "push", "ls-remote"} and not addresses:
        addresses = [_remote(rest[0] if rest else "origin", settings)]
    elif subcommand == "remote" and rest[:1] in (["update"], ["show"], ["prune"]):
        addresses = [_remote(rest[1] if rest[1:] else "origin", settings)]
    for text in filter(None, addresses):
        found = _ADDRESS.match(text)
        place = _PLACE.match(text)
        yield _authority(found[1]) if found else place[1] if place else UNKNOWN


def _remote(name: str, settings: Mapping[str, str]) -> str:
    """Returns the address of a remote; "" if it is not known or is a folder."""
    if UNKNOWN in name:
        return UNKNOWN
    address = settings.get(f"remote.{name}.url", "")
    return address if _ADDRESS.match(address) or _PLACE.match(address) else ""
