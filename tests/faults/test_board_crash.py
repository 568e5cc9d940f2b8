"""kill -9 of a coordinator between a post and its answer: it is posted once, and acknowledged only when durable."""

import os
import signal
import sys
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.warm_python import run_warm

from aurora_spawner.control.board import post_from_outside, posts_of
from aurora_spawner.control.logs import task_outputs
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify

ROOT = Path(__file__).resolve().parents[2]


def coordinate(folder: Path, dies: str) -> int:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "AURORA_"))}
    command = [sys.executable, "-m", "tests.faults.agents_that_post", str(folder), dies]
    return run_warm(command, cwd=ROOT, env=kept, timeout=50).returncode


@pytest.mark.parametrize("dies", few(["before", "after"], 1))
def test_a_post_is_on_the_board_once_across_a_kill(tmp_path: Path, dies: str) -> None:
    journal = tmp_path / "runs.db"
    assert coordinate(tmp_path, dies) == -signal.SIGKILL
    run_id = (tmp_path / "run_id").read_text()
    written = posts_of(journal, run_id)
    # Of the other agent's post, which shares the transaction or does not, there is at most one.
    assert len(written) in ((0,) if dies == "before" else (1, 2))
    assert not post_from_outside(journal, run_id, "nobody lives now").running
    assert coordinate(tmp_path, "never") == 0

    posts = posts_of(journal, run_id)
    assert sorted(each.text for each in posts) == ["1 was here", "2 was here", "nobody lives now"]
    assert [each.number for each in posts] == [1, 2, 3]
    assert posts[: len(written)] == written, "a resumed run keeps its board"
    assert {path.read_text() for path in tmp_path.glob("starts.*")} == {"started\n"}
    output = {each.task_id: each.content.decode() for each in task_outputs(journal, run_id, None, stream="stdout")}
    numbers = {each.task_id: str(each.number) for each in posts if each.task_id}
    assert {task: output[task].strip() for task in numbers} == numbers, "each agent has the number of its post"
    assert all(each.text in output["reader"] for each in posts)
    with Journal(journal) as store:
        assert verify(store).problem is None
