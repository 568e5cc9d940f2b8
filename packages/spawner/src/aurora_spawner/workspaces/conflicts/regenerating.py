"""Generated files, such as lock files, made again at a merge by the commands of `worktree.yaml`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.resolved import ResolvedFile, Resolver
from aurora_spawner.workspaces.checks import REPORTED_CHARACTERS
from aurora_spawner.workspaces.errors import CommandStoppedError
from aurora_spawner.workspaces.merging import TreeMerge, commit_merge

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from aurora_spawner.tasks.checked import CheckRun
    from aurora_spawner.workspaces.checks import CommandRunner
    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.worktrees import Workspaces

FILES_VARIABLE: Final = "AURORA_FILES"
"""Names the files that a command has to make again, one a line, relative to the folder that it runs in."""
_MERGE: Final = "Merged files, before generated ones are made again\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regenerator:
    """Makes generated files again in a checkout of merged files.

    Attributes:
        workspaces: of the run; they hold the checkout.
        commands: a shell command for each pattern of files. Paths are relative to `folder`.
        runner: runs them.
        folder: where they run, relative to the checkout; "." for its top.
        prepare: gives the checkout what a worktree has besides its commit, and returns further variables.
        task_id: the task for which the work of others is merged; None for the merge of a run.
    """

    workspaces: Workspaces
    commands: Mapping[str, str]
    runner: CommandRunner
    folder: str = "."
    prepare: Callable[[Git], Mapping[str, str]] = lambda _git: {}
    task_id: str | None = None
    _made: dict[tuple[str, tuple[str, ...]], TreeMerge] = field(default_factory=dict)
    """Earlier results: a bisection merges the same files several times."""

    def make(self, tree: str, parents: tuple[str, str], files: Sequence[str]) -> TreeMerge:
        """Runs the commands of files that were merged, in a checkout; only what matches their patterns is taken.

        Args:
            tree: The merged files; the generated ones are those of the first parent.
            parents: The commits that were merged.

        Raises:
            CommandStoppedError: It was stopped.
            WorkspaceError: The checkout cannot be made or prepared.
        """
        key = (tree, tuple(files))
        if key not in self._made:
            self._made[key] = self._make(tree, parents, files)
        return self._made[key]

    def resolved_files(self, files: Sequence[str]) -> tuple[ResolvedFile, ...]:
        """Returns these files with the commands that make them again."""
        return tuple(
            ResolvedFile(path=name, kind=Resolver.COMMAND, by=command)
            for pattern, command in self.commands.items()
            for name in matching(files, [pattern], folder=self.folder)
        )

    def _make(self, tree: str, parents: tuple[str, str], files: Sequence[str]) -> TreeMerge:
        commit = commit_merge(self.workspaces.git, tree, parents, _MERGE)
        resolved: list[ResolvedFile] = []
        with self.workspaces.checked_out(commit, task_id=self.task_id) as git:
            runner = self.runner.with_variables(self.prepare(git))
            given = frozenset(_changed(git))
            for pattern, command in self.commands.items():
                wanted = matching(files, [pattern], folder=self.folder)
                if not wanted:
                    continue
                names = "\n".join(os.path.relpath(name, self.folder) for name in wanted)
                done = self._run(command, git, runner.with_variables({FILES_VARIABLE: names}))
                if not done.passed:
                    return TreeMerge(tree=tree, is_clean=False, conflicts=wanted, problem=_problem(done, wanted))
                # Set-up may have changed a generated file, too.
                changed = [name for name in _changed(git) if name not in given or name in wanted]
                new = matching(changed, [pattern], folder=self.folder)
                if new:
                    paths = b"".join(os.fsencode(name) + b"\0" for name in new)
                    which = ("--pathspec-from-file=-", "--pathspec-file-nul")
                    git.run("add", "--force", "--all", "--sparse", *which, stdin=paths)
                resolved += [
                    ResolvedFile(path=name, kind=Resolver.COMMAND, by=command)
                    for name in dict.fromkeys([*wanted, *new])
                ]
            return TreeMerge(tree=git.text("write-tree"), is_clean=True, resolved=tuple(resolved))

    def _run(self, command: str, git: Git, runner: CommandRunner) -> CheckRun:
        try:
            return runner.run([command], git.folder / self.folder)[-1]
        except CommandStoppedError as error:
            problem = "the merge was interrupted; resume the run to complete it"
            raise CommandStoppedError(git.folder, problem) from error


def matching(files: Collection[str], patterns: Collection[str], *, folder: str) -> tuple[str, ...]:
    """Returns the files that match one of the patterns.

    Args:
        files: Relative to the repository.
        patterns: Relative to the folder; `*` matches slashes, too, and `**/` in front also matches nothing.
        folder: Relative to the repository; "." for its top.
    """
    return tuple(name for name in files if any(_matches(name, pattern, folder) for pattern in patterns))


def _matches(name: str, pattern: str, folder: str) -> bool:
    inside = name if folder == "." else name.removeprefix(f"{folder}/")
    if folder != "." and inside == name:
        return False
    return fnmatchcase(inside, pattern) or fnmatchcase(inside, pattern.removeprefix("**/"))


def _changed(git: Git) -> list[str]:
    listing = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
    return [entry[3:] for entry in git.run(*listing).fields]


def _problem(run: CheckRun, files: Sequence[str]) -> str:
    said = run.output.strip()[-REPORTED_CHARACTERS:] or "it printed nothing"
    return f"`{run.command}`, which makes {', '.join(files)} again, {run.ending}: {said}"
