"""The code that a question names: files, folders and symbols, each with a summary of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from aurora_core import Reference, SymbolType
from aurora_core.file_kinds import is_document, is_test_file
from aurora_soar.evidence.code_prose import PROSE_SUFFIXES, sentences
from aurora_soar.evidence.evidence import Finding, FindingKind
from aurora_soar.local_agent.bindings import bindings_in, find_binding
from aurora_soar.local_agent.definitions import NAMED_SYMBOLS, definition_finding, reference_finding
from aurora_soar.question.names import NameSort, files_named, names_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core import Hit
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.names import Name

__all__ = ["MEMBERS_SHOWN", "Subject", "defined_as", "find_examples", "find_subjects", "summary_of"]

MAX_SUBJECTS: Final = 4
MAX_SAME_NAME: Final = 4
MEMBERS_SHOWN: Final = 12
FILES_SHOWN: Final = 24
USES_SHOWN: Final = 4
NAMES_SHOWN: Final = 5
MAX_MENTIONS: Final = 400
# The file that says what its folder is for.
_ENTRY_FILES: Final = ("README.md", "__init__.py", "index.js", "index.ts", "mod.rs", "lib.rs", "doc.go")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The file, folder or definitions that a name of the question stands for.

    Attributes:
        hits: definitions of a symbol, best first; none for files and folders.
        files: the file, or the files of a folder in the order to show; none for a symbol.
    """

    name: str
    sort: NameSort
    hits: tuple[Hit, ...] = ()
    files: tuple[str, ...] = ()


def find_subjects(memory: SoarMemory, words: str) -> list[Subject]:
    """Returns the names in some words that the project has, at most four, in their order of certainty."""
    files = memory.files()
    found = (_subject(memory, name, files) for name in names_in(words))
    distinct = {(s.sort, s.files, tuple(h.chunk_id for h in s.hits)): s for s in found if s is not None}
    return list(distinct.values())[:MAX_SUBJECTS]


def _subject(memory: SoarMemory, name: Name, files: Sequence[str]) -> Subject | None:
    if name.sort is NameSort.FILE or (name.sort is NameSort.PROPER and "." in name.text):
        same = files_named(name.text, files)
        best = sorted(same, key=lambda file: (is_test_file(file), is_document(file), file.count("/")))
        if best:
            return Subject(name=name.text, sort=NameSort.FILE, files=tuple(best[:1]))
    if name.sort is NameSort.FOLDER:
        return _folder(name.text, files)
    hits = defined_as(memory, name.text)
    return Subject(name=name.text, sort=NameSort.SYMBOL, hits=tuple(hits)) if hits else None


def _folder(folder: str, files: Sequence[str]) -> Subject | None:
    inside = [file for file in files if f"/{folder}/" in f"/{file}"]
    if not inside:
        return None
    tops = sorted(
        {file[: f"/{file}".index(f"/{folder}/") + len(folder)] for file in inside}, key=lambda t: (t.count("/"), t)
    )
    top = min(tops, key=lambda t: (is_test_file(f"{t}/x"), t.count("/")))
    own = [file for file in inside if file.startswith(f"{top}/")]
    own.sort(key=lambda file: (file.count("/"), file.rpartition("/")[2] not in _ENTRY_FILES, is_document(file), file))
    return Subject(name=top, sort=NameSort.FOLDER, files=tuple(own))


def defined_as(memory: SoarMemory, name: str) -> list[Hit]:
    """Returns the definitions and bindings of a name, code before tests, as it is written."""
    found = [hit for hit in memory.definitions(name, limit=40) if hit.symbol_type in NAMED_SYMBOLS]
    found = [hit for hit in found if hit.name.endswith(name)]
    owner, _, short = name.rpartition(".")
    if owner and all(is_test_file(hit.file) for hit in found):
        # An object may be called as its class: `reply.send` of `Reply.send`.
        alike = [hit for hit in memory.definitions(short, limit=40) if hit.name.lower().endswith(name.lower())]
        found = [hit for hit in alike if not is_test_file(hit.file)] or found
    if not found and owner and memory.definitions(owner, limit=1):
        found = [
            hit for hit in memory.definitions(short, limit=40) if hit.symbol_type in NAMED_SYMBOLS and "." in hit.name
        ]
    if not found and owner:
        found = [hit for hit in memory.definitions(short, limit=40) if _is_in_module(hit, owner)]
    if not found:
        found = find_binding(memory, name)
    found.sort(key=lambda hit: (is_test_file(hit.file), is_document(hit.file), "." in hit.name, -_length(hit)))
    code = [hit for hit in found if not is_test_file(hit.file)]
    return (code or found)[:MAX_SAME_NAME]


def _is_in_module(hit: Hit, module: str) -> bool:
    """Returns True for a function or class at the top of a module, or of a file of a package, of that name."""
    parts = f"{hit.file.rpartition('.')[0]}".split("/")
    return hit.symbol_type in NAMED_SYMBOLS and "." not in hit.name and module.rpartition(".")[2] in parts


def find_examples(memory: SoarMemory, places: Sequence[Finding]) -> list[Finding]:
    """Returns the shortest class that extends the class of a place, or its parent's: the example to follow."""
    found = [hit for place in places for hit in _relatives(memory, place)]
    shortest = sorted(found, key=_length)[:1]
    return [definition_finding(hit, FindingKind.EXAMPLE, about=hit.name) for hit in shortest]


def _relatives(memory: SoarMemory, place: Finding) -> Iterator[Hit]:
    parents = [place.symbol.partition(".")[0], *_PARENTS.findall(place.text)]
    for parent in parents:
        children = [
            hit
            for reference in memory.mentions(parent, limit=MAX_MENTIONS, tests=False)
            if _EXTENDS.match(reference.text)
            for hit in memory.definitions(reference.name, limit=1)
            if hit.file == reference.file and hit.name not in (parent, place.symbol)
        ]
        yield from children
        if children:
            return


_EXTENDS: Final = re.compile(
    r"(?:export\s+|default\s+|public\s+|abstract\s+|final\s+)*class\s+\w+\s*(?:\(|extends|:|<)"
)
_PARENTS: Final = re.compile(r"^class\s+\w+\s*(?:\(|extends\s+)([A-Z]\w*)")


def _length(hit: Hit) -> int:
    # Of overloads and stubs, the implementation is the longest.
    return hit.line_end - hit.line_start


def summary_of(
    memory: SoarMemory, subject: Subject, focus: Focus, *, members: int = MEMBERS_SHOWN
) -> Iterator[Finding]:
    """Yields the findings that sum a subject up: itself, what it offers, and who uses it.

    Args:
        members: most members of a class to yield.
    """
    if subject.sort is NameSort.FILE:
        yield from _file_summary(memory, subject.files[0])
    elif subject.sort is NameSort.FOLDER:
        yield from _folder_summary(memory, subject)
    else:
        for hit in subject.hits:
            yield _itself(hit, focus)
        first = subject.hits[0]
        if first.symbol_type is SymbolType.CLASS:
            yield from _members(memory, first, members)
        elif first.symbol_type is SymbolType.CONSTANT:
            yield from _uses(memory, first)


def _itself(hit: Hit, focus: Focus) -> Finding:
    coverage = focus.coverage(f"{hit.file}\n{hit.name}\n{hit.content}")
    return definition_finding(hit, FindingKind.DEFINITION, coverage)


def _members(memory: SoarMemory, owner: Hit, limit: int) -> Iterator[Finding]:
    inside = [h for h in memory.chunks_of(owner.file) if h.name.rpartition(".")[0] == owner.name]
    distinct = {h.name: h for h in inside if h.symbol_type in NAMED_SYMBOLS}
    members = sorted(distinct.values(), key=lambda h: h.name.rpartition(".")[2].startswith("_"))
    if not members:
        members = bindings_in(owner)
    for hit in members[:limit]:
        yield definition_finding(hit, FindingKind.MEMBER, about=owner.name, total=len(members))


def _uses(memory: SoarMemory, hit: Hit) -> Iterator[Finding]:
    name = hit.name.rpartition(".")[2]
    shown = 0
    for reference in memory.mentions(name, limit=MAX_MENTIONS, tests=False):
        own = reference.file == hit.file and hit.line_start <= reference.line <= hit.line_end
        if own or shown == USES_SHOWN:
            continue
        shown += 1
        yield reference_finding(reference, FindingKind.USE, hit.name)


def _file_summary(memory: SoarMemory, file: str) -> Iterator[Finding]:
    yield _file(memory, file, file)
    offered = _offers(memory, file)
    for hit in offered[:MEMBERS_SHOWN]:
        yield definition_finding(hit, FindingKind.MEMBER, about=file, total=len(offered))
    yield from _importers(memory, file)


def _offers(memory: SoarMemory, file: str) -> list[Hit]:
    """Returns what a file defines at its top, public names before private ones, in file order."""
    chunks = memory.chunks_of(file)
    offered = [h for h in chunks if h.symbol_type in NAMED_SYMBOLS and "." not in h.name]
    offered += [
        b for h in chunks if h.symbol_type is SymbolType.MODULE for b in bindings_in(h) if b.name.isidentifier()
    ]
    distinct = {h.name: h for h in sorted(offered, key=_length)}
    return sorted(
        distinct.values(), key=lambda h: (h.name.startswith("_"), h.symbol_type is SymbolType.CONSTANT, h.line_start)
    )


def _offered(memory: SoarMemory, file: str) -> list[str]:
    names = [h.name for h in _offers(memory, file)]
    return [*names[:NAMES_SHOWN], f"{len(names) - NAMES_SHOWN} more"] if len(names) > NAMES_SHOWN + 1 else names


def _folder_summary(memory: SoarMemory, subject: Subject) -> Iterator[Finding]:
    direct = [file for file in subject.files if file.count("/") == subject.name.count("/") + 1]
    files = direct or list(subject.files)
    for file in files[:FILES_SHOWN]:
        yield _file(memory, file, subject.name, len(files))


def _file(memory: SoarMemory, file: str, about: str, total: int = 1) -> Finding:
    line, text = _purpose(memory, file)
    return Finding(
        kind=FindingKind.FILE,
        file=file,
        line=line,
        line_end=line,
        symbol=file,
        text=text,
        about=about,
        detail=", ".join(_offered(memory, file)),
        relevance=1.0,
        chunk_id=next((h.chunk_id for h in memory.chunks_of(file)), ""),
        total=total,
    )


def _purpose(memory: SoarMemory, file: str) -> tuple[int, str]:
    """Returns the first sentence that documents a file with its line; without one, line 1 and ""."""
    text = memory.text(file) or ""
    lines = text.split("\n")
    for sentence in sentences(text, file)[:3]:
        before = [
            line
            for line in lines[: sentence.line]
            if line.strip()
            and not line.lstrip().startswith(("#", "//", "/*", "*", '"""', "'''", "-", "=", '"use', "'use"))
        ]
        if not before or file.endswith(PROSE_SUFFIXES):
            return sentence.line + 1, sentence.text
        break
    return next((row + 1 for row, line in enumerate(lines) if line.strip()), 1), ""


def _importers(memory: SoarMemory, file: str) -> Iterator[Finding]:
    """Yields the lines of other files that import a file's module."""
    stem = file.rpartition("/")[2].partition(".")[0]
    shown: set[str] = set()
    for reference in _import_lines(memory, stem):
        if reference.file != file and reference.file not in shown and len(shown) < USES_SHOWN:
            shown.add(reference.file)
            yield reference_finding(reference, FindingKind.USE, file)


def _import_lines(memory: SoarMemory, stem: str) -> Iterator[Reference]:
    """Yields the first line of each file that imports a module by its last name."""
    module = re.compile(rf"(?:^|[\s./'\"<]){re.escape(stem)}(?:\.\w+)?(?:['\">;,\s]|$)")
    for file in memory.files_with(stem):
        if is_test_file(file):
            continue
        lines = enumerate((memory.text(file) or "").split("\n"), start=1)
        imports = ((at, line.strip()) for at, line in lines if _IMPORTS.search(line) and module.search(line))
        yield from (Reference(file=file, line=at, name="", text=text) for at, text in islice(imports, 1))


_IMPORTS: Final = re.compile(r"^\s*(?:import|from|export|use|mod|#\s*include)\b|\brequire\(")
