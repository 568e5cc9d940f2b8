"""Real Claude Code and Codex in worktrees: failed checks are mended, conflicts kept, the better candidate is taken.

`UPDATE_TRANSCRIPTS=1` writes what a terminal shows into docs/transcripts/worktrees.md.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
KINDS = ("claude", "codex")
CHECK = "Check: `grep -x hello hello-{number}.txt`"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "transcripts" / "worktrees.md"
INTRODUCTION = """# Five tasks in worktrees

Real Claude Code and Codex, against a stand-in for their models that makes a typing error in tasks 1 and 2 and writes
the same line in tasks 3 and 4. Both try task 5, and Codex needs fewer lines.
`UPDATE_TRANSCRIPTS=1 python3 dev.py test -n 0 -k transcript tests/e2e/test_e2e_worktrees.py` makes this page.
"""


@pytest.fixture
def five(stage: Stage, need: Callable[[str], None]) -> Stage:
    """Two tasks whose first work fails a check, two that write the same line, and one with two candidates."""
    stage.commits = True
    stage.options = ["--yes"]
    for kind in KINDS:
        need(kind)
        stage.add_agent(kind, "mended", f"{kind}-mended")
        stage.add_agent(kind, "shared", f"{kind}-shared")
    for number, kind in enumerate(KINDS, start=1):
        stage.add_task(f"{kind}-mended", "Say hello", CHECK.format(number=number))
    for kind in KINDS:
        stage.add_task(f"{kind}-shared", "Write the line")
    stage.add_agent("claude", "wordy", "claude-wordy")
    stage.add_agent("codex", "brief", "codex-brief")
    stage.add_task("claude-wordy, codex-brief", "Write it best", "Check: `test -e best.txt`")
    return stage


def test_failed_checks_are_mended_a_conflict_is_kept_and_the_better_candidate_taken(five: Stage) -> None:
    played = five.play()
    assert played.status == 1
    tasks = {task["id"]: task for task in played.document["tasks"]}
    for number, kind in enumerate(KINDS, start=1):
        task = tasks[str(number)]
        assert (task["state"], task["verification"]) == ("succeeded", "verified"), task["error"]
        assert task["resumed"] is True
        assert task["retry_count"] == 0
        assert (five.project / f"hello-{number}.txt").read_text() == "hello\n"
        conversation = [each["messages"] for each in played.asked(f"{kind}-mended") if each["counts"]]
        assert conversation == sorted(conversation)  # the second attempt goes on in the first one's conversation
        assert conversation[2] > conversation[1]
    merges = {each["task_id"]: each["outcome"] for each in played.document["merge"]["tasks"]}
    assert sorted(merges.values()) == ["conflict", "merged", "merged", "merged", "merged"]
    (left,) = [task for task, outcome in merges.items() if outcome == "conflict"]
    assert left in ("3", "4")
    branch = f"aurora/{played.document['run_id']}/{left}"
    shown = subprocess.run(
        ["git", "show", f"{branch}:shared.txt"], cwd=five.project, check=True, capture_output=True, text=True
    )
    assert shown.stdout.startswith("by ")
    chosen = tasks["5"]
    assert (chosen["agent"], chosen["verification"], chosen["choice"]["winner"]) == ("codex-brief", "verified", "5:2")
    assert "the smallest change, 1 line; candidate 1 (claude-wordy) has 3" in chosen["choice"]["why"]
    assert merges["5:2"] == "merged"
    assert (five.project / "best.txt").read_text() == "1\n"
    attic = subprocess.run(
        ["git", "for-each-ref", "--format=%(objectname)", "refs/aurora/attic/"],
        cwd=five.project,
        check=True,
        capture_output=True,
        text=True,
    )
    (lost,) = played.document["candidates"][:1]
    assert lost["work"]["commit"] in attic.stdout.split()
    assert played.left_over() == []


@pytest.mark.skipif(not os.environ.get("UPDATE_TRANSCRIPTS"), reason="UPDATE_TRANSCRIPTS is not set")
def test_the_transcript_is_written(five: Stage) -> None:
    five.as_json = False
    process = five.start()
    printed, told = process.communicate(timeout=150)
    run_id = printed.partition(":")[0]
    shown = five.begin("runs", "show", run_id).communicate(timeout=90)[0]
    listed = five.begin("candidates", run_id, "5").communicate(timeout=90)[0]
    text = f"$ aur spawn tasks.md --yes\n{told}{printed}\n$ aur runs show {run_id}\n{shown}"
    text += f"\n$ aur candidates {run_id} 5\n{listed}"
    text = re.sub(re.escape(str(five.folder)), "", text)
    tasks = (five.project / "tasks.md").read_text()
    PAGE.write_text(f"{INTRODUCTION}\n```markdown\n{tasks}```\n\n```console\n{text.strip()}\n```\n")
