"""The words of a question that the project's code does not have.

Docs, change logs, licences and tests may mention what the code does not do; they are named, but do not count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from aurora_core.file_kinds import is_source, is_test_file
from aurora_core.index.abbreviations import RELATED
from aurora_core.tokens import terms
from aurora_core.tokens import words as name_parts
from aurora_soar.question.names import KIND_NOUNS, NameSort, files_named, names_in
from aurora_soar.question.on_disk import OnDisk, names_on_disk
from aurora_soar.question.spelling import spellings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_core.search import Rarity
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.names import Name
    from aurora_soar.question.question import Question

__all__ = ["ALL_PRESENT", "Nearest", "Presence", "find_presence"]

# Of 66 questions with and without an answer on two code bases, none with an answer and without a missing name misses
# more than 0.41 of its weight, and none without an answer less than 0.84.
DECISIVE_SHARE: Final = 0.5
_VERB_LIKE: Final = re.compile(r"(?:ed|ing|en)$|^(?:set|kept|built|bound|held|made|put|read|run|sent|spent)$")
NEAR: Final = 0.72
MAX_ELSEWHERE: Final = 2
ELSEWHERE_SEARCHED: Final = 20
# Each is compared with every name of the project.
MAX_NEAREST: Final = 3
_PATHS: Final = (NameSort.FILE, NameSort.FOLDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """A name of the project that resembles one that it does not have, and where it is defined."""

    name: str
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """The names and words of a question that are not in the code.

    Attributes:
        names: names, files and folders that do not exist.
        words: other content words that no code mentions, in the question's order.
        decisive: True if so much is missing that the answer must begin with it.
        share: the share of the question's weight that names and words have together, 0 to 1.
        elsewhere: the documents or tests that mention such a word, by word, as `file:line`.
        nearest: names of the project that resemble a missing one, by the missing one.
        unindexed: those of the names that are files or folders on disk, which the memory leaves out.
        on_disk: missing names of code that files on disk have.
    """

    names: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    decisive: bool = False
    share: float = 0.0
    elsewhere: Mapping[str, str]
    nearest: Mapping[str, Nearest]
    unindexed: tuple[str, ...] = ()
    on_disk: OnDisk = field(default_factory=OnDisk)

    @property
    def missing(self) -> tuple[str, ...]:
        """All that is missing, names first; what is on disk is not."""
        there = {*self.unindexed, *self.on_disk.unread, *self.on_disk.left_out}
        return (*(name for name in self.names if name not in there), *self.words)


ALL_PRESENT: Final = Presence(elsewhere={}, nearest={})
"""Nothing is missing."""


def find_presence(memory: SoarMemory, question: Question, focus: Focus) -> Presence:
    """Looks for every name and content word of a question in the code."""
    files = memory.files()
    named = names_in(question.focus if question.language else question.text)
    rarity = memory.rarity(_all_terms(question, named))
    names = tuple(name.text for name in named if _is_missing(memory, name, files, rarity))
    lowered = {part for name in names for part in (name.lower(), *re.split(r"\W+", name.lower()))}
    words = tuple(
        word
        for word in question.terms
        if word.lower() not in lowered
        and word.lower() not in KIND_NOUNS
        and not _in_code(word, rarity)
        and not any(word.lower() in name.text.lower() for name in named)
    )
    missing = {word for word in question.terms if word in words or word.lower() in lowered}
    share = min(1.0, sum(focus.weights.get(word, 0.0) for word in missing))
    unindexed = tuple(n.text for n in named if n.text in names and n.sort in _PATHS and _is_on_disk(memory, n.text))
    lacking = [name for name in names if name not in unindexed]
    symbols = [name.text for name in named if name.text in lacking and name.sort is NameSort.SYMBOL]
    return Presence(
        names=names,
        words=words,
        decisive=_is_decisive(question, named, names, words, share),
        share=share,
        elsewhere=_elsewhere(memory, lacking, words, rarity),
        nearest=_nearest(memory, named, lacking, files),
        unindexed=unindexed,
        on_disk=names_on_disk(memory, symbols),
    )


def _is_decisive(
    question: Question, named: Sequence[Name], names: Sequence[str], words: Sequence[str], share: float
) -> bool:
    """Returns True if a name of code is missing, or, where no code is named, a proper noun or the subject."""
    of_code = [name.text for name in named if name.sort is not NameSort.PROPER]
    if any(name in names for name in of_code):
        return True
    if of_code:
        return False  # with what the question names at hand, other words may be the user's own
    return bool(names) or (share >= DECISIVE_SHARE and _are_the_subject(words, question))


def _are_the_subject(missing: Sequence[str], question: Question) -> bool:
    """Returns True if missing words are half of a question or more; a single verb of the user's own does not count.

    In a small project a word that is missing weighs far more than those that are there.
    """
    return 2 * len(missing) >= len(question.terms) and (len(missing) > 1 or not _VERB_LIKE.search(missing[0]))


def _all_terms(question: Question, named: Sequence[Name]) -> set[str]:
    found = {term for word in (*question.terms, *(n.text for n in named)) for term in terms(word)}
    found |= {other for word in question.terms for spelled in spellings(word) for other in terms(spelled)}
    return found | {related for term in set(found) for related in RELATED.get(term, ())}


def _in_code(word: str, rarity: Rarity) -> bool:
    """Returns True if code has a word, in another spelling, or as its usual short form."""
    own = terms(word)
    if own and all(rarity.in_code.get(term, 0) for term in own):
        return True
    spelled = (terms(other) for other in spellings(word))
    if any(each and all(rarity.in_code.get(term, 0) for term in each) for each in spelled):
        return True
    return len(own) == 1 and any(rarity.in_code.get(term, 0) for term in RELATED.get(own[0], ()))


def _is_missing(memory: SoarMemory, name: Name, files: Sequence[str], rarity: Rarity) -> bool:
    if name.sort is NameSort.FILE:
        return not files_named(name.text, files) and not _is_mentioned(memory, name.text)
    if name.sort is NameSort.FOLDER:
        return not any(f"/{name.text}/" in f"/{file}" for file in files) and not _in_code(name.text, rarity)
    if name.sort is NameSort.SYMBOL:
        return not _is_written(memory, name.text.rpartition(".")[2])
    # Code that knows the library Node.js may call it by its first word.
    word, dot, _ = name.text.partition(".")
    return bool(terms(word)) and not _in_code(word, rarity) and not (dot and files_named(name.text, files))


def _is_mentioned(memory: SoarMemory, path: str) -> bool:
    """Returns True if code names a file that the project itself does not have, such as the user's settings."""
    written = re.compile(rf"(?<![\w.-]){re.escape(path)}(?!\w)")
    files = (file for file in memory.files_with(path) if not is_test_file(file) and is_source(file))
    return any(written.search(memory.text(file) or "") for file in files)


def _is_written(memory: SoarMemory, name: str) -> bool:
    """Returns True if code writes a name, alone or in a longer one, in any case: `web_socket` for `WebSocket`."""
    parts = name_parts(name)
    if not parts:
        return True
    wanted = name.lower().replace("_", "")
    # As one word, or in its parts.
    having = dict.fromkeys((*memory.files_with(wanted), *memory.files_with(" ".join(parts))))
    files = (file for file in having if not is_test_file(file) and is_source(file))
    return any(wanted in (memory.text(file) or "").lower().replace("_", "") for file in files)


def _is_on_disk(memory: SoarMemory, path: str) -> bool:
    try:
        full = (memory.root / path).resolve()
        return full.is_relative_to(memory.root) and full.exists()
    except (OSError, ValueError):
        return False  # no such name is possible here


def _elsewhere(memory: SoarMemory, names: Sequence[str], words: Sequence[str], rarity: Rarity) -> dict[str, str]:
    """Returns the first document or test that mentions a missing name as it is written, or a word in any form."""
    found: dict[str, str] = {}
    for word in (*names, *words):
        wanted = set(terms(word))
        if len(found) == MAX_ELSEWHERE or not wanted or any(rarity.unknown(term) for term in wanted):
            continue
        as_written = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
        for hit in memory.search(word, limit=ELSEWHERE_SEARCHED, record=False):
            if is_source(hit.file) and not is_test_file(hit.file):
                continue
            lines = enumerate(hit.content.split("\n"), start=hit.line_start)
            says = (
                at for at, line in lines if as_written.search(line) or (word in words and wanted <= set(terms(line)))
            )
            if (line_number := next(says, None)) is not None:
                found[word] = f"{hit.file}:{line_number}"
                break
    return found


def _nearest(
    memory: SoarMemory, named: Sequence[Name], missing: Sequence[str], files: Sequence[str]
) -> dict[str, Nearest]:
    found: dict[str, Nearest] = {}
    asked = [name for name in named if name.text in missing and name.sort is not NameSort.PROPER]
    symbols = memory.names() if any(name.sort is NameSort.SYMBOL for name in asked) else []
    bases = {PurePosixPath(file).name: file for file in reversed(files)} if asked else {}
    for name in asked[:MAX_NEAREST]:
        if name.sort in _PATHS:
            close = get_close_matches(PurePosixPath(name.text).name, list(bases), n=1, cutoff=NEAR)
            if close:
                found[name.text] = Nearest(name=bases[close[0]], file=bases[close[0]], line=1)
        else:
            close = get_close_matches(name.text.rpartition(".")[2], symbols, n=1, cutoff=NEAR)
            defined = memory.definitions(close[0], limit=1) if close else []
            if defined:
                found[name.text] = Nearest(name=defined[0].name, file=defined[0].file, line=defined[0].line_start)
    return found
