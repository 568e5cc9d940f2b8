"""Finds the hosts that a git command contacts: those in its words, and those of the remotes in its settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_policies.addresses import bare_hosts, hosts_of, is_address
from aurora_policies.programs.arguments import arguments
from aurora_policies.shell.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aurora_policies.repository import Repository
    from aurora_policies.shell.words import Word

__all__ = ["contacted_by_git"]

_GLOBAL: Final = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"})
_VALUED: Final[Mapping[str, frozenset[str]]] = {
    "clone": frozenset(
        {"-b", "--branch", "-o", "--origin", "-u", "--upload-pack", "--depth", "-c", "--config", "-j"}
    ),
    "fetch": frozenset({"--depth", "--upload-pack", "-o", "--server-option", "-j", "--jobs", "--refmap"}),
    "pull": frozenset({"--depth", "--upload-pack", "-o", "-s", "-X", "-j", "--jobs"}),
    "push": frozenset({"-o", "--push-option", "--receive-pack", "--exec", "--repo"}),
    "ls-remote": frozenset({"--upload-pack", "--exec", "-o", "--server-option"}),
    "remote": frozenset({"-t", "-m"}),
    "submodule": frozenset({"-b", "--branch", "--name", "--reference", "--depth", "-j", "--jobs"}),
    "archive": frozenset({"--remote", "-o", "--output", "--format", "--prefix", "--exec"}),
}
"""The subcommands that contact a host that is not always in their words, and their options with values."""
_OF_REMOTES: Final = frozenset({"fetch", "pull", "push", "ls-remote"})
_OF_PLACES: Final = frozenset({"clone", "remote", "submodule"})
"""Subcommands of which each operand may be a place; of the others, `HEAD:main` is a branch, and `HEAD:a` a file."""
_SPOKEN: Final = frozenset(
    {
        *("add", "am", "blame", "branch", "checkout", "commit", "commit-tree", "diff", "format-patch", "grep", "log"),
        *(
            "merge",
            "notes",
            "rebase",
            "rev-list",
            "rev-parse",
            "revert",
            "shortlog",
            "show",
            "stash",
            "status",
            "tag",
        ),
    }
)
"""Subcommands for which an address is only text."""
_LEADS: Final = re.compile(
    r"(?:https?\..*proxy|core\.gitproxy|(?:remote|submodule)\..*\.(?:url|pushurl|proxy)|url\..*)"
)
_PLACE: Final = re.compile(r"((?:[^/:@]+@)?(?:\[[^\]]+\]|[^/:]+)):(?!:)")
_REWRITES: Final = re.compile(r"url\.(.+)\.(push)?insteadof")


def contacted_by_git(words: Sequence[Word], repository: Repository) -> Iterator[str]:
    """Yields the hosts that a git command contacts; one that is not known holds the mark of what is not.

    Args:
        words: its arguments.
        repository: that it runs in.
    """
    given = arguments(words, valued=_GLOBAL, stop_at_operand=True)
    if not given.operands:
        return
    subcommand, rest = given.operands[0].text, given.operands[1:]
    own = arguments(rest, valued=_VALUED.get(subcommand, frozenset()))
    set_here = [word.text.partition("=") for word in (*given.values("-c"), *own.values("-c", "--config"))]
    changes = {_key(name): value for name, _equals, value in set_here}
    operands = [word.text for word in own.operands]
    if subcommand == "config" and len(operands) > 1:
        key, value = operands[-2:]
        yield from _of_setting(_key(key), value)
    for key, value in changes.items():
        yield from _of_setting(key, value)
    if subcommand in _SPOKEN or subcommand == "config":
        return
    settings = {**repository.settings, **changes}
    values = [word.text for name, word in own.options if word is not None and name not in {"-c", "--config"}]
    addresses = [text for text in (*operands, *values) if is_address(text)]
    if subcommand in _VALUED:
        remotes = own.values("--remote", "--repo")
        if subcommand in _OF_PLACES:
            addresses += [text for text in operands if not is_address(text) and _PLACE.match(text)]
        addresses += [text for word in remotes for text in _urls(word.text, settings, push=False)]
        addresses += _of_remotes(subcommand, operands, own.has("--all", "--multiple"), repository, settings)
    for text in addresses:
        yield from _hosts(_rewritten(text, settings, push=subcommand == "push"))


def _key(name: str) -> str:
    """Returns the name of a setting with its section and its last part in lower case, as git takes it."""
    section, dot, rest = name.partition(".")
    middle, dot_too, last = rest.rpartition(".")
    return f"{section.lower()}{dot}{middle}{dot_too}{last.lower()}"


def _of_setting(key: str, value: str) -> Iterator[str]:
    if not _LEADS.fullmatch(key):
        return
    rewrites = _REWRITES.fullmatch(key)
    yield from bare_hosts(value) if "proxy" in key else _hosts(rewrites[1] if rewrites else value)


def _of_remotes(
    subcommand: str, operands: Sequence[str], several: bool, repository: Repository, settings: Mapping[str, str]
) -> Iterator[str]:
    """Yields the addresses of the remotes, or of the submodules, that a subcommand contacts."""
    push = subcommand == "push"
    if subcommand == "submodule":
        yield from (value for key, value in settings.items() if re.fullmatch(r"submodule\..*\.url", key))
        return
    if subcommand == "remote":
        if operands[:1] not in (["update"], ["show"], ["prune"]):
            return
        names: Iterable[str] = operands[1:] or (_names(settings) if operands[0] == "update" else ())
    elif subcommand in _OF_REMOTES:
        names = operands[:1] or [_default(repository, settings, push=push)]
        if several and not push:
            names = operands or _names(settings)
    else:
        return
    for name in names:
        for each in settings.get(f"remotes.{name.lower()}", name).split():  # the remotes of a group, or one
            yield from _urls(each, settings, push=push)


def _names(settings: Mapping[str, str]) -> list[str]:
    found = (re.fullmatch(r"remote\.(.*)\.url", key) for key in settings)
    return [each[1] for each in found if each]


def _default(repository: Repository, settings: Mapping[str, str], *, push: bool) -> str:
    """Returns the remote that a command without one contacts: the only one, whatever its name, or `origin`."""
    own = f"branch.{repository.branch}"
    keys = (f"{own}.pushremote", "remote.pushdefault", f"{own}.remote") if push else (f"{own}.remote",)
    names = _names(settings)
    return next((settings[key] for key in keys if settings.get(key)), names[0] if len(names) == 1 else "origin")


def _urls(name: str, settings: Mapping[str, str], *, push: bool) -> Iterator[str]:
    """Yields the address of a remote, or a text that may be one itself."""
    if UNKNOWN in name:
        yield UNKNOWN
        return
    address = settings.get(f"remote.{name}.url", name)
    yield (settings.get(f"remote.{name}.pushurl") or address) if push else address


def _rewritten(address: str, settings: Mapping[str, str], *, push: bool) -> str:
    """Returns an address as the settings `url.….insteadOf` change it; the longest beginning counts."""
    rewrites = [(value, found) for key, value in settings.items() if (found := _REWRITES.fullmatch(key)) and value]
    fitting = [(value, found[1]) for value, found in rewrites if address.startswith(value) and (push or not found[2])]
    before, instead = max(fitting, key=lambda each: len(each[0]), default=("", ""))
    return instead + address[len(before) :]


def _hosts(address: str) -> Iterator[str]:
    """Yields the hosts of an address, of which a folder has none."""
    place = _PLACE.match(address)
    if is_address(address):
        yield from hosts_of(address)
    elif place is not None:
        yield from hosts_of(place[1])
    elif address[:1] == UNKNOWN:
        yield UNKNOWN
