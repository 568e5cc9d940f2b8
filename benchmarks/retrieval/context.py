"""What of an answer fits into an agent's context: an agent pays for every token that it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# So many pieces fill 8,000 tokens, unless they are very short.
PIECES = 60
BUDGETS = (2000, 8000)
# Of code and English, a token is some four characters.
CHARACTERS = 4


@dataclass(frozen=True)
class Piece:
    """A run of lines that was found."""

    file: str
    name: str
    line: int
    text: str


@dataclass(frozen=True)
class Answer:
    """What a system answers; without a ranking of files, that of the pieces counts."""

    pieces: Sequence[Piece]
    files: Sequence[str]


@dataclass(frozen=True)
class Context:
    """Recall within each budget."""

    recall: tuple[float, ...]

    def __str__(self) -> str:
        return " / ".join(f"{share:.3f}" for share in self.recall)


def files_of(pieces: Sequence[Piece]) -> list[str]:
    return list(dict.fromkeys(piece.file for piece in pieces))


def context_of(pieces: Sequence[Piece], gold: Sequence[str]) -> Context:
    """Returns the shares of the wanted files or functions among the first pieces that fit into the budgets.

    A piece that does not fit ends the context, as it would be cut there.
    """
    shares = []
    for budget in BUDGETS:
        left = budget * CHARACTERS
        found: set[str] = set()
        for piece in pieces:
            left -= len(f"{piece.file}:{piece.line} {piece.name}\n{piece.text}\n")
            if left < 0:
                break
            found |= {piece.file, f"{piece.file}:{piece.name}"}
        shares.append(len(found.intersection(gold)) / len(gold))
    return Context(tuple(shares))


def mean_context(values: Sequence[Context]) -> Context:
    return Context(tuple(sum(shares) / len(values) for shares in zip(*(v.recall for v in values), strict=True)))
