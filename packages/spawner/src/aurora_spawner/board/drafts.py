"""Requests to post on a board: read strictly, and refused with a reason if they are no post."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import PostRefusedError
from aurora_spawner.gates.masking import masked
from aurora_spawner.tasks.posts import EVERYBODY, PostKind, Recipient

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

TEXT_LIMIT: Final = 4_000
"""The most characters of a post; an agent reads it in its prompt."""
KEY_LIMIT: Final = 100
ALL: Final = "all"
_NAMED: Final = 10
"""Tasks and agents that a refusal names."""
_JOINERS: Final = "\u200c\u200d"
"""Format characters that scripts and emoji need; every other one is invisible or turns the text around."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A post that is not on the board yet."""

    kind: PostKind
    text: str
    to: Recipient
    key: str
    """The name that its sender gave it: sent again, it is the same post."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The tasks and agents of a run, by id and name."""

    tasks: Collection[str]
    agents: Collection[str]


def read_draft(request: Mapping[str, Any], addresses: Addresses) -> Draft:
    """Returns the post that a request asks for; the text has no control characters and no keys any longer.

    Args:
        addresses: Those that a post can be for.

    Raises:
        PostRefusedError: It is no post, or for nobody of the run.
    """
    kind, text, key = request.get("kind", PostKind.FACT.value), request.get("text"), request.get("key")
    if kind not in list(PostKind):
        raise PostRefusedError("kind", f"a post is one of {', '.join(PostKind)}")
    if not isinstance(text, str) or not text.strip():
        raise PostRefusedError("empty", "a post is a text")
    if not isinstance(key, str) or not 0 < len(key) <= KEY_LIMIT:
        raise PostRefusedError("key", f"a post has a key of 1 to {KEY_LIMIT} characters, which no other post has")
    to = recipient(request.get("to", ALL), addresses)
    return Draft(kind=PostKind(kind), text=checked_text(text), to=to, key=key)


def checked_text(text: str) -> str:
    """Returns the text of a post as it is kept: what controls a terminal or cannot be seen is spelt out.

    Raises:
        PostRefusedError: It is too long.
    """
    if len(text) <= TEXT_LIMIT:
        clean = masked(_spelt_out(text.strip()))
        if len(clean) <= TEXT_LIMIT:
            return clean
    raise PostRefusedError(
        "too_long", f"a post has at most {TEXT_LIMIT:,} characters; put the rest in a file and name the file"
    )


def recipient(name: object, addresses: Addresses) -> Recipient:
    """Returns whom a name means: all, a task, or else an agent.

    Raises:
        PostRefusedError: There is nobody of that name.
    """
    if name == ALL:
        return EVERYBODY
    if isinstance(name, str):
        if name in addresses.tasks:
            return Recipient(task=name)
        agent = name.removeprefix("@")
        if agent in addresses.agents:
            return Recipient(agent=agent)
    known = [ALL, *list(addresses.tasks)[:_NAMED], *(f"@{each}" for each in list(addresses.agents)[:_NAMED])]
    raise PostRefusedError("recipient", f"a post is for all, a task or an agent of its run: {', '.join(known)}, …")


def _spelt_out(text: str) -> str:
    return "".join(map(_shown, text.replace("\r\n", "\n")))


def _shown(character: str) -> str:
    if character in "\n\t" or character in _JOINERS or unicodedata.category(character) not in _UNSEEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
