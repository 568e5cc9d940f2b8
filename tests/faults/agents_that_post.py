"""A coordinator whose agents post on the board of their run, run as a program by the crash tests.

    python -m tests.faults.agents_that_post FOLDER [before|after]

It begins a run, or resumes the one that is there. The first coordinator kills itself at the first post: before it is
written down, or after that and before its agent has the answer. A third task ends with the prompt that it was given.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.runs import board_requests
from aurora_spawner.runs.callers import Caller
from aurora_spawner.runs.run_context import RunContext
from aurora_spawner.supervision.local_executor import LocalExecutor

AGENT = """\
import os, sys
from pathlib import Path
from aurora_spawner.control.own_board import post_on_own_board

folder, task = Path(sys.argv[1]), os.environ["AURORA_TASK_ID"]
with (folder / f"starts.{task}").open("a") as starts:
    starts.write("started\\n")
print(post_on_own_board(f"{task} was here").post.number)
"""


def main(folder: Path, dies: str) -> int:
    backends = {
        "poster": CommandBackend("poster", (sys.executable, "-c", AGENT, str(folder))),
        "cat": CommandBackend("cat", ("cat",)),
    }
    name = folder / "run_id"
    executor = LocalExecutor(grace_s=0.5, detached=True)
    if name.exists():
        run = Run.resume(folder / "runs.db", name.read_text(), backends, executor=executor)
    else:
        options = RunOptions(default_agent="poster", cwd=folder, spool=folder / "runs", executor=executor)
        reader = SpawnTask("read", id="reader", agent="cat", depends_on=("1", "2"))
        tasks = [SpawnTask("post", id="1"), SpawnTask("post", id="2"), reader]
        run = Run.create(folder / "runs.db", tasks, backends, options)
        name.write_text(run.run_id)
        _die_at_the_first_post(after=dies == "after")
    return 0 if run.execute_sync().ok else 1


def _die_at_the_first_post(*, after: bool) -> None:
    post = board_requests.post

    async def deadly(run: RunContext, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        if after:
            await post(run, request, caller)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    board_requests.post = deadly  # type: ignore[assignment]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
