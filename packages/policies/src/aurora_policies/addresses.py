"""Hosts in addresses, and the names by which rules know a host, however it is written."""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from aurora_policies.shell.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bare_hosts", "hosts_of", "is_address", "is_plain", "names_of"]

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_WEB: Final = frozenset({"http", "https", "ws", "wss", "ftp", "ftps"})
"""Schemes after which programs take any number of slashes for two."""
_ENDS: Final = (re.compile(r"[/?#]"), re.compile(r"[/\\?#]"))
"""The end of the host for most programs, and for those that read an address as a browser does."""
_IN_QUERY: Final = re.compile(r"[?&]host(?:addr)?=([^&#]*)", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[\w.-]+|[0-9a-f:.]+", re.IGNORECASE)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
"""One machine: a rule for one of them is about all."""
_DOTS: Final = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61", "."))
"""Full stops of other scripts, which separate the parts of a name too."""
_MOST: Final = 1_000
"""Characters of a host; no name has as many."""


def is_address(text: str) -> bool:
    """Tells whether a text is an address with a scheme, such as `https://example.org/a`."""
    scheme = _SCHEME.match(text)
    return scheme is not None and text.startswith("//", scheme.end())


def hosts_of(address: str) -> Iterator[str]:
    """Yields the hosts of an address with or without its scheme; one of which a part is not known holds the mark.

    Programs differ in what they make of backslashes and slashes too many; the host of each reading is yielded.
    """
    text = re.sub(r"[\t\r\n]", "", address).strip("\x00 ")
    scheme = _SCHEME.match(text)
    name = scheme[1].lower() if scheme is not None else ""
    if scheme is not None and (name in _WEB or text.startswith("//", scheme.end())):
        rest = text[scheme.end() :]
        rest = rest.lstrip("/\\") if name in _WEB else rest[2:]
    else:
        rest = text.lstrip("/\\")
    parts = dict.fromkeys(end.split(rest, maxsplit=1)[0] for end in _ENDS)
    yield from dict.fromkeys(host for part in parts for host in _of_authority(part) if host)
    if name.startswith("postgres"):
        yield from filter(None, _IN_QUERY.findall(text))


def bare_hosts(text: str) -> Iterator[str]:
    """Yields the hosts of `user@host:port`, of which there may be several with commas between them."""
    for each in text.split(","):
        yield from hosts_of(each)


def _of_authority(text: str) -> Iterator[str]:
    """Yields the hosts of `user:password@host:port`."""
    if UNKNOWN in text:  # of `https://$user@host` or `https://host:$port`, it may hold another host and a slash
        yield text
        return
    for each in text.rpartition("@")[2].split(","):
        bracket = re.match(r"\[[^\]]*\](?=:|$)", each)
        colons = each.count(":") > 1 and "[" not in each
        yield bracket[0] if bracket else each if colons else each.partition(":")[0]


def is_plain(host: str) -> bool:
    """Tells whether a host is one name or address, and no pattern of several as curl has them."""
    return _PLAIN.fullmatch(_bare(host)) is not None


def names_of(host: str) -> tuple[str, ...]:
    """Returns the names of a host: as it is written, without what programs take away, and as usual.

    So 0x7f.1 is 127.0.0.1 too, ::ffff:10.0.0.1 is 10.0.0.1, and a name in another script has its form in ASCII.
    """
    plain = _bare(host)
    return tuple(dict.fromkeys((*_addresses(plain), *_in_both_scripts(plain))))


def _bare(host: str) -> str:
    text = unicodedata.normalize("NFKC", unquote(host[:_MOST]).translate(_DOTS)).lower()
    return text.strip("[]").partition("%")[0].rstrip(".")


def _addresses(plain: str) -> Iterator[str]:
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None
    with suppress(OSError, ValueError):
        address = (
            ipaddress.IPv6Address(plain)
            if ":" in plain
            else ipaddress.IPv4Address(socket.inet_aton(plain))
            if plain[:1].isdigit()
            else None
        )
    if isinstance(address, ipaddress.IPv6Address):
        yield str(address)
        address = address.ipv4_mapped or address
    if address is not None:
        yield str(address)
    if plain in _LOOPBACK or (address is not None and (address.is_loopback or address.is_unspecified)):
        yield from _LOOPBACK


def _in_both_scripts(plain: str) -> Iterator[str]:
    yield plain
    with suppress(UnicodeError):
        if not plain.isascii():
            yield plain.encode("idna").decode("ascii")
        elif "xn--" in plain:
            yield plain.encode("ascii").decode("idna")
