"""Detects the profile of a project from its file names and manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_core.project_profile.languages import count_languages, describe_layout
from aurora_core.project_profile.manifests import entry_files, read_manifests
from aurora_core.project_profile.profile import ProjectProfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from aurora_core.project_profile.profile import ManifestFacts, ProjectCommand

__all__ = ["detect_profile"]


def detect_profile(root: Path, files: Sequence[str]) -> ProjectProfile:
    """Returns the profile of a project.

    Args:
        root: the project's folder.
        files: its files, as paths with slashes relative to `root`.
    """
    findings, unread = read_manifests(root, frozenset(files))
    declared = [point for found in findings for point in found.entry_points]
    return ProjectProfile(
        name=root.resolve().name,
        files=len(files),
        languages=count_languages(files),
        layout=describe_layout(files),
        entry_points=(*declared, *entry_files(files)),
        commands=tuple(_each_line_once(findings)),
        unread=unread,
    )


def _each_line_once(findings: Iterable[ManifestFacts]) -> Iterable[ProjectCommand]:
    commands = {(command.purpose, command.line): command for found in findings for command in found.commands}
    return commands.values()
