"""Prepares worktrees for their agents: ports, copies and links, then the set-up commands; once for each worktree."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.storage.regular_files import read_regular
from aurora_spawner.workspaces.attic import put_away_lost
from aurora_spawner.workspaces.checkouts import linked_git_dir
from aurora_spawner.workspaces.checks import CANNOT_RUN, REPORTED_CHARACTERS
from aurora_spawner.workspaces.contents import MOST_FILES, Contents, find_contents
from aurora_spawner.workspaces.errors import SetupError, WorkspaceError
from aurora_spawner.workspaces.filling import fill
from aurora_spawner.workspaces.manifest import (
    Manifest,
    digest,
    excluding,
    read_manifest,
    sort_out,
    stamps,
    write_manifest,
)
from aurora_spawner.workspaces.ports import allot_ports
from aurora_spawner.workspaces.preparation import GIT_SETTINGS, Preparation, slug_of
from aurora_spawner.workspaces.present import present_commit
from aurora_spawner.workspaces.worktrees import Worktree

if TYPE_CHECKING:
    from collections.abc import Collection

    from aurora_spawner.workspaces.checks import CommandRunner
    from aurora_spawner.workspaces.git import Git

_IGNORE_BYTES: Final = 1_000_000
_KEEPS: Final = (
    "worktree.yaml has changed; worktrees that were prepared before keep their copies, links, set-up and ports until "
    "their tasks are discarded"
)
_KEPT: Final = "Changes in a worktree whose preparation was interrupted\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A worktree that is ready for its agent."""

    new: bool
    """False if an earlier call had prepared it."""
    port_base: int | None = None
    copied: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    setup_s: tuple[float, ...] = ()
    """The time that each set-up command took."""
    put_back: tuple[str, ...] = ()
    """Tracked files that set-up had changed, `HEAD` for commits: they are as in the base commit again."""
    notices: tuple[str, ...] = ()
    """A sentence for each thing that was asked for and that the worktree does not have."""


@dataclass(frozen=True)
class Preparer:
    """Prepares the worktrees of one run. Threads may share it.

    Attributes:
        source: git in the user's checkout.
        folder: the folder in which agents work, relative to it.
        home: the folder for the worktrees of all repositories.
    """

    source: Git
    folder: str
    home: Path
    preparation: Preparation
    _found: list[Contents] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def with_variables(self, worktree: Worktree) -> Worktree:
        """Returns a prepared worktree with the variables of its agent and its checks.

        Raises:
            WorkspaceError: The worktree is gone, or its manifest is damaged.
        """
        of_git = _git_variables(linked_git_dir(worktree.path))
        variables = {**self._variables(worktree, self.manifest_of(worktree)), **of_git}
        return replace(worktree, variables=variables)

    def manifest_of(self, worktree: Worktree) -> Manifest:
        """Returns what is known of a worktree; `prepare` has nothing to do if it is done.

        Raises:
            WorkspaceError: The worktree is gone, or its manifest is damaged.
        """
        return read_manifest(linked_git_dir(worktree.path)) or Manifest()

    def prepare(
        self,
        worktree: Worktree,
        runner: CommandRunner,
        *,
        token: str = "",
    ) -> Prepared:
        """Prepares a worktree; one that was prepared stays as it is, an interrupted preparation is done again.

        Args:
            runner: Runs the set-up commands, within the time that the preparation allows.
            token: A mark in their environment, by which a later call finds what a killed one has left running.

        Raises:
            SetupError: A set-up command failed.
            CommandStoppedError: It was stopped.
            WorkspaceError: Files cannot be copied or linked, or no ports are free.
        """
        git_dir = linked_git_dir(worktree.path)
        manifest = read_manifest(git_dir)
        asked = self.preparation.digest
        if manifest is not None and manifest.done:
            notices = (_KEEPS,) if manifest.asked not in ("", asked) else ()
            return Prepared(new=False, port_base=manifest.port_base, notices=notices)
        ports = self.preparation.ports
        base = allot_ports(self.home, worktree.path, ports).base if ports else None
        contents = self._contents()
        names = (*contents.copied, *contents.linked)
        if not names and not self.preparation.setup:
            self._write(git_dir, replace(manifest or Manifest(), done=True, asked=asked, port_base=base))
            return Prepared(new=True, port_base=base, notices=contents.notices)
        if manifest is None:
            head = worktree.git.text("rev-parse", "HEAD")
            begun = Manifest(
                port_base=base, head=head, before=tuple(_listed(worktree)), given=dict.fromkeys(names, "")
            )
        else:
            begun = replace(
                self._begun_again(worktree, manifest),
                port_base=base,
                given={**manifest.given, **dict.fromkeys(names, "")},
            )
        begun = replace(begun, asked=asked, token=token)
        self._write(git_dir, begun)
        return self._fill_and_set_up(worktree, begun, contents, runner)

    def _begun_again(self, worktree: Worktree, before: Manifest) -> Manifest:
        """Returns the manifest for a preparation that is done again, after a failure or a kill.

        What somebody has put there after a failure is no part of it: it stays, and counts as work.
        """
        (linked_git_dir(worktree.path) / "index.lock").unlink(missing_ok=True)  # of a git that was killed with it
        self._put_back(worktree, before, keep=True)
        new: tuple[str, ...] = ()
        if before.recorded:
            listed = _listed(worktree)
            ignored = [name for name, kind in listed.items() if kind == "!!"]
            changed = [name for name, kind in listed.items() if kind != "!!"]
            kept, hidden = sort_out(worktree.path, before, changed=changed, ignored=ignored)
            new = tuple(name for name in (*kept, *hidden) if name not in before.given)
        return replace(before, before=(*before.before, *new), made={}, products={}, recorded=False)

    def prepare_checkout(self, git: Git, run_id: str, runner: CommandRunner) -> dict[str, str]:
        """Prepares a checkout that nobody works in, such as that of a check; returns its variables.

        Args:
            git: In the checkout, which is deleted afterwards.

        Raises:
            SetupError, CommandStoppedError, WorkspaceError: As `prepare`.
        """
        place, ports, contents = git.folder, self.preparation.ports, self._contents()
        base = allot_ports(self.home, place, ports).base if ports else None
        checkout = Worktree(path=place, branch="", base="HEAD", run_id=run_id, task_id=place.name.lstrip("."))
        fill(place, self.source.folder, contents, tracked=_tracked(git, (*contents.copied, *contents.linked)))
        variables = self._variables(checkout, Manifest(port_base=base))
        self._set_up(checkout, runner.with_variables(variables))
        return variables

    def _fill_and_set_up(
        self,
        worktree: Worktree,
        begun: Manifest,
        contents: Contents,
        runner: CommandRunner,
    ) -> Prepared:
        names = (*contents.copied, *contents.linked)
        tracked = _tracked(worktree.git, names)
        notices = fill(worktree.path, self.source.folder, contents, tracked=tracked)
        given = [name for name in begun.given if name not in tracked]  # with those of an earlier, interrupted call
        problem, seconds = None, tuple[float, ...]()
        try:
            seconds = self._set_up(worktree, runner.with_variables(self._variables(worktree, begun)))
        except WorkspaceError as error:
            problem = error
        try:
            put_back = self._record(worktree, begun, given, done=problem is None)
        except WorkspaceError:
            if problem is None:
                raise
            put_back = ()
        if problem is not None:
            raise problem
        return Prepared(
            new=True,
            port_base=begun.port_base,
            copied=tuple(name for name in contents.copied if name in given),
            linked=tuple(name for name in contents.linked if name in given),
            setup_s=seconds,
            put_back=put_back,
            notices=(*contents.notices, *notices),
        )

    def _set_up(self, worktree: Worktree, runner: CommandRunner) -> tuple[float, ...]:
        """Runs the set-up commands; returns the time that each of them took."""
        commands = self.preparation.setup
        if not commands:
            return ()
        within = replace(runner, timeout_s=self.preparation.setup_timeout_s)
        runs = within.run(commands, worktree.path / self.folder, until=lambda: not self._is_there(worktree))
        last = runs[-1]
        if not last.passed:
            problem = self._problem(last.status, last.seconds)
            raise _setup_error(worktree, last.command, problem, status=last.status, output=last.output)
        if not self._is_there(worktree):
            problem = "has removed the worktree"
            raise _setup_error(worktree, last.command, problem, status=last.status, output=last.output)
        return tuple(run.seconds for run in runs)

    def _is_there(self, worktree: Worktree) -> bool:
        return (worktree.path / ".git").is_file() and (worktree.path / self.folder).is_dir()

    def _problem(self, status: int | None, seconds: float) -> str:
        if status is None:
            return f"was ended after {seconds:.0f} s, all set-up may take {self.preparation.setup_timeout_s:.0f} s"
        how = f"by signal {-status}" if status < 0 else f"with exit status {status}"
        missing = "; a program is missing, or cannot be started" if status in CANNOT_RUN else ""
        return f"failed {how} after {seconds:.1f} s{missing}"

    def _record(self, worktree: Worktree, begun: Manifest, given: Collection[str], *, done: bool) -> tuple[str, ...]:
        """Writes down what is in the worktree now, tracked files put back; returns their names."""
        put_back = self._put_back(worktree, begun, keep=False) if self.preparation.setup else ()
        listed = _listed(worktree) if self.preparation.setup else {}
        known = {*begun.before, *given}
        new = {name: kind for name, kind in listed.items() if name not in known}
        made = [name for name, kind in new.items() if kind == "??"]
        if len(made) > MOST_FILES:
            problem = f"has made {len(made)} files that git does not ignore, such as {made[0]}; ignore them"
            raise _setup_error(worktree, self.preparation.setup[-1], problem, status=0, output="")
        manifest = replace(
            begun,
            done=done,
            recorded=True,
            given=stamps(worktree.path, given),
            made=stamps(worktree.path, made),
            products={name: digest(worktree.path, name) for name, kind in new.items() if kind == "!!"},
        )
        self._write(linked_git_dir(worktree.path), manifest)
        return put_back

    def _put_back(self, worktree: Worktree, begun: Manifest, *, keep: bool) -> tuple[str, ...]:
        """Undoes what was done to tracked files and to HEAD since the preparation began; returns what it was.

        Args:
            keep: First put it into the attic: the user may have worked there after a preparation that had failed.
        """
        git, branch = worktree.git, f"refs/heads/{worktree.branch}"
        on = git.branch()
        moved = on != branch or git.commit_of("HEAD") != begun.head
        question = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no")
        changed = [entry[3:] for entry in git.run(*question).fields if entry[3:] not in begun.before]
        if not moved and not changed:
            return ()
        if keep:
            git.run("update-ref", "--no-deref", "HEAD", present_commit(worktree, _KEPT))
        if moved or keep:
            git.run("symbolic-ref", "HEAD", branch)
            git.run("update-ref", branch, begun.head)
            put_away_lost(git, worktree.branch, kept=(begun.head, worktree.base))
            differ = git.run("diff-index", "--cached", "--name-only", "--no-renames", "-z", begun.head, "--").fields
            changed = list(dict.fromkeys([*changed, *(name for name in differ if name not in begun.before)]))
        _restore(git, begun.head, changed)
        return (*(("HEAD",) if moved else ()), *changed)

    def _contents(self) -> Contents:
        """Returns what the checkout had when the first worktree was prepared: the same for all tasks."""
        with self._turn:
            if not self._found:
                self._found.append(find_contents(self.source, self.folder, self.preparation))
            return self._found[0]

    def _variables(self, worktree: Worktree, manifest: Manifest) -> dict[str, str]:
        return self.preparation.variables(
            slug=slug_of(worktree.path),
            port_base=manifest.port_base,
            run_id=worktree.run_id,
            task_id=worktree.task_id,
        )

    def _write(self, git_dir: Path, manifest: Manifest) -> None:
        names = (*manifest.given, *manifest.made)
        try:
            write_manifest(git_dir, manifest, also_ignored=_ignored_everywhere(self.source) if names else b"")
        except OSError as error:
            raise WorkspaceError(git_dir, f"cannot be written to: {error.strerror}") from error


def _setup_error(worktree: Worktree, command: str, problem: str, *, status: int | None, output: str) -> SetupError:
    return SetupError(worktree.path, problem, command=command, status=status, output=output[-REPORTED_CHARACTERS:])


def _restore(git: Git, commit: str, names: Collection[str]) -> None:
    """Makes files in the index, and those that a commit has on the disk, as they are there."""
    from_input = ("--pathspec-from-file=-", "--pathspec-file-nul")
    if names:
        paths = b"".join(os.fsencode(name) + b"\0" for name in names)
        git.run("reset", "--quiet", *from_input, commit, stdin=paths)
        wanted = frozenset(names)
        differ = [name for name in git.run("diff-files", "--name-only", "-z").fields if name in wanted]
        paths = b"".join(os.fsencode(name) + b"\0" for name in differ)
        if differ:
            git.run("restore", "--worktree", f"--source={commit}", *from_input, stdin=paths)


def _listed(worktree: Worktree) -> dict[str, str]:
    """Returns what git lists of a worktree, each with the two letters of its state: untracked files one by one."""
    question, found = ("status", "--porcelain=v1", "-z", "--no-renames"), dict[str, str]()
    for which in (("--untracked-files=all",), ("--untracked-files=normal", "--ignored=traditional")):
        found |= {
            entry[3:]: entry[:2] for entry in worktree.git.run(*question, *which).fields if _is_told(entry, which)
        }
    return found


def _is_told(entry: str, which: tuple[str, ...]) -> bool:
    """Returns True if an entry is of the kind that is asked for: the second question is only about ignored files."""
    return len(which) == 1 or entry.startswith("!!")


def _tracked(git: Git, names: Collection[str]) -> frozenset[str]:
    """Returns those of the names that git tracks, or tracks something in."""
    if not names:
        return frozenset()
    paths = git.run("ls-files", "-z").fields
    folders = {str(folder) for path in paths for folder in _folders_above(path)}
    return frozenset(names) & {*paths, *folders}


def _folders_above(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _ignored_everywhere(git: Git) -> bytes:
    """Returns the patterns of the user's own that git ignores in every repository."""
    named = git.text_of_setting("core.excludesFile", kind="path")
    base = os.environ.get("XDG_CONFIG_HOME") or f"{os.environ.get('HOME', '')}/.config"
    try:
        return read_regular(Path(named or f"{base}/git/ignore"), limit=_IGNORE_BYTES)
    except OSError:
        return b""  # git does without it, too


def _git_variables(git_dir: Path) -> dict[str, str]:
    """Returns variables by which an agent's git ignores what the worktree was given, so that it is not committed."""
    variables: dict[str, str] = {}
    for setting in excluding(git_dir):
        name, _, value = setting.partition("=")
        variables |= {f"{GIT_SETTINGS}KEY_0": name, f"{GIT_SETTINGS}VALUE_0": value, f"{GIT_SETTINGS}COUNT": "1"}
    return variables
