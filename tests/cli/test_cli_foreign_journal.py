"""A journal that comes with a clone: nothing of it is followed, whatever its texts are."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, writes
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_spawner.tasks.work import TaskWork
from aurora_spawner.workspaces.isolation import Isolation, MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Aur = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_id(shed: Shed, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a run that another user has made: work of its tasks waits to be merged."""
    made = shed.run(writes("a", "a.txt", "a"), writes("b", "b.txt", "b"), merge=MergeMode.NEVER).run_id
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("victim")))
    return made


def hostile(shed: Shed, monkeypatch: pytest.MonkeyPatch, kind: type, field: str, value: str) -> str:
    """Returns the name of a run whose journal is in order, but for one value that its writer chose."""
    to_json = kind.to_json  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(kind, "to_json", lambda self: {**to_json(self), field: value})
        return shed.run(writes("a", "a.txt", "a"), writes("b", "b.txt", "b"), merge=MergeMode.NEVER).run_id


@pytest.mark.parametrize(
    "words",
    few(map(pytest.param, [("diff", "a"), ("diff",), ("merge", "--yes"), ("discard", "a", "--yes"), ("resume",)]), 2),
)
def test_a_run_of_somebody_else_is_not_followed(aur: Aur, shed: Shed, run_id: str, words: tuple[str, ...]) -> None:
    refs, files = shed.repository("for-each-ref"), shed.users_files()
    outcome = aur(words[0], run_id, *words[1:])
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "was not written by you in this place, and may come with a clone" in outcome.stderr
    assert "--accept-changes" in outcome.stderr
    assert (shed.repository("for-each-ref"), shed.users_files()) == (refs, files)


def test_a_copied_journal_can_be_accepted(aur: Aur, shed: Shed, run_id: str) -> None:
    assert aur("merge", run_id, "--yes", "--accept-changes").returncode == ExitCode.DONE
    assert (shed.path / "a.txt").read_text() == "a\n"
    assert aur("diff", run_id, "a").returncode == ExitCode.DONE, "it is the user's own from then on"


COMMANDS = (
    ("runs", "show", "RUN"),
    ("worktrees", "list"),
    ("diff", "RUN", "a", "--accept-changes"),
    ("diff", "RUN", "--accept-changes"),
    ("merge", "RUN", "--yes", "--accept-changes"),
    ("discard", "RUN", "a", "--yes", "--accept-changes"),
    ("resume", "RUN", "--accept-changes"),
    ("runs", "clean", "--older-than", "0"),
)


def follow(aur: Aur, run_id: str) -> list[str]:
    """What each command says of a run, of all that a user might try."""
    outcomes = [aur(*(run_id if word == "RUN" else word for word in words)) for words in COMMANDS]
    assert not any("Traceback" in outcome.stderr for outcome in outcomes)
    return [outcome.stderr for outcome in outcomes]


@pytest.mark.parametrize("field", few(["base", "commit", "branch"], 1))
def test_no_text_of_a_journal_becomes_an_option_of_git(
    aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    run_id = hostile(shed, monkeypatch, TaskWork, field, f"--output={tmp_path}/overwritten")
    assert any(f"{field} must be" in said for said in follow(aur, run_id))
    assert not (tmp_path / "overwritten").exists()


@pytest.mark.parametrize(
    ("field", "value"), few([("base", "--output=x"), ("folder", "../.."), ("folder", "/etc")], 1)
)
def test_no_isolation_of_a_journal_leads_out_of_its_repository(
    aur: Aur, shed: Shed, monkeypatch: pytest.MonkeyPatch, field: str, value: str
) -> None:
    run_id = hostile(shed, monkeypatch, Isolation, field, value)
    assert any("must be the name of a commit" in said or "is not in it" in said for said in follow(aur, run_id))


def test_a_bare_repository_in_a_clone_runs_no_hook(
    aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil, ran = shed.path / "vendor" / "evil", tmp_path / "it-ran"
    run_id = hostile(shed, monkeypatch, Isolation, "repository", str(evil))
    subprocess.run(["git", "clone", "-q", "--bare", str(shed.path), str(evil)], check=True)
    subprocess.run(["git", "-C", str(evil), "config", "core.worktree", str(shed.path)], check=True)
    subprocess.run(["git", "-C", str(evil), "config", "core.bare", "false"], check=True)
    for name in ("reference-transaction", "post-index-change", "post-checkout", "pre-commit"):
        (evil / "hooks" / name).write_text(f"#!/bin/sh\ntouch '{ran}'\n")
        (evil / "hooks" / name).chmod(0o755)
    assert any("bareRepository" in said for said in follow(aur, run_id))
    assert not ran.exists()


def test_a_journal_that_is_a_link_is_left_alone(aur: Aur, shed: Shed, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    shutil.rmtree(shed.path / ".aurora")
    (shed.path / ".aurora").mkdir()
    shed.journal.symlink_to(program)
    outcome = aur("runs", "list")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "is a link" in outcome.stderr
    assert program.stat().st_mode & 0o777 == 0o755
