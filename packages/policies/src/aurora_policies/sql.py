"""SQL statements that destroy data, found by their tokens, so that text in quotes and comments is no alarm."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlglot.tokenizer_core import Token
    from sqlglot.tokens import Tokenizer

__all__ = ["Destruction", "Kind", "destructions"]

MAX_TEXT: Final = 200_000
_WORTH_READING: Final = re.compile(
    r"\b(drop|truncate|delete|update|alter|replace|execute|exec|prepare|call|do|merge|program|xp_cmdshell|outfile|detach)\b",
    re.IGNORECASE,
)
_EXECUTABLE_COMMENT: Final = re.compile(r"/\*!\d*(.*?)\*/", re.DOTALL)
_LOSES_ROWS: Final = frozenset(
    {
        "TABLE",
        "TABLES",
        "DATABASE",
        "SCHEMA",
        "KEYSPACE",
        "TABLESPACE",
        "OWNED",
        "DATASET",
        "COLLECTION",
        "USER",
        "ROLE",
    }
)
_LOSES_NOTHING_IN_ALTER: Final = frozenset(
    {
        "CONSTRAINT",
        "INDEX",
        "KEY",
        "PRIMARY",
        "FOREIGN",
        "CHECK",
        "NOT",
        "DEFAULT",
        "IDENTITY",
        "EXPRESSION",
        "STATISTICS",
    }
)
_MODIFIERS: Final = frozenset(
    {"IF", "EXISTS", "TEMPORARY", "TEMP", "EXTERNAL", "FOREIGN", "TRANSIENT", "ONLY", "UNLOGGED", "HYBRID"}
)
_RUNS_TEXT: Final = frozenset(
    {"DO", "EXECUTE", "EXEC", "PREPARE", "CALL", "BEGIN", "DECLARE", "SET", "CREATE", "ALTER"}
)
_ONLY_SHOWS: Final = frozenset({"EXPLAIN", "COMMENT", "SHOW", "DESCRIBE", "DESC", "GRANT", "REVOKE"})
_ANALYZES: Final = re.compile(r"\s*\(?\s*analyze\b", re.IGNORECASE)
_NOT_A_DELETE: Final = frozenset({"ON", "AFTER", "BEFORE", "OR", ",", "GRANT", "REVOKE", "FOR", "OF", "ALL", "THEN"})
_NOT_AN_UPDATE: Final = _NOT_A_DELETE | {"DO", "KEY"}


class Kind(StrEnum):
    """The kinds of destruction by a statement."""

    DROP = "drop"
    EMPTY = "empty"
    RUNS = "runs"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destruction:
    """A statement that destroys data.

    Attributes:
        what: in words.
    """

    kind: Kind
    what: str


@cache
def _tokenizer(dialect: str) -> Tokenizer:
    from sqlglot.dialects.dialect import Dialect

    return Dialect.get_or_raise(dialect).tokenizer_class(dialect=dialect)


def destructions(text: str, dialect: str, *, runs_texts: bool = False) -> list[Destruction]:
    """Returns what the statements of a text destroy.

    Args:
        dialect: a name that sqlglot knows, such as "postgres".
        runs_texts: the texts in quotes are statements too: the body of a procedure.
    """
    if not _WORTH_READING.search(text):
        return []
    if len(text) > MAX_TEXT:
        return [Destruction(kind=Kind.UNCLEAR, what="runs SQL that is too long to be checked")]
    from sqlglot.errors import TokenError

    try:
        tokens = _tokenizer(dialect).tokenize(_EXECUTABLE_COMMENT.sub(r" \1 ", text))
    except (TokenError, ValueError, IndexError):
        return [Destruction(kind=Kind.UNCLEAR, what="runs SQL that cannot be read")]
    return list(_Reader(dialect, runs_texts=runs_texts).read(tokens))


class _Reader:
    """Reads the statements of one text."""

    def __init__(self, dialect: str, *, runs_texts: bool) -> None:
        self._dialect = dialect
        self._runs_texts = runs_texts
        self._made: set[str] = set()
        """Temporary tables that the text itself makes."""

    def read(self, tokens: Sequence[Token]) -> Iterator[Destruction]:
        """Yields what the statements destroy."""
        for statement in _statements(tokens):
            words = [_word(token) for token in statement]
            if words[0] in _ONLY_SHOWS and not _ANALYZES.match(statement[1].text if statement[1:] else ""):
                continue
            if words[0] == "CREATE" and {"TEMP", "TEMPORARY"} & set(words[:4]) and "TABLE" in words[:5]:
                self._made.add(_name_after(statement, words.index("TABLE") + 1))
            for index, word in enumerate(words):
                found = self._at(statement, words, index, word)
                if found is not None:
                    yield found
            if self._runs_texts or words[0] in _RUNS_TEXT or statement[0].token_type.name == "COMMAND":
                yield from self._inner(statement)

    def _inner(self, statement: Sequence[Token]) -> Iterator[Destruction]:
        """Reads texts that a statement runs: the body of a function, or the argument of EXECUTE."""
        for token in statement:
            if _is_text(token):
                yield from destructions(token.text, self._dialect, runs_texts=True)

    def _at(self, statement: Sequence[Token], words: list[str], index: int, word: str) -> Destruction | None:
        before = words[index - 1] if index else ""
        if word == "DROP":
            return self._drop(statement, words, index)
        if word == "TRUNCATE":
            return _truncate(words, index, before)
        if (
            word == "DELETE"
            and before not in _NOT_A_DELETE
            and words[index + 1 : index + 2] not in ([], ["ON"], [","])
        ):
            return _whole(words, index, "deletes all rows")
        return self._rarer(words, index, word, before)

    def _rarer(self, words: list[str], index: int, word: str, before: str) -> Destruction | None:
        if word == "UPDATE" and before not in _NOT_AN_UPDATE and "SET" in words[index + 2 : index + 12]:
            return _whole(words, index, "changes all rows")
        if word in {"PROGRAM", "XP_CMDSHELL"} and (before in {"FROM", "TO"} or word == "XP_CMDSHELL"):
            return Destruction(kind=Kind.RUNS, what="runs a command by SQL")
        if word == "REPLACE" and before == "OR" and "TABLE" in words[index + 1 : index + 3]:
            return Destruction(kind=Kind.EMPTY, what="replaces a table with all its rows")
        return None

    def _drop(self, statement: Sequence[Token], words: list[str], index: int) -> Destruction | None:
        at = index + 1
        while at < len(words) and words[at] in _MODIFIERS:
            at += 1
        kind = words[at] if at < len(words) else ""
        if words[0] == "ALTER" and index and kind not in _LOSES_ROWS:
            if words[1:2] == ["TABLE"] and kind and kind not in _LOSES_NOTHING_IN_ALTER and kind not in {",", ";"}:
                return Destruction(kind=Kind.DROP, what="drops a column or a part of a table")
            return None
        if kind not in _LOSES_ROWS or kind in {"USER", "ROLE"}:
            return (
                Destruction(kind=Kind.UNCLEAR, what=f"drops a {kind.lower()}") if kind in {"USER", "ROLE"} else None
            )
        name = _name_after(statement, at + 1)
        if kind == "TABLE" and name in self._made:
            return None
        return Destruction(kind=Kind.DROP, what=f"drops the {kind.lower()} {name}".rstrip())


def _statements(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    current: list[Token] = []
    for token in tokens:
        if token.text == ";" and not _is_text(token):
            if current:
                yield current
            current = []
        else:
            current.append(token)
    if current:
        yield current


def _is_text(token: Token) -> bool:
    return token.token_type.name.endswith("STRING")


def _word(token: Token) -> str:
    """Returns a token in upper case; what stands in quotes is no keyword."""
    if _is_text(token):
        return "'text'"
    return '"name"' if token.token_type.name == "IDENTIFIER" else token.text.upper()


def _name_after(statement: Sequence[Token], at: int) -> str:
    while at < len(statement) and statement[at].text.upper() in {"IF", "NOT", "EXISTS"}:
        at += 1
    return statement[at].text.lower() if at < len(statement) else ""


def _truncate(words: list[str], index: int, before: str) -> Destruction | None:
    after = words[index + 1] if index + 1 < len(words) else "("
    if after in {"(", "ON", ",", "=", "FROM", ")"} or before in {".", "AS", "SELECT"}:
        return None
    return Destruction(kind=Kind.EMPTY, what="empties a table")


def _whole(words: list[str], index: int, what: str) -> Destruction | None:
    """Tells whether a DELETE or UPDATE has no condition, or one that always holds."""
    depth, at = 0, index
    while at < len(words):
        if words[at] == "(":
            depth += 1
        elif words[at] == ")":
            depth -= 1
            if depth < 0:
                break
        elif words[at] == "WHERE" and depth == 0:
            return Destruction(kind=Kind.EMPTY, what=what) if _always(words[at + 1 :]) else None
        at += 1
    return Destruction(kind=Kind.EMPTY, what=what)


def _always(condition: list[str]) -> bool:
    end = next((i for i, word in enumerate(condition) if word in {"RETURNING", "ORDER", "LIMIT"}), len(condition))
    words = [word for word in condition[:end] if word not in {"(", ")"}]
    if words in (["TRUE"], ["1"]):
        return True
    return (len(words) == 3 and words[1] == "=" and words[0] == words[2]) or (
        words[-4:-3] == ["OR"] and words[-3] == words[-1]
    )
