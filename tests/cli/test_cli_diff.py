"""`aur diff`: the change of a task in any state, read without touching it, and of a whole run."""

from __future__ import annotations

import os
import pty
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import AUR
from tests.cli.finished_runs import Shed, writes
from tests.warm_python import WarmPopen

from aurora_cli.exits import ExitCode
from aurora_spawner import SpawnTask
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Aur = Callable[..., subprocess.CompletedProcess[str]]


def test_a_failed_task_shows_its_uncommitted_and_untracked_files_and_nothing_moves(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(SpawnTask("echo new > new.txt; echo edit >> app.py; rm .gitignore; exit 3", id="a")).run_id
    place = shed.worktree(run_id, "a")
    index = place / shed.repository("rev-parse", "--git-path", "index", folder=place)
    before = (index.read_bytes(), shed.repository("for-each-ref"))
    outcome = aur("diff", run_id, "a")
    assert outcome.returncode == ExitCode.DONE
    assert "+++ b/new.txt\n@@ -0,0 +1 @@\n+new\n" in outcome.stdout
    assert "+edit\n" in outcome.stdout
    assert "deleted file mode 100644" in outcome.stdout
    assert aur("diff", f"{run_id}/a").stdout == outcome.stdout, "as other commands name a task"
    assert aur("diff", f"{run_id}/a", "a").returncode == ExitCode.USAGE
    assert (index.read_bytes(), shed.repository("for-each-ref")) == before
    stat = aur("diff", run_id, "a", "--stat").stdout
    assert " 3 files changed, 2 insertions(+), 2 deletions(-)\n" in stat


def test_a_file_that_git_was_told_to_overlook_is_shown(aur: Aur, shed: Shed) -> None:
    command = "git update-index --assume-unchanged app.py; echo hidden >> app.py; exit 1"
    run_id = shed.run(SpawnTask(command, id="a")).run_id
    assert "+hidden\n" in aur("diff", run_id, "a").stdout


def test_a_patch_can_be_applied(aur: Aur, shed: Shed) -> None:
    command = "printf '\\000\\001\\377' > bin; git mv app.py moved.py; chmod +x moved.py; exit 1"
    run_id = shed.run(SpawnTask(command, id="a")).run_id
    patch = aur("diff", run_id, "a").stdout
    (shed.path.parent / "a.patch").write_text(patch)
    shed.repository("apply", str(shed.path.parent / "a.patch"))
    assert (shed.path / "bin").read_bytes() == b"\0\1\xff"
    assert os.access(shed.path / "moved.py", os.X_OK)


def test_a_merged_task_and_a_discarded_one_can_still_be_seen(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "same.txt", "a"), writes("b", "same.txt", "b")).run_id
    assert "+a\n" in aur("diff", run_id, "a").stdout
    aur("discard", run_id, "b", "--yes")
    assert "+b\n" in aur("diff", run_id, "b").stdout


def test_a_run_shows_what_its_merged_tasks_have_changed_and_not_what_others_did(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), writes("b", "b.txt", "b"), merge=MergeMode.ASK).run_id
    wanted = " a.txt | 1 +\n b.txt | 1 +\n 2 files changed, 2 insertions(+)\n"
    assert aur("diff", run_id, "--stat").stdout == wanted
    shed.repository.commit({"others.txt": "x\n"})
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE
    assert aur("diff", run_id, "--stat").stdout == wanted


def test_no_program_of_the_repository_is_started(aur: Aur, shed: Shed) -> None:
    trap = shed.path.parent / "trap.sh"
    trap.write_text(f'#!/bin/sh\ntouch {shed.path.parent}/sprung\ncat "$1"\n')
    trap.chmod(0o755)
    for name in ("diff.external", "diff.x.command", "diff.x.textconv", "core.pager", "pager.diff"):
        shed.repository("config", name, str(trap))
    (shed.path / ".git" / "info" / "attributes").write_text("* diff=x\n")
    run_id = shed.run(SpawnTask("echo edit >> app.py; exit 1", id="a")).run_id
    assert "+edit\n" in aur("diff", run_id, "a").stdout
    assert not (shed.path.parent / "sprung").exists()


def test_a_terminal_gets_the_users_pager_and_no_control_characters(shed: Shed) -> None:
    run_id = shed.run(SpawnTask("printf 'a\\033]0;x\\007b\\n' > new.txt; exit 1", id="a")).run_id
    pager = shed.path.parent / "pager.sh"
    pager.write_text("#!/bin/sh\necho paged; cat\n")
    pager.chmod(0o755)
    ours, theirs = pty.openpty()
    environ = {**os.environ, "PAGER": str(pager), "TERM": "xterm"}
    with WarmPopen([AUR, "diff", run_id, "a"], env=environ, stdin=theirs, stdout=theirs) as process:
        process.wait(timeout=50)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass  # the end of a terminal
    os.close(ours)
    assert shown.startswith(b"paged")
    assert b"\x1b[32m+" in shown
    assert b"a\\x1b]0;x\\x07b" in shown


@pytest.mark.parametrize("words", [(), ("a",)])
def test_a_run_that_never_started_has_nothing_to_show(aur: Aur, shed: Shed, words: tuple[str, ...]) -> None:
    run_id = shed.create(writes("a", "a.txt", "a")).run_id
    outcome = aur("diff", run_id, *words)
    assert outcome.returncode == ExitCode.USAGE
    assert "nothing of it is merged yet" in outcome.stderr or "there is no change to show" in outcome.stderr


def test_a_task_without_a_change_says_so(aur: Aur, shed: Shed) -> None:
    run_id = shed.run(SpawnTask("echo x", id="a")).run_id
    outcome = aur("diff", run_id, "a")
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (ExitCode.DONE, "", "nothing was changed\n")
