"""Finds the files of a project worth reading: those that git tracks, and those that it does not ignore.

In a git repository git is asked. Elsewhere, or if git gives no answer in time, folders are walked and `.gitignore`
files are read here.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from aurora_core.bounded import read_regular
from aurora_core.checkouts import enclosing_repository, linked_worktree
from aurora_core.file_kinds import DATA_SUFFIXES
from aurora_core.git import run_git
from aurora_core.indexing.content import MAX_FILE_BYTES
from aurora_core.indexing.ignore import IgnoreRules, read_rules
from aurora_core.report import CONFIDENTIAL, LARGE_DATA, NAMED_GENERATED, LeftOut, SkippedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "IGNORE_FILES",
    "TOOL_FOLDERS",
    "FoundFile",
    "found_file",
    "walk",
    "walk_paths",
]

# What people write by hand into a file of data; larger ones would be most of an index and nobody's answer.
MAX_DATA_BYTES: Final = 100_000
MAX_IGNORE_BYTES: Final = 256_000
# Longer than git takes for a million files, and short enough to wait for where something in the project blocks it.
GIT_TIMEOUT_S: Final = 20.0
MAX_LISTING_BYTES: Final = 128_000_000
MAX_DEPTH: Final = 100


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Private to a tool, or fetched by one, whatever git says of them.
TOOL_FOLDERS: Final = _names("""
    .git .hg .svn .aurora .venv .tox .nox node_modules bower_components __pycache__ .mypy_cache .pytest_cache
    .ruff_cache .idea .vscode site-packages .eggs .gradle .next .nuxt
""")
# Often generated or fetched; source nevertheless where git tracks it.
_GENERATED_NAMES: Final = _names("venv vendor third_party dist build target")
IGNORE_FILES: Final = frozenset({".gitignore"})
_GENERATED_ENDINGS: Final = (
    ".min.js",
    ".min.css",
    ".bundle.js",
    "-min.js",
    ".pb.go",
    "_pb2.py",
    "_pb2_grpc.py",
    ".generated.ts",
)
# Written by package managers and builds.
_GENERATED_FILES: Final = _names("""
    package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock composer.lock gemfile.lock cargo.lock
    poetry.lock uv.lock pdm.lock pipfile.lock go.sum flake.lock mix.lock pubspec.lock podfile.lock packages.lock.json
    .ds_store
""")
# Keys, passwords and tokens: a memory answers to agents, and these are nobody's answer.
_EXAMPLES: Final = r"(?:example|sample|template|dist|defaults?)"
_CONFIDENTIAL: Final = re.compile(
    rf"\.env(?:rc)?(?:\.(?!(?:[^/]*\.)?{_EXAMPLES}$)[^/]*)?|(?!{_EXAMPLES}\.)[^/]+\.(?:env|tfvars(?:\.json)?)"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)|[._]netrc|\.(?:npmrc|pypirc|htpasswd|pgpass|git-credentials|dockercfg|s3cfg)"
    r"|\.my\.cnf|kubeconfig|credentials\.json"
    r"|[^/]*\.tfstate(?:\.[^/]*)?|[^/]+\.(?:pem|key|p8|p12|pfx|jks|keystore|kdbx|ppk|kubeconfig)"
)
"""By the name of a file, in lower case."""
_CONFIDENTIAL_PLACES: Final = ("/.aws/credentials", "/.docker/config.json", "/.kube/config")

IGNORED: Final = "is named in .gitignore"
EXCLUDED: Final = "is named in memory.exclude"
OTHER_CHECKOUT: Final = "is a linked worktree: another checkout of this code"
LINK: Final = "is a link"


class FoundFile(NamedTuple):  # there is one for each file of a project: a dataclass takes three times as long to make
    """A file worth reading.

    Attributes:
        path: from the project's root, with forward slashes.
        size: bytes.
        mtime_ns: time of the last change, nanoseconds since 1970.
    """

    path: str
    size: int
    mtime_ns: int

    @property
    def read_bytes(self) -> int:
        """At most so many bytes are read of it."""
        return min(self.size, MAX_FILE_BYTES + 1)


Entry = FoundFile | SkippedFile | LeftOut


def walk(root: Path, below: str = "", exclude: Sequence[str] = ()) -> Iterator[Entry]:
    """Returns the files of a project in a stable order; those of one folder or file only if `below` names it.

    Links are not followed, so that nothing outside the root is reached and no loop can arise.
    """
    below = below.strip("/")
    return walk_paths(root, [below] if below else (), exclude)


def walk_paths(root: Path, paths: Sequence[str], exclude: Sequence[str] = ()) -> Iterator[Entry]:
    """Yields the files of a project at or below some paths, of the whole project if there are none; see `walk`."""
    walker = _Walker(root=root, own=enclosing_repository(root), rules=read_rules(exclude), real={"": True})
    yield from walker.entries("", paths, 0)


def found_file(root: Path, path: str) -> FoundFile | None:
    """Looks at one file; returns None if it does not exist, is a link or is too large."""
    try:
        status = os.lstat(f"{root}/{path}")
    except (OSError, ValueError):
        return None
    fits = stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES
    return FoundFile(path, status.st_size, status.st_mtime_ns) if fits else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walker:
    """A walk of a project.

    Attributes:
        own: the repository that the root is checked out from.
        rules: the patterns that the configuration excludes.
        real: by folder, True if it is a folder and not a link.
    """

    root: Path
    own: Path | None
    rules: IgnoreRules
    real: dict[str, bool]

    def entries(self, top: str, paths: Sequence[str], depth: int) -> Iterator[Entry]:
        """Yields the entries below the top of a repository, or of a project without one.

        Args:
            top: from the root; "" for the root itself.
            paths: from the root; at or below the top.
        """
        listed = self._asked_git(top, paths)
        if listed is None:
            yield from _walked(self.root, top, paths, self.rules)
            return
        for path, tracked in sorted(listed.items()):
            yield from self._listed(path, paths, tracked=tracked, depth=depth)
        if not paths:
            yield from self._ignored_by_git(top)

    def _asked_git(self, top: str, paths: Sequence[str]) -> dict[str, bool] | None:
        """Returns the paths that git lists and whether it tracks each; None if git cannot be asked."""
        folder = self.root / top if top else self.root
        limits = [self._outermost(path, top).removeprefix(f"{top}/" if top else "") for path in paths]
        limits = [limit for limit in limits if limit and limit != top]
        answer = run_git(
            folder,
            *("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard", "--", *limits),
            timeout_s=GIT_TIMEOUT_S,
            max_bytes=MAX_LISTING_BYTES,
        )
        if answer is None or not answer.complete:
            return None
        listed: dict[str, bool] = {}
        for record in answer.data.split(b"\0"):
            name = os.fsdecode(record[2:])
            # A repository's settings may place its files elsewhere.
            if name and not name.startswith(("/", "../")):
                listed[f"{top}/{name}" if top else name] = not record.startswith(b"?")
        # An outer repository that ignores the whole project says nothing about its files.
        return listed if listed or paths or (folder / ".git").exists() else None

    def _outermost(self, path: str, top: str) -> str:
        """Returns a path, or the first repository below the top around it: git lists no files of inner ones."""
        parts = path.split("/")
        start = top.count("/") + 1 if top else 0
        for end in range(start + 1, len(parts) + 1):
            inner = "/".join(parts[:end])
            if os.path.lexists(f"{self.root}/{inner}/.git"):
                return inner
        return path

    def _listed(self, path: str, paths: Sequence[str], *, tracked: bool, depth: int) -> Iterator[Entry]:
        bare = path.rstrip("/")
        *folders, name = bare.split("/")
        if reason := _folder_reason(folders, tracked=tracked) or self._excluded(bare, folder=path.endswith("/")):
            if not bare.startswith(".aurora/"):
                yield LeftOut(path=_shown(path), reason=reason)
            return
        if not self._is_real("/".join(folders)):
            return
        try:
            status = os.lstat(f"{self.root}/{bare}")
        except OSError:
            return  # tracked, and deleted
        if stat.S_ISDIR(status.st_mode):
            yield from self._inner_repository(bare, name, paths, tracked=tracked, depth=depth)
        elif stat.S_ISREG(status.st_mode):
            yield _judged(bare, name, status)
        elif stat.S_ISLNK(status.st_mode):
            yield LeftOut(path=_shown(bare), reason=LINK)

    def _inner_repository(
        self, path: str, name: str, paths: Sequence[str], *, tracked: bool, depth: int
    ) -> Iterator[Entry]:
        """Yields a submodule or a clone, which is part of the project; not a further checkout of the same code."""
        if self._is_other_checkout(path):
            yield LeftOut(path=_shown(f"{path}/"), reason=OTHER_CHECKOUT)
        elif reason := _folder_reason([name], tracked=tracked):
            yield LeftOut(path=_shown(f"{path}/"), reason=reason)
        elif depth < MAX_DEPTH:
            inner = [wanted for wanted in paths if wanted == path or wanted.startswith(f"{path}/")]
            yield from self.entries(path, inner, depth + 1)

    def _excluded(self, path: str, *, folder: bool) -> str:
        """Returns the reason if the configuration excludes a path or a folder that contains it; "" if not."""
        if not self.rules.patterns:
            return ""
        parts = path.split("/")
        above = any(self.rules.ignored("/".join(parts[:end]), folder=True) for end in range(1, len(parts)))
        return EXCLUDED if above or self.rules.ignored(path, folder=folder) else ""

    def _is_real(self, folder: str) -> bool:
        """Returns True if a listed folder is this project's: no link, and no other checkout of its code."""
        if folder not in self.real:
            full = f"{self.root}/{folder}"
            self.real[folder] = (
                self._is_real(folder.rpartition("/")[0])
                and not os.path.islink(full)  # noqa: PTH114 - asked often
                and not (os.path.lexists(f"{full}/.git") and self._is_other_checkout(folder))
            )
        return self.real[folder]

    def _is_other_checkout(self, folder: str) -> bool:
        linked = linked_worktree(self.root / folder)
        return linked is not None and _is_known(linked.common_dir, self.root, self.own)

    def _ignored_by_git(self, top: str) -> Iterator[LeftOut]:
        """Yields the paths that git ignores; whole folders are one entry."""
        answer = run_git(
            self.root / top if top else self.root,
            *("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"),
            timeout_s=GIT_TIMEOUT_S,
            max_bytes=MAX_LISTING_BYTES,
        )
        for record in answer.data.split(b"\0") if answer else ():
            name = os.fsdecode(record)
            path = f"{top}/{name}" if top and name else name
            first = path.rstrip("/").split("/")
            if path and first[0] != ".aurora":
                tool = _folder_reason(first if path.endswith("/") else first[:-1], tracked=True)
                yield LeftOut(path=_shown(path), reason=tool or IGNORED)


def _is_known(common_dir: Path, root: Path, own: Path | None) -> bool:
    """Returns True if a worktree's repository is the project's own, lies in the project, or is gone."""
    if not common_dir.is_dir() or (own is not None and common_dir.resolve() == own.resolve()):
        return True
    return common_dir.resolve().is_relative_to(root)


def _folder_reason(folders: Sequence[str], *, tracked: bool) -> str:
    """Returns why files in these folders are left out; "" if they are not."""
    for folder in folders:
        if folder in TOOL_FOLDERS:
            return f"is a tool's own: {folder}/"
        if folder in _GENERATED_NAMES and not tracked:
            return f"is not tracked by git, in a folder that is often generated: {folder}/"
    return ""


def _judged(path: str, name: str, status: os.stat_result) -> Entry:
    lower = name.lower()
    if lower.endswith(_GENERATED_ENDINGS) or lower in _GENERATED_FILES:
        return LeftOut(path=_shown(path), reason=NAMED_GENERATED)
    if _CONFIDENTIAL.fullmatch(lower) or f"/{path}".lower().endswith(_CONFIDENTIAL_PLACES):
        return LeftOut(path=_shown(path), reason=CONFIDENTIAL)
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return SkippedFile(path=_shown(path), reason="its name is not UTF-8")
    if status.st_size > MAX_DATA_BYTES and lower[max(lower.rfind("."), 0) :] in DATA_SUFFIXES:
        return LeftOut(path=path, reason=LARGE_DATA)
    return FoundFile(path, status.st_size, status.st_mtime_ns)


def _walked(root: Path, top: str, paths: Sequence[str], excluded: IgnoreRules) -> Iterator[Entry]:
    """Yields the entries below a folder, by the rules of its ignore files."""
    rules: tuple[IgnoreRules, ...] = (excluded,) if excluded.patterns else ()
    at_top = f"{root}/{top}" if top else str(root)
    rules, complaints = _with_rules_of(f"{at_top}/.git/info/exclude", top, rules)
    yield from complaints
    pending = [(top, rules)]
    while pending:
        folder, rules = pending.pop()
        try:
            entries = sorted(os.scandir(f"{root}/{folder}"), key=_name)
        except OSError as error:
            yield SkippedFile(path=_shown(folder), reason=f"cannot be read: {error.strerror}")
            continue
        names = {entry.name for entry in entries}
        if ".git" in names and folder != top and linked_worktree(root / folder):
            yield LeftOut(path=_shown(f"{folder}/"), reason=OTHER_CHECKOUT)
            continue
        if not names.isdisjoint(IGNORE_FILES):
            rules, complaints = _with_rules_of(f"{root}/{folder}/.gitignore", folder, rules)
            yield from complaints
        inner: list[str] = []
        yield from _in_folder(folder, entries, paths, rules, inner)
        pending += [(path, rules) for path in reversed(inner)]


def _in_folder(
    folder: str,
    entries: Sequence[os.DirEntry[str]],
    paths: Sequence[str],
    rules: Sequence[IgnoreRules],
    inner: list[str],
) -> Iterator[Entry]:
    """Yields what is in a folder, and adds the folders to walk next to `inner`."""
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if paths and not any(_on_the_way(path, below) for below in paths):
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        reason = _reason(path, entry.name, rules, folder=is_folder)
        if reason:
            if entry.name != ".aurora":
                yield LeftOut(path=_shown(f"{path}/" if is_folder else path), reason=reason)
        elif is_folder:
            inner.append(path)
        elif (seen := _entry(path, entry)) is not None:
            yield seen


_name: Final = attrgetter("name")


def _on_the_way(path: str, below: str) -> bool:
    return path == below or path.startswith(f"{below}/") or below.startswith(f"{path}/")


def _reason(path: str, name: str, rules: Sequence[IgnoreRules], *, folder: bool) -> str:
    """Returns why an entry of a walked folder is left out; "" if it is not."""
    if folder and (reason := _folder_reason([name], tracked=False)):
        return reason
    # The innermost rule that says something decides, as in git.
    for rule in reversed(rules):
        verdict = rule.ignored(path, folder=folder)
        if verdict is not None:
            if verdict:
                return IGNORED
            break
    return ""


def _entry(path: str, entry: os.DirEntry[str]) -> Entry | None:
    """Returns what an entry of a walked folder is; None for a socket, a pipe or a device."""
    if entry.is_symlink():
        return LeftOut(path=_shown(path), reason=LINK)
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        return SkippedFile(path=_shown(path), reason=f"cannot be read: {error.strerror}")
    return _judged(path, entry.name, status) if stat.S_ISREG(status.st_mode) else None


def _with_rules_of(
    file: str, base: str, outer: tuple[IgnoreRules, ...]
) -> tuple[tuple[IgnoreRules, ...], tuple[SkippedFile, ...]]:
    """Returns the rules with those of an ignore file, if it exists, and its errors."""
    path = _shown(f"{base}/{Path(file).name}".lstrip("/"))
    try:
        content = read_regular(file, MAX_IGNORE_BYTES, follow=False)
    except (FileNotFoundError, NotADirectoryError):
        return outer, ()
    except OSError as error:
        return outer, (SkippedFile(path=path, reason=f"is not followed: {error.strerror}"),)
    rules = read_rules(content.decode("utf-8-sig", "replace").split("\n"), base)
    if not rules.bad_lines:
        return (*outer, rules), ()
    lines = ", ".join(map(str, rules.bad_lines[:5]))
    return (*outer, rules), (SkippedFile(path=path, reason=f"has lines that are not patterns: {lines}"),)


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
