"""`.aurora/worktree.yaml` through `aur`: shown, trusted, and found by agents; an error in it lets nothing run."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.exhaustive import few
from tests.spawner.workspaces.repository import write

from aurora_cli.exits import ExitCode
from aurora_soar import Aurora

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

AGENT = """cat > /dev/null; cat secret.log big/data made.log; echo "$NAME $AURORA_PORT_COUNT"
git status --porcelain; echo 1 > one.txt"""
SEEN = "$SHOP_DATABASE,$OTHER_DATABASE"
FILE = """\
copy: [secret.log, gone.log]
link: [big]
setup: ["echo made > made.log"]
ports: 3
env: {NAME: "app_{task}"}
max_disk_gb: 2
regenerate: {"x.lock": "make lock"}
"""


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    made.repository.commit({"tasks.md": "- [ ] 1 Write it\n"})
    write(made.path, {"secret.log": "s3cret\n", "big/data": "data\n", ".aurora/worktree.yaml": FILE})
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(
        f"tool: sh\nbackends:\n  sh: {{kind: command, command: {json.dumps(['sh', '-c', AGENT])}}}\n"
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


def doctor(aur: Callable[..., CompletedProcess[str]]) -> dict[str, str]:
    """Returns what `aur doctor` says of the file."""
    found: list[dict[str, str]] = json.loads(aur("doctor", "--json").stdout)["findings"]
    return next(each for each in found if each["check"] == "worktrees")


def test_agents_find_it_and_nothing_of_it_is_merged(aur: Callable[..., CompletedProcess[str]], shed: Shed) -> None:
    done = aur("spawn", "tasks.md", "--yes", "--json")
    assert done.returncode == ExitCode.DONE, done.stderr
    document = json.loads(done.stdout)
    assert document["tasks"][0]["output"] == "s3cret\ndata\nmade\napp_1 3\n"
    assert "1 Write it: sets up its worktree: echo made > made.log" in done.stderr
    assert "worktrees: gone.log is not there, and is not copied" in done.stderr
    assert shed.repository.files("main") == [".gitignore", "app.py", "one.txt", "tasks.md"]
    assert shed.repository("status", "--porcelain", "--", "secret.log") == ""


def test_the_preview_shows_what_worktrees_have(aur: Callable[..., CompletedProcess[str]], shed: Shed) -> None:
    shown = aur("spawn", "tasks.md", "--dry-run").stdout
    assert (
        "  each worktree also has copies of secret.log, links to your own big (agents can write there), 3 ports of"
        " its own, the variables NAME\n"
        "  before its agent: echo made > made.log\n"
        "  at a merge, x.lock is regenerated with: make lock\n"
        "  note: gone.log is not there, and is not copied\n"
    ) in shown
    isolation = json.loads(aur("spawn", "tasks.md", "--dry-run", "--json").stdout)["isolation"]
    assert {name: isolation[name] for name in ("copied", "linked", "setup", "ports", "env", "max_disk")} == {
        "copied": ["secret.log"],
        "linked": ["big"],
        "setup": ["echo made > made.log"],
        "ports": 3,
        "env": {"NAME": "app_{task}"},
        "max_disk": 2_000_000_000,
    }
    assert isolation["notices"] == ["gone.log is not there, and is not copied"]


def test_what_a_clone_would_run_has_no_effect_until_it_is_trusted(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AURORA_TRUST")
    shed.leave_main()
    outcome = aur("spawn", "tasks.md", "--yes", "--json")
    output = json.loads(outcome.stdout)["tasks"][0]["output"]
    assert output == "s3cret\n 3\n"
    assert outcome.stderr.count("ignored until you trust this project: setup, env, regenerate, link") == 1
    shown = aur("trust").stdout
    for line in (
        "runs echo made > made.log",
        "sets NAME=app_{task}",
        "runs make lock",
        "agents can write to your big",
    ):
        assert line in shown
    assert "worktree.yaml" in shown
    assert aur("trust", "--yes").returncode == ExitCode.DONE
    assert doctor(aur)["level"] == "ok"
    (shed.path / "tasks.md").write_text("- [ ] 2 Again\n")
    assert "before its agent: echo made" in aur("spawn", "tasks.md", "--dry-run").stdout
    file = shed.path / ".aurora" / "worktree.yaml"
    file.write_text(FILE.replace("echo made", "echo other"))
    changed = aur("spawn", "tasks.md", "--dry-run")
    assert "before its agent" not in changed.stdout
    assert "ignored until you trust this project: setup, env, regenerate, link" in changed.stderr
    assert doctor(aur)["level"] == "warn"


@pytest.mark.parametrize(("text", "problem"), few([
    ("ports: 1\nsetupp: [x]\n", "worktree.yaml:2: setupp: is not a setting; did you mean setup?"),
    ("copy: [a, 1]\n", "worktree.yaml:1: copy.1: "),
], 1))  # fmt: skip
def test_an_error_in_it_lets_nothing_run(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, text: str, problem: str
) -> None:
    (shed.path / ".aurora" / "worktree.yaml").write_text(text)
    refused = aur("spawn", "tasks.md", "--yes")
    assert refused.returncode == ExitCode.USAGE
    assert problem in refused.stderr
    assert not shed.journal.exists()
    assert doctor(aur)["level"] == "fail"
    assert aur("spawn", "tasks.md", "--isolation", "none", "--dry-run").returncode == ExitCode.DONE


def test_a_path_that_cannot_be_linked_lets_nothing_run(aur: Callable[..., CompletedProcess[str]], shed: Shed) -> None:
    (shed.path / ".aurora" / "worktree.yaml").write_text("link: [app.py]\n")
    refused = aur("spawn", "tasks.md", "--yes")
    assert refused.returncode != ExitCode.DONE
    assert "app.py holds files that git tracks" in refused.stderr
    assert not shed.journal.exists()


@pytest.mark.parametrize("merge", few(["auto", "ask"], 1))
def test_set_up_and_checks_get_the_variables_that_all_agents_get(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, merge: str
) -> None:
    monkeypatch.setenv("SHOP_DATABASE", "db-7")
    monkeypatch.setenv("OTHER_DATABASE", "db-8")
    (shed.path / ".aurora" / "worktree.yaml").write_text(f"setup: ['echo setup {SEEN} >> {tmp_path}/seen']\n")
    user = tmp_path / "config" / "aurora" / "config.yaml"
    check = f"merge: {merge}\nenv_pass: [SHOP_*]\ncheck: ['echo check {SEEN} >> {tmp_path}/seen']\n"
    user.write_text(user.read_text() + check)
    done = aur("spawn", "tasks.md", "--yes", "--json")
    assert done.returncode == ExitCode.DONE, done.stderr
    if merge == "ask":
        assert aur("merge", json.loads(done.stdout)["run_id"], "--yes").returncode == ExitCode.DONE
    seen = (tmp_path / "seen").read_text().splitlines()
    assert len(seen) >= 3, "set-up, the check of the task's work, and that of the merged work"
    assert set(seen) == {"setup db-7,", "check db-7,"}


def test_a_failed_set_up_names_the_command_and_is_done_again(
    aur: Callable[..., CompletedProcess[str]], shed: Shed
) -> None:
    file = shed.path / ".aurora" / "worktree.yaml"
    file.write_text("setup: ['echo cannot; exit 7']\n")
    document = json.loads(aur("spawn", "tasks.md", "--yes", "--json").stdout)
    error = document["tasks"][0]["error"]
    assert "the set-up command 'echo cannot; exit 7' failed with exit status 7" in error
    assert error.endswith(": cannot")
    file.write_text(FILE)
    again = aur("resume", document["run_id"], "--retry-failed", "--yes", "--json")
    assert json.loads(again.stdout)["tasks"][0]["output"] == "s3cret\ndata\nmade\napp_1 3\n"


def test_a_check_of_merged_work_has_it_too(
    aur: Callable[..., CompletedProcess[str]], shed: Shed, tmp_path: Path
) -> None:
    user = tmp_path / "config" / "aurora" / "config.yaml"
    seen = "cat secret.log big/data made.log one.txt > $OLDPWD/../seen; echo $NAME $AURORA_PORT_COUNT"
    check = seen.replace("$OLDPWD/../seen", str(tmp_path / "seen")) + f" >> {tmp_path / 'seen'}"
    user.write_text(user.read_text() + f"check: [{json.dumps(check)}]\n")
    assert aur("spawn", "tasks.md", "--yes").returncode == ExitCode.DONE
    assert (tmp_path / "seen").read_text() == "s3cret\ndata\nmade\n1\napp_check 3\n"
    assert (shed.path / "big" / "data").read_text() == "data\n"


def test_the_list_shows_the_cap(aur: Callable[..., CompletedProcess[str]], shed: Shed) -> None:
    aur("spawn", "tasks.md", "--merge", "never")
    assert " in all of 2.0 GB (max_disk_gb)\n" in aur("worktrees", "list").stdout
    document = json.loads(aur("worktrees", "list", "--json").stdout)
    assert document["max_disk"] == 2_000_000_000
    assert os.path.isabs(document["worktrees"][0]["path"])  # noqa: PTH117 -- a text


def test_a_program_reads_it_by_the_project(shed: Shed) -> None:
    with Aurora.open(shed.path) as aurora:
        assert aurora.preparation.setup == ("echo made > made.log",)
        assert aurora.plan(shed.path / "tasks.md").isolation.contents.linked == ("big",)
