"""The parts of a project's profile, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

__all__ = [
    "EntryPoint",
    "Folder",
    "Language",
    "ManifestFacts",
    "ProjectCommand",
    "ProjectProfile",
    "Purpose",
    "Reader",
]


class Purpose(StrEnum):
    """The purpose of a project's command."""

    TEST = "test"
    LINT = "lint"
    BUILD = "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A language and the number of its files."""

    name: str
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder at the top of the project.

    Attributes:
        name: without a slash.
        files: number of files in it, at any depth.
        holds: its usual purpose, or its main language; empty if neither is known.
    """

    name: str
    files: int
    holds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """An entry point of the project's programs.

    Attributes:
        name: the command or module name.
        target: the function or file behind it.
        source: the file that defines it.
    """

    name: str
    target: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCommand:
    """A command that tests, lints or builds the project, and the file that defines it."""

    purpose: Purpose
    line: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """The facts of one manifest."""

    entry_points: tuple[EntryPoint, ...] = ()
    commands: tuple[ProjectCommand, ...] = ()


class Reader(Protocol):
    """Reads one manifest's text; a ValueError or configparser.Error says that it is malformed."""

    def __call__(self, text: str, source: str, /) -> ManifestFacts:
        """Returns the facts of a manifest; `source` is its name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectProfile:
    """The profile of a project.

    Attributes:
        languages: most frequent first.
        layout: top folders, by name.
        commands: the project's own recipes before the usual commands of its language.
        unread: manifests that could not be understood, each with the reason.
    """

    name: str
    files: int
    languages: tuple[Language, ...]
    layout: tuple[Folder, ...]
    entry_points: tuple[EntryPoint, ...]
    commands: tuple[ProjectCommand, ...]
    unread: tuple[str, ...] = ()
