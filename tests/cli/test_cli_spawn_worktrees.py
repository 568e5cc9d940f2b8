"""`aur spawn` in a git repository: worktrees by default, a merge that tells the truth, boxes that follow it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.cli.terminals import on_terminal
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

AGENT = """cat > /dev/null
case $AURORA_TASK_ID in 1|2) echo $AURORA_TASK_ID > shared.txt;; *) pwd > place.txt;; esac
echo done"""
CONFIG = f"tool: sh\nbackends:\n  sh: {{kind: command, command: {json.dumps(['sh', '-c', AGENT])}}}\n"
TASKS = "- [ ] 1 First\n- [ ] 2 Second\n- [ ] 3 Third\n"


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    made.repository.commit({"tasks.md": TASKS})
    return made


def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """Writes the user's own configuration."""
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG + more)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def spawn(aur: Callable[..., CompletedProcess[str]], *more: str) -> CompletedProcess[str]:
    return aur("spawn", "tasks.md", "--order", "parallel", "--max-concurrent", "1", *more)


def boxes(shed: Shed) -> str:
    return "".join(line[3] for line in (shed.path / "tasks.md").read_text().splitlines())


def test_what_conflicts_is_named_and_its_box_stays_open(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, monkeypatch)
    outcome = spawn(aur, "--yes")
    assert outcome.returncode == ExitCode.NOT_REACHED, outcome.stderr
    assert "3 of 3 succeeded, 1 unmerged" in outcome.stdout
    assert "task 2 is unmerged: it conflicts with task 1 in shared.txt; its work is on aurora/" in outcome.stderr
    assert "merged into main" in outcome.stderr
    assert boxes(shed) == "x x"
    assert (shed.path / "shared.txt").read_text() == "1\n"
    assert str(shed.path) not in (shed.path / "place.txt").read_text()


def test_without_a_terminal_nothing_is_merged_unasked(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, monkeypatch)
    before = shed.repository("rev-parse", "main")
    document = json.loads(spawn(aur, "--json").stdout)
    assert document["merge"]["delivery"]["outcome"] is None
    assert shed.repository("rev-parse", "main") == before
    assert boxes(shed) == "x x"
    assert aur("merge", document["run_id"], "--yes").returncode == ExitCode.NOT_REACHED
    assert (shed.path / "shared.txt").read_text() == "1\n"


def test_in_the_folder_itself_if_asked_to(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, monkeypatch)
    outcome = spawn(aur, "--isolation", "none")
    assert outcome.returncode == ExitCode.DONE
    assert (shed.path / "place.txt").read_text().strip() == str(shed.path)


def test_the_policies_can_take_branches_away_unless_they_are_asked_for(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, monkeypatch)
    for policies in (tmp_path / "config" / "aurora", shed.path / ".aurora"):  # a project alone cannot loosen it
        (policies / "policies.yaml").write_text("safety: {auto_branch: false}\n")
    preview = spawn(aur, "--dry-run").stdout
    assert "tasks work in your checkout itself: the policies have auto_branch: false" in preview
    assert "checkout itself" not in spawn(aur, "--dry-run", "--isolation", "worktree").stdout
    assert spawn(aur).returncode == ExitCode.DONE
    assert (shed.path / "place.txt").read_text().strip() == str(shed.path)


def test_the_policies_name_the_branches_and_everything_finds_them_again(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, monkeypatch)
    policies = tmp_path / "config" / "aurora" / "policies.yaml"
    unasked = "destructive: {git_merge_main: {action: allow}}\n"
    policies.write_text(f"{unasked}safety: {{branch_prefix: team/bots}}\n")

    def branches() -> list[str]:
        return shed.repository("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").splitlines()

    shed.repository("branch", "team/bots/theirs/1")
    run_id = json.loads(spawn(aur, "--json").stdout)["run_id"]
    run = f"team/bots/{run_id}"
    assert branches() == ["main", *(f"{run}/{name}" for name in ("1", "2", "3", "integration")), "team/bots/theirs/1"]
    assert f"{run}/integration" in aur("runs", "show", run_id).stdout
    policies.write_text(f"{unasked}safety: {{branch_prefix: other}}\n")
    merged = aur("merge", run_id, "--yes")
    assert merged.returncode == ExitCode.NOT_REACHED, merged.stderr  # 2 conflicts with 1
    assert (shed.path / "shared.txt").read_text() == "1\n"
    assert aur("worktrees", "clean").returncode == ExitCode.DONE
    assert branches() == ["main", f"{run}/2", "team/bots/theirs/1"]
    (shed.path / ".aurora" / "runs.db").unlink()
    (left,) = json.loads(aur("worktrees", "list", "--json").stdout)["worktrees"]
    assert (left["branch"], left["state"]) == (f"{run}/2", "unmerged")


@pytest.mark.parametrize("words", [("--merge", "auto"), ("--include-dirty",)])
@pytest.mark.parametrize("none", ["option", "configuration", "no checkpoint"])
def test_what_is_for_worktrees_is_refused_where_there_will_be_none(
    aur: Callable[..., CompletedProcess[str]],
    shed: Shed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    none: str,
) -> None:
    configure(tmp_path, monkeypatch, "isolation: none\n" if none == "configuration" else "")
    more = {"option": ("--isolation", "none"), "no checkpoint": ("--no-checkpoint",)}.get(none, ())
    refused = spawn(aur, *more, *words)
    assert refused.returncode == ExitCode.USAGE
    assert "--include-dirty, --merge and --conflicts need worktrees, but the isolation is none" in refused.stderr
    assert boxes(shed) == "   "


@pytest.mark.parametrize("words", [("--isolation", "worktree"), ("--merge", "auto"), ("--include-dirty",)])
def test_a_resumed_run_keeps_its_isolation(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, words: tuple[str, ...]
) -> None:
    refused = aur("spawn", "--resume", "spawn-1", *words)
    assert refused.returncode == ExitCode.USAGE
    assert f"no effect with --resume: {words[0]}" in refused.stderr


def test_uncommitted_changes_join_if_asked_to(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, monkeypatch)
    (shed.path / "app.py").write_text("mine\n")
    shown = spawn(aur, "--dry-run").stdout
    assert "without 1 uncommitted file (--include-dirty adds them)" in shown
    document = json.loads(spawn(aur, "--include-dirty", "--yes", "--json").stdout)
    branch = document["merge"]["delivery"]["branch"]
    assert document["merge"]["delivery"]["outcome"] is None
    assert shed.repository.shown(branch, "app.py") == "mine"
    assert "[x]" not in shed.repository.shown(branch, "tasks.md")  # the boxes are Aurora's own
    assert (shed.path / "app.py").read_text() == "mine\n"
    shed.repository("commit", "-qm", "Mine", "app.py")
    assert aur("merge", document["run_id"], "--yes").returncode == ExitCode.NOT_REACHED  # 2 conflicts with 1
    assert (shed.path / "shared.txt").read_text() == "1\n"
    assert (shed.path / "app.py").read_text() == "mine\n"


def test_uncommitted_changes_are_not_merged_with_the_work(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, monkeypatch, "merge: auto\n")
    (shed.path / "app.py").write_text("mine\n")
    refused = spawn(aur, "--include-dirty", "--merge", "auto")
    assert refused.returncode == ExitCode.USAGE
    assert "--include-dirty and --merge auto exclude each other" in refused.stderr
    before = shed.repository("rev-parse", "main")
    shown = spawn(aur, "--include-dirty", "--dry-run").stdout
    assert "with 1 uncommitted file; not merged into main" in shown
    assert spawn(aur, "--include-dirty").returncode == ExitCode.NOT_REACHED
    assert shed.repository("rev-parse", "main") == before


@pytest.mark.parametrize(
    "words", few([pytest.param(()), pytest.param(("--yes",)), pytest.param(("--yes", "--bg"))], 1)
)
def test_a_resume_merges_unasked_only_if_the_user_agrees(
    aur: Callable[..., CompletedProcess[str]],
    shed: Shed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    agent = f"test -e {tmp_path}/go || exit 7; echo done | tee done.txt"
    configure(tmp_path, monkeypatch, f"  late: {{kind: command, command: {json.dumps(['sh', '-c', agent])}}}\n")
    shed.repository.commit({"tasks.md": "- [ ] 1 Wait\n  - Agent: late\n"})
    failed = spawn(aur, "--json")
    assert failed.returncode == ExitCode.NOT_REACHED
    (tmp_path / "go").touch()
    outcome = aur("resume", json.loads(failed.stdout)["run_id"], "--retry-failed", *words)
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    if "--bg" in words:
        wait_for(lambda: boxes(shed).startswith("x"))
        wait_for((shed.path / "done.txt").exists)
    assert (shed.path / "done.txt").exists() == bool(words)


@pytest.mark.parametrize("agrees", few([True, False], 1))
def test_a_user_on_a_terminal_is_asked_when_the_work_is_done(
    shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agrees: bool
) -> None:
    configure(tmp_path, monkeypatch)
    before = shed.repository("rev-parse", "main")
    words = ("spawn", "tasks.md", "--order", "parallel", "--max-concurrent", "1")
    status, written = on_terminal(*words, typed=f"y\n{'y' if agrees else 'n'}\n", TERM="dumb")
    assert status == ExitCode.NOT_REACHED  # 2 conflicts with 1
    assert "Merge it into main? [y/N]" in written
    assert ("main has the work" in written.split("[y/N]")[1]) == agrees
    assert (shed.repository("rev-parse", "main") != before) == agrees
    assert (shed.path / "shared.txt").exists() == agrees


def test_a_check_of_the_user_is_run_and_one_of_a_clone_is_not(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AURORA_TRUST", raising=False)
    shed.leave_main()
    configure(tmp_path, monkeypatch, 'check: ["echo of the user; test ! -e place.txt"]\n')
    (shed.path / ".aurora").mkdir(exist_ok=True)
    (shed.path / ".aurora" / "config.yaml").write_text(f'check: ["touch {tmp_path}/it-ran"]\nmerge: auto\n')
    outcome = spawn(aur, "--yes")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert not (tmp_path / "it-ran").exists()
    assert "check" in outcome.stderr.split("1 First")[0]  # what has no effect is named
    assert "the check `echo of the user; test ! -e place.txt` failed (exit status 1)" in outcome.stderr
    assert "verified: `echo of the user; test ! -e place.txt` passed in " in outcome.stderr
    assert boxes(shed) == "x  "
    assert not (shed.path / "place.txt").exists()


@pytest.mark.parametrize(
    ("edit", "exit_code"),
    [("", ExitCode.DONE), ("More of mine.\n", ExitCode.NOT_REACHED)],
    ids=["ticks alone", "an edit besides"],
)
def test_the_ticks_of_an_earlier_run_are_not_in_the_way_of_a_later_one(
    aur: Callable[..., CompletedProcess[str]],
    shed: Shed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edit: str,
    exit_code: ExitCode,
) -> None:
    configure(tmp_path, monkeypatch)
    two = "- [x] 1 A\n- [x] 2 B\n- [ ] 3 C\n"
    shed.repository.commit({"one.md": "# One\r\n\r\n* [ ] 1 First\r\n", "two.md": two})
    shed.repository("checkout", "-q", "-b", "topic")
    assert aur("spawn", "one.md", "--yes").returncode == ExitCode.DONE
    with (shed.path / "one.md").open("a", newline="") as file:
        file.write(edit)
    later = aur("spawn", "two.md", "--yes")
    assert later.returncode == exit_code, later.stderr
    assert ("without 1 uncommitted" in later.stderr + later.stdout) == bool(edit)
    assert (shed.path / "one.md").read_bytes() == b"# One\r\n\r\n* [x] 1 First\r\n" + edit.encode()
    assert (shed.path / "two.md").read_text() == two.replace("[ ]", "[x]")
    assert (shed.path / "place.txt").exists() == (not edit)
