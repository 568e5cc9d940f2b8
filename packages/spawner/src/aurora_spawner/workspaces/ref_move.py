"""The move of a checked out branch in two steps: nobody can switch the checkout to another branch in between."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.errors import LostStatusError
from aurora_spawner.workspaces.git import LOCK_WAIT_S, Git, end_group, time_limit

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

_WAIT: Final = f"core.filesRefLockTimeout={LOCK_WAIT_S * 1000:.0f}"
"""Git itself waits for another git that commits or switches at this moment."""


@contextmanager
def prepared_move(git: Git, ref: str, *, new: str, old: str) -> Iterator[Callable[[], None]]:
    """Locks a branch, and HEAD if that is on it, until the block ends; yields what moves the branch.

    Without that call, or if this process is killed, nothing has moved. `ORIG_HEAD` names the old commit, as after a
    merge.

    Raises:
        GitError: The branch is at another commit, another git holds a lock too long, or a hook of the user refuses.
    """
    arguments = ("update-ref", "-m", "aurora: deliver finished work", "--stdin")
    patient = Git(git.folder, git_dir=git.git_dir, settings=(_WAIT,))
    with patient.program(arguments) as process, time_limit(process):
        asked = _Asked(patient, arguments, process)
        try:
            asked.say(f"start\nupdate {ref} {new} {old}\nupdate ORIG_HEAD {old}\nprepare\n", answers=2)
            yield lambda: asked.say("commit\n", answers=1)
            with suppress(LostStatusError):  # its answers say whether the branch has moved, and not its status
                process.communicate()  # the end of its input aborts what was not committed
        finally:
            with suppress(LostStatusError):
                if process.poll() is None:
                    end_group(process)


class _Asked:
    """A git that takes orders on its input, and answers each with a line."""

    def __init__(self, git: Git, arguments: tuple[str, ...], process: subprocess.Popen[bytes]) -> None:
        self._git, self._arguments, self._process = git, arguments, process

    def say(self, orders: str, *, answers: int) -> None:
        """Gives orders.

        Raises:
            GitError: Git has ended instead of answering, with its words.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(orders.encode())
            process.stdin.flush()
            done = all(process.stdout.readline() for _ in range(answers))
        except BrokenPipeError:
            done = False
        if not done:
            assert process.stderr is not None
            stderr = process.stderr.read()
            said = stderr.decode(errors="replace").strip()
            raise self._git.failure(self._arguments, stderr, said or "git has ended")
