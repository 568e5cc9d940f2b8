"""Real Claude Code and Codex on a worker of a pool: its policies hold, and their work comes back through git."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from tests.e2e.stage import Stage
from tests.postgres import PostgresServer

from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.cut_off import Cell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ANY = mock.ANY
KINDS = ("claude", "codex")
LENIENT = "destructive: {file_delete: {action: allow}, git_force_push: {action: allow}}\n"
"""Policies of the coordinator's side, which have no say on a worker."""


def site(cell: Cell, folder: Path, url: str, *, policies: str = "") -> Stage:
    """A machine of its own: a home, a project, its configuration and policies."""
    folder.mkdir()
    stage = Stage(cell=cell, folder=folder, policies=policies, variables={"AURORA_DATABASE_URL": url})
    stage.config = {"pools": {"big": {"repository": str(folder.parent / "trees.git")}}}
    for kind in KINDS:
        for play in ("danger", "tool"):
            stage.add_agent(kind, play, f"{kind}-{play}", permissive=None)
    return stage


def judged(stage: Stage, run_id: str) -> dict[str, list[tuple[str, str, str, str]]]:
    """What the coordinator's journal says of each tool call, by task."""
    with Journal(stage.project / ".aurora" / "runs.db") as journal:
        assert verify(journal).problem is None
        events = load_events(journal, run_id)
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    for each in events:
        if isinstance(each.fact, ToolCallJudged) and each.task_id is not None:
            fact = each.fact
            found.setdefault(each.task_id, []).append((fact.subject, fact.action, fact.rule, fact.answered_by))
    return found


def test_dangerous_calls_are_stopped_on_the_worker_and_the_rest_is_merged_here(
    cell: Cell, tmp_path: Path, server: PostgresServer, need: Callable[[str], None]
) -> None:
    for kind in KINDS:
        need(kind)
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "trees.git"], check=True)
    url = server.socket_url(server.new_database())
    here = site(cell, tmp_path / "coordinator", url, policies=LENIENT)
    there = site(cell, tmp_path / "worker", url)
    there.set_up()
    here.set_up()
    victim = here.project / "victim" / "kept.txt"
    victim.parent.mkdir()
    victim.write_text("kept\n")
    for kind in KINDS:
        here.add_task(f"{kind}-danger", f"Please do it in the folder {here.project}")
    for kind in KINDS:  # both write the same line, the second on top of the first
        here.add_task(f"{kind}-tool", "Please do it", *(["Depends: 3"] if kind == "codex" else []))
    (here.project / "tasks.md").write_text("\n".join(here.tasks) + "\n")
    subprocess.run(["git", "add", "tasks.md", "victim"], cwd=here.project, env=here.environ, check=True)
    subprocess.run(["git", "commit", "-qm", "First"], cwd=here.project, env=here.environ, check=True)
    worker = there.begin("worker", "--pool", "big", "--name", "w1", "--concurrency", "2")
    try:
        run = here.begin("spawn", "tasks.md", "--json", "--pool", "big", "--merge", "auto", "--yes")
        played = here.finish(run, within_s=180)
    finally:
        worker.send_signal(signal.SIGTERM)
        _out, said = worker.communicate(timeout=30)
    assert played.status == 0, (played.document, said)
    assert {each["outcome"] for each in played.document["merge"]["tasks"]} <= {"merged", "nothing"}, said
    assert victim.exists(), "neither here nor in what was merged"
    assert (here.project / "allowed.txt").read_text() == "allowed\n"
    assert (here.project / "note.txt").read_text() == "written by a tool\n"
    assert not (here.project / ".env").exists()
    found = judged(here, played.document["run_id"])
    escape = found["1"][2]
    assert escape[0].endswith("/.env")
    assert escape[1] != "allow"
    stopped = [
        ("rm -rf victim", "prompt", "file_delete", "nobody"),
        ("git push --force origin main", "deny", "git_force_push", ""),
        (ANY, ANY, ANY, ANY),
        ("echo allowed > allowed.txt", "allow", "", ""),
    ]
    written = [(ANY, "allow", "", "")]
    assert found == {"1": stopped, "2": stopped, "3": written, "4": written}
    assert "on its worker: a hook asks the policies there before each tool call" in played.told
    assert said.count("the policies stopped a tool call: rm -rf victim") == 2, said
    assert not played.left_over()
