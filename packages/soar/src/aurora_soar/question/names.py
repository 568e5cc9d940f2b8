"""The names in a question: files, folders, and names of code, as its words write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aurora_soar.question.intent_patterns import ABBREVIATION, STOP_WORDS, in_short

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["KIND_NOUNS", "Name", "NameSort", "files_named", "names_in"]


class NameSort(StrEnum):
    """The sort of thing that a question names."""

    FILE = "file"
    FOLDER = "folder"
    SYMBOL = "symbol"  # written like code, or called a class, a function, …
    PROPER = "proper"  # a capitalised word inside a sentence, or `Node.js`; it may be a name of the project


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name as a question writes it, without quotes and parentheses."""

    text: str
    sort: NameSort


MAX_NAMES: Final = 40
"""As many as a question has terms: each name is looked up in the project."""

KIND_NOUNS: Final = frozenset(
    "class classes function functions method methods module modules file files folder folders directory package type"  # noqa: SIM905
    " types alias constant constants variable variables attribute field enum interface struct table list value values"
    " default defined definition declared difference compare called calls caller callers test tests cover covers"
    " question answer line lines".split()
)
"""Words that a question uses to say what sort of thing it asks about; whether the code has them tells nothing."""

_CODE_NOUN: Final = (
    r"(?:class|function|method|module|constant|variable|type|alias|enum|interface|struct|decorator|attribute)"
)
_FOLDER_NOUN: Final = r"(?:folder|directory|package|subpackage)"
_QUOTED: Final = re.compile(r"`([^`\s]{1,120})`")
_PATH: Final = re.compile(
    r"(?<![\w./-])(?:[\w.-]+/)+[\w.-]*|(?<![\w./-])\.?[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{1,5}\b(?!\()"
)
# The start of a path that says nothing; `.github` says something.
_FROM_HERE: Final = re.compile(r"^(?:\.{0,2}/)+")
_ENDING: Final = re.compile(
    r"\.(?:py|pyi|js|jsx|mjs|cjs|ts|tsx|go|rs|java|kt|c|h|cc|cpp|hpp|cs|rb|php|swift|scala|sh|sql|lua|ex|exs|hs|vue"
    r"|md|rst|txt|toml|ya?ml|json|cfg|ini|html|css)$"
)
# Libraries are named like files. A folder before it, or quotes around it, tell a file.
_LIBRARY: Final = re.compile(r"[A-Z]\w*\.js")
_FOLDERS: Final = (
    re.compile(rf"\b{_FOLDER_NOUN}\s+`?([\w./-]+)", re.IGNORECASE),
    re.compile(rf"(?<![\w./-])([\w./-]+)`?\s+{_FOLDER_NOUN}\b", re.IGNORECASE),
)
_CALLED: Final = (
    re.compile(rf"\b{_CODE_NOUN}\s+`?([A-Za-z_][\w.]*)"),
    re.compile(rf"\b([A-Za-z_][\w.]*)`?\s+{_CODE_NOUN}\b"),
)
_CODE_LIKE: Final = re.compile(
    r"(?<![\w.])(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|\w*_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z0-9]+[A-Z]\w*|[A-Z]{2,}[a-z]\w*)"
    r"|(?<![\w.])[A-Za-z_][\w.]*(?=\(\))"
)
_CAPITALISED: Final = re.compile(r"(?<=[\w,;:)] )(?:the |an? )?[\"“']?([A-Z][\w-]*)")
_SHOUTED: Final = re.compile(r"(?<![\w.])[A-Z][A-Z0-9]+(?![\w.])")


def names_in(text: str) -> tuple[Name, ...]:
    """Returns the first names in a text, each once, the surest first: paths, folders, symbols, then proper nouns."""
    found: dict[str, Name] = {}
    short = in_short(text)
    for written, sort in (*_paths(short), *_symbols(short), *_proper(short)):
        if len(found) == MAX_NAMES:
            break
        name = _FROM_HERE.sub("", written.removesuffix("()").strip(",;:?!'\"")).rstrip("./")
        whole = sort in (NameSort.FILE, NameSort.FOLDER)
        ordinary = name.lower() in STOP_WORDS or (not whole and name.lower() in KIND_NOUNS)
        part = not whole and any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", other) for other in found)
        if name and not ordinary and not part:
            found[name] = Name(text=name, sort=sort)
    return tuple(found.values())


def files_named(path: str, files: Sequence[str]) -> list[str]:
    """Returns those of some files that a path stands for, which may leave out folders at its start."""
    return [file for file in files if file == path or file.endswith(f"/{path}")]


def _paths(text: str) -> Iterator[tuple[str, NameSort]]:
    for match in _PATH.finditer(text):
        path = match.group().rstrip(".")
        if _LIBRARY.fullmatch(path):
            yield path, NameSort.PROPER
        elif _ENDING.search(path):
            yield path, NameSort.FILE
        elif "/" in path:
            yield path.rstrip("/"), NameSort.FOLDER
    for pattern in _FOLDERS:
        yield from ((match.group(1).rstrip("/."), NameSort.FOLDER) for match in pattern.finditer(text))


def _symbols(text: str) -> Iterator[tuple[str, NameSort]]:
    for match in _QUOTED.finditer(text):
        yield match.group(1), NameSort.FILE if _ENDING.search(match.group(1)) else NameSort.SYMBOL
    for match in _CODE_LIKE.finditer(text):
        if not ABBREVIATION.fullmatch(match.group()):
            yield match.group(), NameSort.SYMBOL
    for match in (match for pattern in _CALLED for match in pattern.finditer(text)):
        name = match.group(1)
        if name != name.lower() and not _starts_sentence(text, match.start(1)):
            yield name, NameSort.SYMBOL


def _proper(text: str) -> Iterator[tuple[str, NameSort]]:
    for pattern, group in ((_CAPITALISED, 1), (_SHOUTED, 0)):
        for match in pattern.finditer(text):
            if not ABBREVIATION.match(text, match.start(group)):
                yield match.group(group), NameSort.PROPER


def _starts_sentence(text: str, at: int) -> bool:
    return not text[:at].strip() or text[:at].rstrip()[-1] in ".!?"
