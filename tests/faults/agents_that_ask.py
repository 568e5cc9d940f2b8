"""A coordinator whose agents ask a person themselves, run as a program by the crash tests.

    python -m tests.faults.agents_that_ask FOLDER AGENTS

It begins a run, or resumes the one that is there. Each agent asks once, and writes the answer to FOLDER/answer.TASK.
"""

import sys
from pathlib import Path

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.supervision.local_executor import LocalExecutor

AGENT = """\
import os, sys
from pathlib import Path
from aurora_spawner.control.asking import ask_person

folder, task = Path(sys.argv[1]), os.environ["AURORA_TASK_ID"]
with (folder / f"starts.{task}").open("a") as starts:
    starts.write("started\\n")
answer = ask_person(f"which way for {task}?", default="left", choices=["left", "right"])
with (folder / f"answer.{task}").open("a") as answers:
    answers.write(f"{answer.text} by {answer.by}\\n")
print("done")
"""


def main(folder: Path, count: int) -> int:
    backends = {"asker": CommandBackend("asker", (sys.executable, "-c", AGENT, str(folder)))}
    name = folder / "run_id"
    executor = LocalExecutor(grace_s=0.5, detached=True)
    if name.exists():
        run = Run.resume(folder / "runs.db", name.read_text(), backends, executor=executor)
    else:
        options = RunOptions(
            default_agent="asker", cwd=folder, spool=folder / "runs", executor=executor, max_concurrent=2
        )
        tasks = [SpawnTask("ask", id=str(number)) for number in range(1, count + 1)]
        run = Run.create(folder / "runs.db", tasks, backends, options)
        written = folder / "run_id.new"
        written.write_text(run.run_id)
        written.replace(name)
    return 0 if run.execute_sync().ok else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
