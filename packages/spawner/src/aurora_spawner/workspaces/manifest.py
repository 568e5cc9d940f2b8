"""The manifest of a prepared worktree: what Aurora and the set-up put there, which is no work of an agent.

It is in the part of the repository that belongs to the worktree, and goes with it. Beside it is a file of patterns,
by which git ignores what the user's `.gitignore` does not.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.storage.regular_files import read_regular
from aurora_spawner.storage.stored_values import StoredValueError, document, read_fields, text
from aurora_spawner.storage.system_words import system_words
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

_NAME: Final = "aurora-preparation.json"
_EXCLUDES: Final = "aurora-excludes"
_MAX_BYTES: Final = 16_000_000
_CACHES: Final = frozenset({"__pycache__", ".cache"})
"""Folders in what a set-up made that programs fill by themselves when they run."""
_ESCAPED: Final = str.maketrans({each: f"\\{each}" for each in "\\*?[!# "})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The contents of a worktree besides its base commit; paths are relative to the worktree."""

    done: bool = False
    """False until the preparation has succeeded; no agent has worked in the worktree before."""
    recorded: bool = False
    """True once `made` and `products` are known, after a set-up that failed, too; False after a kill."""
    asked: str = ""
    """A digest of what the preparation asked for; empty in a manifest of an earlier version."""
    token: str = ""
    """The mark in the environment of its set-up commands, by which what they have left running is found."""
    port_base: int | None = None
    """The first port of its block."""
    head: str = ""
    """The commit that was checked out before anything was put there."""
    before: tuple[str, ...] = ()
    """Entries that git listed as changed, untracked or ignored before."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Copied and linked files, each with its stamp: they are never part of a commit."""
    made: Mapping[str, str] = field(default_factory=dict)
    """Files that set-up made and git does not ignore, with their stamps: an agent's only if it has changed them."""
    products: Mapping[str, str] = field(default_factory=dict)
    """Entries that set-up made and git ignores, such as `node_modules/`; with a digest of their files."""


def _texts_by_name(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise StoredValueError("must be an object")
    return {text(name): text(each) for name, each in value.items()}


def read_manifest(git_dir: Path) -> Manifest | None:
    """Returns the manifest of a worktree; None if it was never prepared.

    Args:
        git_dir: The part of the repository that belongs to the worktree.

    Raises:
        WorkspaceError: It cannot be read.
    """
    path = git_dir / _NAME
    try:
        content = read_regular(path, limit=_MAX_BYTES).decode("ascii")
        readers: dict[str, Callable[[Any], Any]] = {"Mapping[str, str]": _texts_by_name}
        return Manifest(**read_fields(Manifest, document(content), readers))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        words = system_words(error)
        problem = f"is damaged ({words}), so nobody knows which files of the worktree are copies of the user's"
        raise WorkspaceError(path, problem) from error


def write_manifest(git_dir: Path, manifest: Manifest, *, also_ignored: bytes) -> None:
    """Writes a manifest, and first the patterns by which git ignores what it lists.

    Args:
        also_ignored: The patterns that the user's git ignores everywhere; the file takes their place.

    Raises:
        OSError: It cannot be written.
    """
    names = [name for name in (*manifest.given, *manifest.made) if "\n" not in name]  # which no pattern can hold
    lines = [b"/" + os.fsencode(name.translate(_ESCAPED)) + b"\n" for name in names]
    if lines:
        _replace(git_dir / _EXCLUDES, also_ignored.rstrip(b"\n") + b"\n" + b"".join(lines))
    else:
        (git_dir / _EXCLUDES).unlink(missing_ok=True)
    _replace(git_dir / _NAME, json.dumps(asdict(manifest)).encode("ascii"))


def _replace(path: Path, content: bytes) -> None:
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    new.replace(path)


def excluding(git_dir: Path) -> tuple[str, ...]:
    """Returns the settings under which git ignores what a worktree was given; none for one that was not prepared."""
    path = git_dir / _EXCLUDES
    return (f"core.excludesFile={path}",) if path.is_file() else ()


def plain_parent(top: Path, name: str) -> Path | None:
    """Returns the folder that a path of a worktree is in; None if it is not there, or a link stands in the way."""
    folder = top
    for part in Path(name).parent.parts:
        folder /= part
        try:
            if not stat.S_ISDIR(folder.lstat().st_mode):
                return None
        except OSError:
            return None
    return folder


def stamp(top: Path, name: str) -> str:
    """Returns what tells if a file has changed: identity, size and times, or a link's target; "" for all else."""
    parent = plain_parent(top, name)
    if parent is None:
        return ""
    path = parent / Path(name).name
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return f"-> {path.readlink()}"
    except OSError:
        return ""
    if not stat.S_ISREG(found.st_mode):
        return ""
    # Nobody can set back the time of the last change to the inode.
    return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def stamps(top: Path, names: Iterable[str]) -> dict[str, str]:
    """Returns the stamps of files."""
    return {name: stamp(top, name) for name in names}


def unchanged(top: Path, known: Mapping[str, str]) -> frozenset[str]:
    """Returns the files that are as their stamps say."""
    return frozenset(name for name, each in known.items() if each and stamp(top, name) == each)


def digest(top: Path, entry: str) -> str:
    """Returns a digest over the names, sizes and times of all files in a folder, caches left out; or of one file.

    Times of inodes are not part of it: a package manager that links one file into many folders changes these.
    """
    found = hashlib.sha256()
    for name in sorted(_files(top, entry, without=_CACHES)):
        path = top / name
        try:
            about = path.lstat()
            target = os.fsencode(path.readlink()) if stat.S_ISLNK(about.st_mode) else b""
        except OSError:
            target, about = b"gone", None
        said = f"{about.st_mode}:{about.st_size}:{about.st_mtime_ns}" if about and not target else ""
        found.update(os.fsencode(name) + b"\0" + said.encode("ascii") + target + b"\0")
    return found.hexdigest()


def _files(top: Path, entry: str, *, without: Collection[str] = ()) -> Iterator[str]:
    """Yields the files of an entry of git's, relative to the worktree; links are not followed."""
    if not entry.endswith("/"):
        yield entry
        return
    for place, folders, names in os.walk(top / entry):
        below = os.path.relpath(place, top)
        links = [each for each in folders if (Path(place) / each).is_symlink()]
        folders[:] = [each for each in folders if each not in without and each not in links]
        yield from (os.path.join(below, each) for each in (*names, *links))  # noqa: PTH118 -- many thousand names


def sort_out(
    top: Path, manifest: Manifest, *, changed: Iterable[str], ignored: Iterable[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Takes what a worktree was given out of what git lists in it.

    A copy or link that was changed counts as an ignored file, which no commit will hold.

    Returns:
        The changed and the ignored entries that are left.
    """
    known = {**manifest.made, **manifest.given}
    same = unchanged(top, known)
    kept: list[str] = []
    hidden: list[str] = []
    for entry, rest in ((each, rest) for rest, listed in ((kept, changed), (hidden, ignored)) for each in listed):
        name = entry.rstrip("/")
        if name in manifest.given:
            hidden += [] if name in same else [name]
        elif entry in manifest.products and digest(top, entry) == manifest.products[entry]:
            continue
        elif not all(each in known for each in _files(top, entry)):
            rest.append(entry)
        else:
            altered = [each for each in _files(top, entry) if each not in same]
            hidden += [each for each in altered if each in manifest.given]
            kept += [each for each in altered if each in manifest.made]
    return tuple(dict.fromkeys(kept)), tuple(dict.fromkeys(hidden))
