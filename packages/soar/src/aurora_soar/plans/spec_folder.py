"""Folders of spec-kit, OpenSpec and Kiro: what is in one, read within limits, and what of it is not understood."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_core.bounded import TooLargeError, read_regular
from aurora_soar.errors import SpecFolderError
from aurora_soar.plans.goal_text import clean, cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["SpecFolder", "read_spec_folder"]

TASKS: Final = "tasks.md"
_LARGEST: Final = 1_000_000
"""Bytes of one document; people write no longer ones."""
MOST_FILES: Final = 200
_DEEPEST: Final = 4
_QUESTIONS_SHOWN: Final = 10
_GOAL: Final = 600
"""Characters of a goal that is taken from a document."""
_TEXTS: Final = frozenset({".md", ".yaml", ".yml", ".json", ".txt"})
_BESIDE: Final = frozenset({".config.kiro", ".openspec.yaml", ".DS_Store", ".gitkeep"})
"""Files with which the tools and systems keep house."""


@dataclass(frozen=True, slots=True)
class _Tool:
    """The looks of a tool's folder.

    Attributes:
        mains: documents of which one must be there; the first that is holds the goal.
        expected: documents that are usually there.
        to_make: what makes its tasks.
        parents: folders in which it keeps its folders.
    """

    name: str
    mains: tuple[str, ...]
    expected: tuple[str, ...]
    to_make: str
    parents: tuple[str, ...]


_TOOLS: Final = (
    _Tool("OpenSpec", ("proposal.md",), ("specs",), "/openspec:proposal", ("openspec/changes", "changes")),
    _Tool("Kiro", ("requirements.md", "bugfix.md"), ("design.md",), "Kiro's task step", (".kiro/specs", "specs")),
    _Tool("spec-kit", ("spec.md",), ("plan.md",), "/speckit.tasks", ("specs",)),
)
_HEADING: Final = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
_KIND_OF_TITLE: Final = re.compile(
    r"^(?:feature specification|change(?: proposal)?|proposal|requirements(?: document)?|bug ?fix(?: \w+)?|spec)\s*"
    r"(?:[:\u2013\u2014-]\s*|$)",
    re.IGNORECASE,
)
_INPUT: Final = re.compile(r'^\*\*Input\*\*:\s*(?:User description:\s*)?["\u201c]?(.*?)["\u201d]?$')
_GOAL_HEADINGS: Final = re.compile(r"(?:why|introduction|overview|summary|bug description)\b", re.IGNORECASE)
_OPEN_QUESTION: Final = re.compile(r"\[NEEDS CLARIFICATION:?\s*([^\]]*)\]", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"^\d+[-_]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecFolder:
    """The folder of one piece of work, as a spec tool has left it.

    Attributes:
        tool: "spec-kit", "OpenSpec" or "Kiro".
        folder: absolute.
        title: what it is about.
        goal: the title, and what the main document says of the reason.
        tasks: the text of its tasks.md.
        documents: the other documents, relative to the folder, the main one first.
        notes: what is missing, what was not read, and the questions that its documents leave open.
    """

    tool: str
    folder: Path
    title: str
    goal: str
    tasks: str
    documents: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def taskfile(self) -> Path:
        """The file of its tasks."""
        return self.folder / TASKS


def read_spec_folder(folder: Path) -> SpecFolder:
    """Reads a folder of spec-kit, OpenSpec or Kiro.

    Raises:
        SpecFolderError: it is no such folder, holds a link out of it, or a document of it cannot be read.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise SpecFolderError(folder, "is no folder; name the one that holds tasks.md")
    tool, main = _recognise(folder)
    found, notes = _survey(folder)
    texts = {name: _text(folder, name) for name in (main, TASKS, *(n for n in found if Path(n).suffix == ".md"))}
    tasks = texts.pop(TASKS)
    documents = [name for name in found if name not in (main, TASKS) and Path(name).suffix in _TEXTS]
    title = _title(texts[main]) or _humanised(folder.name)
    return SpecFolder(
        tool=tool.name,
        folder=folder,
        title=title,
        goal="\n\n".join(dict.fromkeys(part for part in (title, _reason(texts[main])) if part)),
        tasks=tasks,
        documents=(main, *documents),
        notes=(
            *(
                f"{tool.name} usually has {name}, and it is missing"
                for name in tool.expected
                if not _has(found, name)
            ),
            *notes,
            *_open_questions(texts),
        ),
    )


def _has(found: tuple[str, ...], name: str) -> bool:
    return any(each == name or each.startswith(f"{name}/") for each in found)


def _survey(folder: Path) -> tuple[tuple[str, ...], list[str]]:
    """Returns the folder's files by name, and a note about each that is no document."""
    found, notes = [], []
    for path in _files(folder, 0):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise SpecFolderError(path, "is a link out of the folder; put the file itself there")
        if path.suffix not in _TEXTS:
            notes.append(f"{clean(name)} was not read: it is no text document")
            continue
        found.append(name)
        if len(found) > MOST_FILES:
            raise SpecFolderError(folder, f"has more than {MOST_FILES} files; name the folder of one piece of work")
    return tuple(found), notes


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Yields files by name, those of the folder itself first; links to folders are files here."""
    inner = []
    try:
        with os.scandir(folder) as scan:
            entries = sorted(islice(scan, MOST_FILES + 1), key=lambda each: each.name)
    except OSError as error:
        raise SpecFolderError(folder, f"cannot be read: {error.strerror or error}") from error
    if len(entries) > MOST_FILES:
        raise SpecFolderError(folder, f"has more than {MOST_FILES} entries; name the folder of one piece of work")
    for entry in entries:
        if entry.name in _BESIDE:
            continue
        if entry.is_dir(follow_symlinks=False):
            inner.append(Path(entry.path))
        else:
            yield Path(entry.path)
    for below in inner:
        if depth == _DEEPEST:
            raise SpecFolderError(below, "lies too deep; name the folder of one piece of work")
        yield from _files(below, depth + 1)


def _recognise(folder: Path) -> tuple[_Tool, str]:
    """Returns the tool and the name of the main document."""
    try:
        found = {each.name for each in folder.iterdir()}
    except OSError as error:
        raise SpecFolderError(folder, f"cannot be read: {error.strerror or error}") from error
    for tool in _TOOLS:
        for main in tool.mains:
            if main in found:
                if TASKS not in found:
                    raise SpecFolderError(folder, f"has {main} but no {TASKS}; make the tasks first ({tool.to_make})")
                return tool, main
    mains = ", ".join(main for tool in _TOOLS for main in tool.mains)
    if inner := _pieces_of_work(folder):
        raise SpecFolderError(
            folder, f"holds pieces of work and is none itself; name one of them: {', '.join(inner)}"
        )
    if TASKS in found:
        raise SpecFolderError(folder, f"has {TASKS} but none of {mains}; run the tasks alone: aur spawn {TASKS}")
    raise SpecFolderError(folder, f"is no folder of spec-kit, OpenSpec or Kiro: none of {mains} is in it")


def _pieces_of_work(folder: Path) -> list[str]:
    """Returns some folders below that may be meant."""
    homes = [folder, *(folder / parent for tool in _TOOLS for parent in tool.parents)]
    found = [
        inner.relative_to(folder).as_posix()
        for home in dict.fromkeys(homes)
        if home.is_dir()
        for inner in sorted(home.iterdir())
        if (inner / TASKS).is_file()
    ]
    return [clean(name) for name in dict.fromkeys(found)][:_QUESTIONS_SHOWN]


def _text(folder: Path, name: str) -> str:
    path = folder / name
    try:
        content = read_regular(path, _LARGEST)
    except TooLargeError as error:
        raise SpecFolderError(path, f"is larger than {_LARGEST:,} bytes; split it") from error
    except OSError as error:
        raise SpecFolderError(path, f"cannot be read: {error.strerror or error}") from error
    if b"\0" in content:
        raise SpecFolderError(path, "is binary; put a Markdown text in its place")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecFolderError(path, f"is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def _title(text: str) -> str:
    """Returns the title of a document; "" if its heading only names the kind of document."""
    heading = next((match[1] for line in text.splitlines() if (match := _HEADING.match(line))), "")
    said = _KIND_OF_TITLE.sub("", heading).strip(" *_`")
    return "" if _GOAL_HEADINGS.fullmatch(said) else cut(clean(said), 200)


def _humanised(name: str) -> str:
    words = re.sub(r"[-_]+", " ", _NUMBERED.sub("", name)).strip() or name
    return clean(words[:1].upper() + words[1:])


def _reason(text: str) -> str:
    """Returns what was asked for, or the first paragraph of the section that gives the reason."""
    lines = text.splitlines()
    if asked := next((match[1] for line in lines if (match := _INPUT.match(line.strip()))), ""):
        return cut(clean(asked), _GOAL)
    wanted = False
    paragraph: list[str] = []
    for line in lines:
        if match := _HEADING.match(line):
            if paragraph:
                break
            wanted = bool(_GOAL_HEADINGS.match(match[1]))
        elif wanted and line.strip():
            paragraph.append(line.strip())
        elif paragraph:
            break
    return cut(clean(" ".join(paragraph)), _GOAL)


def _open_questions(texts: Mapping[str, str]) -> list[str]:
    found = [
        f"{name}:{number}: open question: {cut(clean(match[1]), 120) or 'it says no more'}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        for match in _OPEN_QUESTION.finditer(line[:2_000])
    ]
    more = len(found) - _QUESTIONS_SHOWN
    return [*found[:_QUESTIONS_SHOWN], *([f"and {more} more open questions"] if more > 0 else [])]
