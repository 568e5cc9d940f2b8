"""What a survey finds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["EntryPoint", "Folder", "Language", "ManifestFacts", "ProjectCommand", "ProjectProfile", "Purpose"]


class Purpose(StrEnum):
    """What a project's own command is for."""

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
        files: how many files it holds, at any depth.
        holds: what such a folder usually is for, or its main language; empty where nothing tells.
    """

    name: str
    files: int
    holds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """A place where the project's programs start.

    Attributes:
        name: what a person types or imports.
        target: the function or file behind it.
        source: the file that says so.
    """

    name: str
    target: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCommand:
    """A command line that the project is tested, linted or built with, and the file that tells it."""

    purpose: Purpose
    line: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """What one manifest tells."""

    entry_points: tuple[EntryPoint, ...] = ()
    commands: tuple[ProjectCommand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectProfile:
    """What a project is made of.

    Attributes:
        languages: most files first.
        layout: folders at the top, by name.
        commands: the project's own recipes before what its language suggests.
        unread: manifests that are there but could not be understood, each with the reason.
    """

    name: str
    files: int
    languages: tuple[Language, ...]
    layout: tuple[Folder, ...]
    entry_points: tuple[EntryPoint, ...]
    commands: tuple[ProjectCommand, ...]
    unread: tuple[str, ...] = ()
