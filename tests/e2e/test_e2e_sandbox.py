"""Real agent CLIs work inside the sandbox, and reach nothing outside of their workspace."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from aurora_spawner.journal.facts import AttemptEnded, AttemptStarted
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.stage import Played, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ERRORS = {"bubblewrap": "EROFS", "landlock": "EACCES"}
CASES = [(kind, mechanism, own) for kind in ("claude", "codex") for mechanism in ERRORS for own in (False, True)]


def without_bubblewrap(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program of its name first that does not work, as where user namespaces are forbidden."""
    program = folder / "broken" / "bwrap"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'no permission to make a new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def facts(played: Played) -> tuple[AttemptStarted, AttemptEnded]:
    """Returns the journal's facts of the only attempt."""
    with Journal(played.stage.project / ".aurora" / "runs.db") as journal:
        found = [each.fact for each in load_events(journal, played.document["run_id"])]
    (started,) = [each for each in found if isinstance(each, AttemptStarted)]
    (ended,) = [each for each in found if isinstance(each, AttemptEnded)]
    return started, ended


@pytest.mark.parametrize(("kind", "mechanism", "own"), CASES)
def test_an_agent_works_and_cannot_write_outside(
    kind: str,
    mechanism: str,
    own: bool,
    stage: Stage,
    need: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a configuration of its own (`isolated`), and with the user's, which it has to write to."""
    need(kind)
    if mechanism == "landlock":
        without_bubblewrap(stage.folder, monkeypatch)
    elif shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed: apt-get install bubblewrap")
    stage.commits = True
    stage.options = ["--merge", "never"]
    stage.policies = "sandbox: {mode: require}\n"
    stage.add_agent(kind, "escape", f"{kind}-{mechanism}-{own}", isolated=own)
    stage.add_task(f"{kind}-{mechanism}-{own}")
    played = stage.play()
    assert played.task["state"] == "succeeded", played.task["error"]
    assert f"sandboxed by {mechanism} (a write outside: {ERRORS[mechanism]})" in played.told
    assert not (stage.home / "escaped.txt").exists()
    started, ended = facts(played)
    assert started.sandbox is not None
    assert (started.sandbox["sandboxed"], started.sandbox["mechanism"]) == (True, mechanism)
    assert ended.record is not None
    assert ended.record["denied"] == [str(stage.home / "escaped.txt")]
    branch = f"aurora/{played.document['run_id']}/integration"
    committed = ["git", "show", f"{branch}:inside.txt"]
    assert subprocess.run(committed, cwd=stage.project, capture_output=True, text=True, check=True).stdout == "yes\n"
