"""Changes of files, the folder of an operation, links, and what a worktree of its own adds."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fuzz.bounded import bounded
from tests.policies.commands import HOME, WORKSPACE, ask

from aurora_policies import Operation, OperationType, Policies, PolicyResult
from aurora_policies.check import ANALYSIS_FAILED, check
from aurora_policies.repository import read_repository, workspace_of


def change(
    kind: OperationType, *files: str, workspace: Path = WORKSPACE, cwd: Path | None = None, isolated: bool = False
) -> PolicyResult:
    operation = Operation(
        type=kind, files=files, workspace=workspace, cwd=cwd or workspace, home=HOME, isolated=isolated
    )
    return check(operation, Policies())


@pytest.mark.parametrize(
    ("kind", "file", "action", "rule"),
    [
        (OperationType.WRITE, "src/a.py", "allow", None),
        (OperationType.WRITE, ".env", "prompt", "protected_paths"),
        (OperationType.EDIT, "./vendor/../.env", "prompt", "protected_paths"),
        (OperationType.EDIT, ".git/hooks/pre-commit", "prompt", "protected_paths"),
        (OperationType.WRITE, ".aurora/policies.yaml", "prompt", "self_protection"),
        (OperationType.WRITE, "/home/user/.claude/settings.json", "prompt", "self_protection"),
        (OperationType.WRITE, "/etc/hosts", "prompt", "system_damage"),
        (OperationType.WRITE, "../other/a.py", "prompt", "worktree_escape"),
        (OperationType.WRITE, "/tmp/notes.txt", "allow", None),
        (OperationType.DELETE, "src/a.py", "allow", None),
        (OperationType.DELETE, "../a.py", "prompt", "file_delete"),
        (OperationType.DELETE, "/etc/passwd", "deny", "file_delete"),
        (OperationType.DELETE, ".env", "prompt", "protected_paths"),
    ],
)
def test_a_change_of_a_file_is_an_effect(kind: OperationType, file: str, action: str, rule: str | None) -> None:
    found = change(kind, file)
    assert (found.action, found.rule) == (action, rule)


@pytest.mark.parametrize("kind", [OperationType.WRITE, OperationType.EDIT, OperationType.DELETE])
@pytest.mark.parametrize("odd", ["a\ud800", "\udcff", ".env\ud800", "\ue000", "a/\ud800"])
def test_a_path_that_no_disk_has_is_a_prompt(kind: OperationType, odd: str) -> None:
    found = change(kind, odd)
    assert found.action == "prompt"
    assert ANALYSIS_FAILED not in found.reason


@pytest.mark.parametrize("kind", [OperationType.WRITE, OperationType.EDIT, OperationType.DELETE])
def test_a_folder_that_no_disk_has_is_a_prompt(kind: OperationType) -> None:
    assert change(kind, "a", workspace=Path("/w\ud800")).action == "prompt"
    assert change(kind, "a", cwd=WORKSPACE / "\ud800").action == "prompt"


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("/opt2/tool/hook.py", "self_protection"),
        ("/opt2/tool/lib/deep/a.py", "self_protection"),
        ("/opt2/tool", "self_protection"),
        ("/opt2", "self_protection"),
        ("tools/venv/bin/python", "self_protection"),
        ("tools/venv", "self_protection"),
        ("tools", "self_protection"),
        ("tools/other.py", None),
        ("src/a.py", None),
        ("/opt2/other", "worktree_escape"),
    ],
)
def test_further_controls_are_guarded(file: str, rule: str | None) -> None:
    tool = Path("/opt2/tool")
    places = (tool / "hook.py", tool / "lib", WORKSPACE / "tools/venv", WORKSPACE, HOME)
    operation = Operation(type=OperationType.WRITE, files=(file,), workspace=WORKSPACE, home=HOME, controls=places)
    assert check(operation, Policies()).rule == rule


def test_a_change_of_very_many_files_is_answered_within_bounds() -> None:
    files = [f"{number}.txt" for number in range(50_000)]
    assert bounded(change, OperationType.WRITE, *files).rule == "max_files_modified"
    assert bounded(change, OperationType.DELETE, *files).rule == "file_delete"


def test_more_than_max_files_deletes_are_too_many() -> None:
    names = [f"{number}.txt" for number in range(6)]
    assert change(OperationType.DELETE, *names[:5]).action == "allow"
    assert change(OperationType.DELETE, *names).rule == "file_delete"


def test_a_link_on_disk_leads_to_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / "notes.txt").symlink_to(".env")
    (tmp_path / "out").symlink_to("/etc")
    assert change(OperationType.WRITE, "notes.txt", workspace=tmp_path).rule == "protected_paths"
    assert ask("echo x > notes.txt", workspace=tmp_path).rule == "protected_paths"
    assert ask("rm out/passwd", workspace=tmp_path).action == "deny"


@pytest.mark.parametrize(
    "command",
    [
        "git -C ../main status",
        "git --git-dir=/home/user/main/.git log",
        "GIT_DIR=/home/user/main/.git git status",
        "echo x > ../main/a",
        "cd .. && touch a",
        "cp a /home/user/b",
    ],
)
def test_an_isolated_task_stays_in_its_worktree(command: str) -> None:
    assert ask(command).action == "allow"
    found = ask(command, isolated=True)
    assert (found.action, found.rule) == ("prompt", "worktree_escape")


WORKTREE = HOME / ".aurora" / "worktrees" / "shop-1a2b" / "spawn-1" / "1"


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("src/a.py", None),
        (f"{WORKTREE}/src/a.py", None),
        (".aurora/policies.yaml", "self_protection"),
        (".claude/settings.json", "self_protection"),
        ("../2/src/a.py", "self_protection"),
        (f"{HOME}/.aurora/trust.json", "self_protection"),
        (f"{HOME}/.config/aurora/policies.yaml", "self_protection"),
        (f"{HOME}/.claude/settings.json", "self_protection"),
    ],
)
def test_a_worktree_at_home_is_its_tasks_own_and_everything_around_it_is_not(file: str, rule: str | None) -> None:
    assert change(OperationType.WRITE, file, workspace=WORKTREE, isolated=True).rule == rule
    assert ask(f"echo x > {file}", workspace=WORKTREE, isolated=True).rule == rule


WORKER = HOME / ".config" / "aurora" / "workers" / "big--w1"
ON_WORKER = WORKER / "trees" / "worktrees" / "repository-1a2b" / "spawn-1" / "1-1"


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("src/a.py", None),
        (f"{ON_WORKER}/src/a.py", None),
        (".aurora/policies.yaml", "self_protection"),
        ("../2-1/src/a.py", "self_protection"),
        (f"{WORKER}/gate.sock", "self_protection"),
        (f"{WORKER}/attempts/token/judged.jsonl", "self_protection"),
        (f"{HOME}/.config/aurora/policies.yaml", "self_protection"),
    ],
)
def test_a_worktree_of_a_worker_is_its_tasks_own_and_the_worker_is_not(file: str, rule: str | None) -> None:
    assert change(OperationType.WRITE, file, workspace=ON_WORKER, isolated=True).rule == rule
    assert ask(f"echo x > {file}", workspace=ON_WORKER, isolated=True).rule == rule
    assert change(OperationType.WRITE, f"{WORKER}/gate.sock", workspace=WORKER / "trees").rule == "self_protection"


def test_an_isolated_task_works_inside_its_worktree() -> None:
    for command in ("git -C sub status", "echo x > a", "cd src && touch a", "cp a /tmp/b", "git commit -am x"):
        assert ask(command, isolated=True).action == "allow", command


def test_the_branch_and_the_aliases_of_the_repository_count() -> None:
    assert ask("git push", branch="main").rule == "git_push_main"
    assert ask("git yolo", settings={"alias.yolo": "push --force"}).rule == "git_force_push"
    assert ask("git x", settings={"alias.x": "!rm -rf build"}).rule == "file_delete"
    assert ask("git push", settings={"remote.origin.push": "+HEAD:main"}).action == "deny"


def test_a_repository_is_read_from_its_files(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "refs/remotes/origin").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/work\n")
    (git / "config").write_text('[alias]\n\tp = push --force\n[branch "work"]\n\tmerge = refs/heads/main\n')
    (git / "refs/remotes/origin/HEAD").write_text("ref: refs/remotes/origin/develop\n")
    (tmp_path / "sub").mkdir()
    found = read_repository(tmp_path / "sub")
    assert found.branch == "work"
    assert found.default_branch == "develop"
    assert found.settings["alias.p"] == "push --force"
    assert found.settings["branch.work.merge"] == "refs/heads/main"
    assert workspace_of(tmp_path / "sub") == tmp_path


def test_scripts_of_the_workspace_are_read(tmp_path: Path) -> None:
    (tmp_path / "clean.sh").write_text("#!/bin/sh\nrm -rf build\n")
    (tmp_path / "ok.sh").write_text("#!/bin/sh\necho ok\n")
    (tmp_path / "drop.sql").write_text("drop table users;\n")
    (tmp_path / "package.json").write_text('{"scripts": {"wipe": "rimraf dist", "test": "jest"}}')
    (tmp_path / "Makefile").write_text("D = build\nclean:\n\trm -rf $(D)\ntest: ok\n\tpytest\nok:\n\techo ok\n")
    (tmp_path / "justfile").write_text("wipe:\n    rm -rf build\nok:\n    echo ok\n")
    wanted = {
        "bash clean.sh": "file_delete",
        "./clean.sh": "file_delete",
        ". ./clean.sh": "file_delete",
        "psql -f drop.sql": "drop_table",
        "psql < drop.sql": "drop_table",
        "cat drop.sql | psql": "drop_table",
        "npm run wipe": "file_delete",
        "yarn wipe": "file_delete",
        "make clean": "file_delete",
        "just wipe": "file_delete",
        "bash ok.sh": None,
        "npm test": None,
        "make test": None,
        "just ok": None,
    }
    assert {command: ask(command, workspace=tmp_path).rule for command in wanted} == wanted


def test_a_python_environment_may_be_activated(tmp_path: Path) -> None:
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "activate").write_text('unset PYTHONHOME\nPATH="$VIRTUAL_ENV/bin:$PATH"\nexport PATH\n')
    assert ask("source .venv/bin/activate", workspace=tmp_path).rule == "code_injection"
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    assert ask("source .venv/bin/activate && pytest", workspace=tmp_path).rule is None
    assert ask("PATH=/x; source .venv/bin/activate", workspace=tmp_path).rule == "code_injection"
    (folder / "activate").write_text("PATH=x:$PATH\nrm -rf src\n")
    assert ask("source .venv/bin/activate", workspace=tmp_path).rule == "file_delete"
