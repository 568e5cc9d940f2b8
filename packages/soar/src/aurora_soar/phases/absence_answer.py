"""Sentences of an answer about names and words that the code of a project does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_soar.question.presence import Presence


def absence_said(presence: Presence) -> str:
    """Returns what is not in the project or in its index, with the closest name that is."""
    unindexed = ", ".join(f"`{name}`" for name in presence.unindexed)
    unread, left_out = (_with_places(names) for names in (presence.on_disk.unread, presence.on_disk.left_out))
    told = [
        f"Not indexed: {unindexed}; `aur mem index` adds new files, `aur mem stats` says what is left out and why."
        if unindexed
        else "",
        f"Not in the index: {unread}; `aur mem index` brings it up to date." if unread else "",
        f"Left out of the index: {left_out}; `aur mem stats` says what is left out and why." if left_out else "",
    ]
    words = [*(f"`{name}`" for name in presence.names if name in presence.missing), *presence.words]
    return " ".join([*filter(None, told), *([_not_found(words, presence)] if words or not any(told) else [])])


def _with_places(names: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}` (`{at}`)" for name, at in names.items())


def _not_found(words: Sequence[str], presence: Presence) -> str:
    return f"Not found in this project's code: {', '.join(words)}{only_elsewhere(presence)}.{_similar(presence)}"


def only_elsewhere(presence: Presence) -> str:
    """Returns where documents or tests mention what the code does not."""
    if not presence.elsewhere:
        return ""
    places = ", ".join(f"`{at}`" for at in presence.elsewhere.values())
    return f" (only documents and tests mention {' and '.join(presence.elsewhere)}: {places})"


def _similar(presence: Presence) -> str:
    found = [f"`{near.name}` (`{near.file}:{near.line}`)" for near in presence.nearest.values()]
    return f" The most similar name is {', '.join(found)}." if found else ""
