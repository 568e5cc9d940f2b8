"""Options and operands of a command's arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["Arguments", "after_options", "arguments"]

_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The arguments of a command, sorted.

    Attributes:
        options: names with dashes and values; of a cluster `-rf` each letter by itself.
        operands: what is no option, in order.
        unclear: an argument may be an option, any number of words, or both.
    """

    options: tuple[tuple[str, Word | None], ...]
    operands: tuple[Word, ...]
    unclear: bool

    def has(self, *names: str) -> bool:
        """One of the options is given; a long one may be shortened as far as `--` and four letters."""
        return any(_same(given, name) for given, _value in self.options for name in names)

    def values(self, *names: str) -> tuple[Word, ...]:
        """Returns the values that are given for one of the options."""
        return tuple(
            value for given, value in self.options if value is not None and any(_same(given, name) for name in names)
        )


def _same(given: str, name: str) -> bool:
    return given == name or (len(given) >= 5 and given.startswith("--") and name.startswith(given))


def arguments(
    words: Sequence[Word],
    *,
    valued: Collection[str] = _NONE,
    single_dash: bool = False,
    stop_at_operand: bool = False,
) -> Arguments:
    """Sorts the arguments of a command.

    Args:
        words: without the name of the command.
        valued: options that have a value in the next word, or in the rest of their own.
        single_dash: one dash begins a long option, as in `find -name`.
        stop_at_operand: what stands behind the first operand is an operand too.
    """
    options: list[tuple[str, Word | None]] = []
    operands: list[Word] = []
    unclear = False
    at = 0
    while at < len(words):
        word = words[at]
        text = word.text
        at += 1
        if text == "--":
            operands.extend(words[at:])
            break
        unclear = unclear or text[:1] == UNKNOWN or word.splits
        if len(text) < 2 or text[0] != "-":
            operands.append(word)
            if stop_at_operand:
                operands.extend(words[at:])
                break
            continue
        name, value, takes_next = _option(text, valued, single_dash=single_dash, options=options)
        if takes_next and at < len(words):
            value = words[at]
            at += 1
        options.append((name, value))
    unclear = unclear or any(word.splits for word in words)
    return Arguments(options=tuple(options), operands=tuple(operands), unclear=unclear)


def _option(
    text: str, valued: Collection[str], *, single_dash: bool, options: list[tuple[str, Word | None]]
) -> tuple[str, Word | None, bool]:
    """Returns an option, the value that is in its word, and whether the next word is its value."""
    if text.startswith("--") or single_dash:
        name, equals, value = text.partition("=")
        if equals:
            return name, Word(value), False
        return text, None, text in valued
    for index in range(1, len(text)):
        name = f"-{text[index]}"
        if name in valued:
            rest = text[index + 1 :]
            return name, Word(rest.removeprefix("=")) if rest else None, not rest
        if index < len(text) - 1:
            options.append((name, None))
    return f"-{text[-1]}", None, False


def after_options(
    words: Sequence[Word], *, valued: Collection[str] = _NONE, operands: int = 0, assignments: bool = False
) -> tuple[Word, ...]:
    """Returns the command that a wrapper starts: what stands behind its options and its own operands.

    Args:
        operands: the number of operands that are the wrapper's own.
        assignments: words such as `A=1` are the wrapper's own.
    """
    at = 0
    while at < len(words):
        text = words[at].text
        if text == "--":
            at += 1
            break
        if len(text) > 1 and text[0] == "-":
            at += 1 if not _takes_next(text, valued) else 2
        elif assignments and "=" in text and not text.startswith("="):
            at += 1
        else:
            break
    return tuple(words[at + operands :])


def _takes_next(text: str, valued: Collection[str]) -> bool:
    if text.startswith("--") or text in valued:
        return text in valued
    return any(f"-{letter}" in valued for letter in text[-1:]) and not any(
        f"-{each}" in valued for each in text[1:-1]
    )
