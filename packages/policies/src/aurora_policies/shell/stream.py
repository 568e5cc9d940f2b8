"""The content of a pipe or a file: a text where it is known, and whether it holds a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_policies.shell.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EMPTY", "NOT_KNOWN", "Stream", "joined"]


@dataclass(frozen=True, slots=True)
class Stream:
    """The content of a pipe or a file.

    Attributes:
        text: with UNKNOWN for parts that are not known; None if nothing of it is known.
        secret: the path of a secret that is in it; None for none.
    """

    text: str | None
    secret: str | None = None

    @property
    def known(self) -> bool:
        """All of the text is known."""
        return self.text is not None and UNKNOWN not in self.text


EMPTY: Final = Stream("")
NOT_KNOWN: Final = Stream(None)


def joined(streams: Sequence[Stream]) -> Stream:
    """Returns the content of several streams one after the other."""
    if not streams:
        return EMPTY
    if len(streams) == 1:
        return streams[0]
    secret = next((each.secret for each in streams if each.secret), None)
    texts = [each.text for each in streams]
    if any(text is None for text in texts):
        # An unknown part does not hide the known ones: a later reader shall see both.
        known = [text if text is not None else UNKNOWN for text in texts]
        return Stream("".join(known) if any(text for text in texts) else None, secret)
    return Stream("".join(text for text in texts if text is not None), secret)
