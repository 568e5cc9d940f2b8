"""The user's own rules for hosts that commands contact."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from aurora_policies.addresses import hosts_of, is_plain, names_of
from aurora_policies.effects import Effect, Rule
from aurora_policies.schema import Action
from aurora_policies.shell.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aurora_policies.schema import NetworkRule

__all__ = ["fits_address", "host_effects"]

_OF_ADDRESSES: Final = re.compile(r"(?=.*\d)[\d.*?]+")
"""A pattern such as 10.*, which is about addresses: everybody can have a name such as 10.example.org."""
_IPV4: Final = re.compile(r"\d+(?:\.\d+){3}")
_UNKNOWN_HOST: Final = Effect(
    rule=Rule.UNDECIDABLE,
    reason="contacts a host that is not known, and there are rules for hosts",
    instead="Write the host out.",
    action=Action.PROMPT,
)


def host_effects(hosts: Iterable[str], rules: tuple[NetworkRule, ...]) -> Iterator[Effect]:
    """Yields what rules object to in a command that contacts these hosts; one that is not known is a question."""
    for host in hosts if rules else ():
        known = UNKNOWN not in host
        if not known or not is_plain(host):
            yield _UNKNOWN_HOST
        for rule in rules:
            if _fits(rule, host) if known else rule.host == "*" and not rule.exclude:
                yield Effect(
                    rule=f"network: {rule.host}",
                    reason=rule.reason or f"contacts {host[:60]}, which the rule `{rule.host}` is about",
                    instead=rule.instead or "Do it without this host, or say in your answer why it is needed.",
                    action=rule.action,
                )


def fits_address(rule: NetworkRule, address: str) -> bool:
    """Tells whether a rule is about a host, or about the host of an address such as https://example.org/a."""
    return any(_fits(rule, host) for host in hosts_of(address))


def _fits(rule: NetworkRule, host: str) -> bool:
    names = names_of(host)
    return _any_fits(rule.host, names) and not any(_any_fits(pattern, names) for pattern in rule.exclude)


def _any_fits(pattern: str, names: tuple[str, ...]) -> bool:
    of_addresses = _OF_ADDRESSES.fullmatch(pattern) is not None
    return any(fnmatchcase(name, pattern) for name in names if not of_addresses or _IPV4.fullmatch(name))
