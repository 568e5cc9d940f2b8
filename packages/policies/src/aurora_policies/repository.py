"""Reads a git repository from its files: the branch, the aliases, and where a push goes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Repository", "read_repository", "workspace_of"]

_MAX_BYTES: Final = 128_000
_SECTION: Final = re.compile(r'\[\s*([\w.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]')
_ENTRY: Final = re.compile(r"\s*([A-Za-z][\w-]*)\s*(?:=\s*(.*?))?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository.

    Attributes:
        branch: the current branch; None if it has none or is not known.
        default_branch: the default branch of the remote `origin`; None if it is not known.
        settings: its configuration, by names such as "alias.co"; the last value of each.
    """

    branch: str | None = None
    default_branch: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def read_repository(folder: Path) -> Repository:
    """Reads the repository that a folder is in, without running git; one that cannot be read has no branch."""
    found = next((each / ".git" for each in (folder, *folder.parents) if (each / ".git").exists()), None)
    if found is None:
        return Repository()
    own = _git_folder(found)
    common = own / (_text(own / "commondir").strip() or ".")
    head = _text(own / "HEAD").strip()
    default = _text(common / "refs/remotes/origin/HEAD").strip()
    return Repository(
        branch=head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else None,
        default_branch=default.rpartition("refs/remotes/origin/")[2] if default.startswith("ref:") else None,
        settings=_settings(_text(common / "config")),
    )


def workspace_of(folder: Path, *, around: Path | None = None) -> Path:
    """Returns the root of the project or repository that a folder is in; itself if there is none.

    The `.aurora` of the home folder is the user's and makes no project of what lies in it.

    Args:
        around: a folder whose workspace counts for all that lies in it.
    """
    if around is not None and folder.is_relative_to(outer := workspace_of(around)):
        return outer
    home = Path.home()
    for each in (folder, *folder.parents):
        if (each / ".git").exists() or ((each / ".aurora").is_dir() and each != home):
            return each
    return folder


def _git_folder(found: Path) -> Path:
    """Returns the folder of a repository; a linked worktree has a file that names it."""
    if found.is_dir():
        return found
    return found.parent / _text(found).strip().removeprefix("gitdir: ")


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MAX_BYTES)
    except (OSError, ValueError):
        return ""


def _settings(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    section = ""
    for line in text.replace("\\\n", "").splitlines():
        header = _SECTION.match(line.strip())
        if header:
            section = header[1].lower() + (f".{header[2]}" if header[2] is not None else "")
            continue
        entry = _ENTRY.fullmatch(line)
        if entry and section:
            value = entry[2] if entry[2] is not None else "true"
            found[f"{section}.{entry[1].lower()}"] = re.sub(r'(?<!\\)"', "", value).replace('\\"', '"')
    return found
