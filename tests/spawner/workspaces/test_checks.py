"""Checks: within their time, with all they started, in a checkout that nothing is delivered from."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.spawner.workspaces.repository import Repository, write
from tests.warm_python import WarmPopen

from aurora_spawner.tasks.checked import SHOWN_CHARACTERS
from aurora_spawner.tasks.work import Delivery
from aurora_spawner.workspaces.checks import CommandCheck, CommandRunner
from aurora_spawner.workspaces.errors import GitError, WorkspaceError
from aurora_spawner.workspaces.merge_queue import Check, MergeQueue, Work
from aurora_spawner.workspaces.results import commit_work
from aurora_spawner.workspaces.worktrees import Workspaces

RUNNER = CommandRunner(environment=os.environ, timeout_s=30)


def shell(workspaces: Workspaces, script: str, timeout_s: float = 30) -> CommandCheck:
    return CommandCheck(
        workspaces=workspaces, commands=(script,), runner=CommandRunner(environment=os.environ, timeout_s=timeout_s)
    )


@pytest.mark.parametrize(("script", "answer", "status"), [
    ("grep -q 'line 7' app.py", Check.PASSED, 0),
    ("exit 3", Check.FAILED, 3),
    ("kill -9 $$", Check.FAILED, -9),
])  # fmt: skip
def test_the_exit_status_is_the_answer(
    repository: Repository, workspaces: Workspaces, script: str, answer: Check, status: int
) -> None:
    check = shell(workspaces, script)
    assert check(repository("rev-parse", "main")) is answer
    assert [(each.status, each.changed) for each in check.reports] == [(status, ())]
    assert repository("worktree", "list").count("\n") == 0


def test_the_seconds_of_a_command_are_its_own(tmp_path: Path) -> None:
    def after() -> tuple[str, ...]:
        time.sleep(0.5)
        return ()

    (ran,) = RUNNER.run(["true"], tmp_path, after=after)
    assert ran.seconds < 0.5


def test_a_check_that_hangs_ends_with_all_that_it_started(
    repository: Repository, workspaces: Workspaces, tmp_path: Path
) -> None:
    """Nobody has the pipe open any more once its end can be read."""
    os.mkfifo(alive := tmp_path / "alive")
    check = shell(workspaces, f"trap '' TERM; exec 9>'{alive}'; echo begun; sleep 60 & sleep 60", timeout_s=0.5)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(alive.read_text)
        assert check(repository("rev-parse", "main")) is Check.FAILED
        assert reader.result(20) == ""
    assert [(each.status, each.output) for each in check.reports] == [(None, "begun\n")]


def test_a_process_in_the_background_does_not_hold_up_a_check(repository: Repository, workspaces: Workspaces) -> None:
    check = shell(workspaces, "setsid sleep 5 & exec sh -c 'exit 0'")
    assert check(repository("rev-parse", "main")) is Check.PASSED


def test_of_much_output_the_end_is_kept(repository: Repository, workspaces: Workspaces) -> None:
    check = shell(workspaces, "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end >&2")
    assert check(repository("rev-parse", "main")) is Check.PASSED
    output = check.reports[0].output
    assert output.endswith("x\nthe end\n")
    assert len(output) == SHOWN_CHARACTERS


def test_what_a_check_changes_is_told_and_not_delivered(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    write(worktree.path, {"new.py": "1\n"})
    result = commit_work(worktree, "More", trailers={})
    assert result.commit is not None
    spoil = "echo spoilt > app.py; echo 1 > junk; echo 1 > debug.log; git add .; git commit -qm own; echo 2 > junk"
    check = shell(workspaces, spoil)
    merging = MergeQueue(git=repository.git, run_id="run-1", target="main", base="main", check=check)
    assert merging.merge([Work(task_id="a", commit=result.commit, branch=worktree.branch)]).is_complete
    assert merging.deliver(update_checkout=True) is Delivery.FAST_FORWARDED
    assert repository.files("main") == [".gitignore", "app.py", "docs/guide.md", "new.py"]
    assert repository.shown("main", "app.py") == "".join(f"line {n}\n" for n in range(1, 21)).strip()
    assert [each.changed for each in check.reports] == [("HEAD", "junk")]
    assert workspaces.existing() == [worktree]


@pytest.mark.parametrize(
    ("script", "changed"), [("rm -rf .git; git init -q; chmod 500 docs", ()), ('rm -rf "$PWD"', (".",))]
)
def test_a_check_that_destroys_its_checkout_leaves_no_worktree(
    repository: Repository, workspaces: Workspaces, script: str, changed: tuple[str, ...]
) -> None:
    check = shell(workspaces, script)
    check(repository("rev-parse", "main"))
    assert [each.changed for each in check.reports] == [changed]
    assert repository("worktree", "list").count("\n") == 0
    assert shell(workspaces, "test -f docs/guide.md")(repository("rev-parse", "main")) is Check.PASSED


def test_a_program_that_is_missing_is_a_typed_error(repository: Repository, workspaces: Workspaces) -> None:
    check = CommandCheck(workspaces=workspaces, commands=("true", "no-such-program"), runner=RUNNER)
    with pytest.raises(WorkspaceError, match="'no-such-program' cannot run \\(exit status 127\\)"):
        check(repository("rev-parse", "main"))
    with pytest.raises(GitError):
        check("1" * 40)
    assert repository("worktree", "list").count("\n") == 0


def test_a_check_of_a_process_that_was_killed_is_cleared_away(repository: Repository, workspaces: Workspaces) -> None:
    program = (
        "import sys; from pathlib import Path; from aurora_spawner.workspaces.worktrees import Workspaces\n"
        "from aurora_spawner.workspaces.checks import CommandCheck, CommandRunner\n"
        "made = Workspaces(Path(sys.argv[1]), home=Path(sys.argv[2]), run_id='run-1')\n"
        "command = 'touch junk; echo go >&3; exec 3>&-; sleep 2'\n"
        "import os; os.dup2(1, 3); os.set_inheritable(3, True); from aurora_spawner.workspaces import checks\n"
        "child = checks.Child; checks.Child = lambda *a, **k: child(*a, **k, close_fds=False)\n"
        "runner = CommandRunner(environment=os.environ, timeout_s=60)\n"
        "CommandCheck(workspaces=made, commands=(command,), runner=runner)(sys.argv[3])"
    )
    head = repository("rev-parse", "main")
    start: list[str | Path] = [sys.executable, "-c", program, repository.path, workspaces.folder.parents[1], head]
    with WarmPopen[bytes](start, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"go\n"
        killed.send_signal(signal.SIGKILL)
    assert shell(workspaces, "test ! -e junk")(head) is Check.PASSED
    assert repository("worktree", "list").count("\n") == 0
