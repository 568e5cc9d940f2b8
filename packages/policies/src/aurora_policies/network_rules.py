"""The user's own rules for hosts that commands contact."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Effect, Rule
from aurora_policies.schema import Action
from aurora_policies.shell.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aurora_policies.schema import NetworkRule

__all__ = ["fits_address", "host_effects"]

_HOST_OF: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?(?://)?(?:[^/@]*@)?(\[[^\]/]*\]|[^/:?#]*).*", re.IGNORECASE | re.DOTALL
)
_UNKNOWN_HOST: Final = Effect(
    rule=Rule.UNDECIDABLE,
    reason="contacts a host that is not known, and there are rules for hosts",
    instead="Write the host out.",
    action=Action.PROMPT,
)


def host_effects(hosts: Iterable[str], rules: tuple[NetworkRule, ...]) -> Iterator[Effect]:
    """Yields what rules object to in a command that contacts these hosts; one that is not known is a question."""
    for host in hosts if rules else ():
        if UNKNOWN in host:
            yield _UNKNOWN_HOST
            continue
        for rule in rules:
            if _fits(rule, host):
                yield Effect(
                    rule=f"network: {rule.host}",
                    reason=rule.reason or f"contacts {host[:60]}, which the rule `{rule.host}` is about",
                    instead=rule.instead or "Do it without this host, or say in your answer why it is needed.",
                    action=rule.action,
                )


def fits_address(rule: NetworkRule, address: str) -> bool:
    """Tells whether a rule is about a host, or about the host of an address such as https://example.org/a."""
    plain = address if address.count(":") > 1 and "/" not in address else _host_of(address)
    return _fits(rule, plain)


def _host_of(address: str) -> str:
    found = _HOST_OF.fullmatch(address)
    return found[1] if found else address


def _fits(rule: NetworkRule, host: str) -> bool:
    names = _names(host)
    fitting = any(fnmatchcase(name, rule.host) for name in names)
    return fitting and not any(fnmatchcase(name, pattern) for name in names for pattern in rule.exclude)


def _names(host: str) -> tuple[str, ...]:
    """Returns a host as it is written and, of an address in an unusual form such as 0x7f.1, as it is usual."""
    plain = host.strip("[]").rstrip(".").lower()
    usual = plain
    with suppress(OSError, ValueError):
        usual = str(ipaddress.IPv6Address(plain)) if ":" in plain else socket.inet_ntoa(socket.inet_aton(plain))
    return tuple(dict.fromkeys((usual, plain)))
