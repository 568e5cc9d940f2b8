"""40 agents: 10 that hang in four ways, 10 that are silent but busy, 20 that just work. Real processes.

Prints JSON: for each hung one how long after it hung it was found, with the reason told; and which others were ended.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from aurora_spawner import (
    CommandBackend,
    EarlyDetection,
    RecoveryPolicy,
    RecoverySettings,
    Run,
    RunEvent,
    RunOptions,
    SpawnTask,
)
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.run_events import TaskStalled

THRESHOLD_S = 6.0
BUSY_S = 15.0
HANG = 'import time, pathlib, os; pathlib.Path("hung.{0}").write_text(str(time.time())); '
PYTHON = (sys.executable, "-I", "-S", "-c")
SCRIPTS = {
    # after two seconds of work it says nothing any more
    "no output": "print('working', flush=True)\nimport time\nend = time.time() + 2\n"
    "while time.time() < end: pass\n{hang}\ntime.sleep(600)",
    # says the same for ever
    "heartbeat": "{hang}\nn = 0\nwhile True:\n    n += 1\n"
    "    print(f'still working ({{n}} s)', flush=True)\n    time.sleep(1)",
    # reads from a pipe that nobody writes to
    "waits for input": "{hang}\nr, w = os.pipe()\nos.read(r, 1)",
    # its child waits for a lock that its parent holds, and the parent for the child
    "deadlocked child": "{hang}\nimport fcntl, subprocess, sys\nlock = open('lock.{0}', 'w')\n"
    "fcntl.flock(lock, fcntl.LOCK_EX)\n"
    "subprocess.run(['flock', 'lock.{0}', 'true'])",
    "computes": "import time\nend = time.time() + {busy}\nwhile time.time() < end: pass\nprint('done')",
    "child computes": "import subprocess, sys\nsubprocess.run([sys.executable, '-I', '-S', '-c', "
    "'import time\\nend = time.time() + {busy}\\nwhile time.time() < end: pass'])\nprint('done')",
    "writes files": "import time\nend = time.time() + {busy}\nwhile time.time() < end:\n"
    "    open('file.{0}', 'w').write('x' * 20000)\n    time.sleep(0.2)\nprint('done')",
    "runs tools": "import subprocess, time\nend, n = time.time() + {busy}, 0\nwhile time.time() < end:\n    n += 1\n"
    "    subprocess.run(['sh', '-c', 'sleep 1; : part ' + chr(97 + n)])\nprint('done')",
    "talks": "import time\nfor word in 'one two three four five six seven eight'.split():\n"
    "    print(word, flush=True)\n    time.sleep(1.2)",
}
MIX = (
    *(("no output", True),) * 3, *(("heartbeat", True),) * 3, *(("waits for input", True),) * 2,
    *(("deadlocked child", True),) * 2,
    *(("computes", False),) * 3, *(("child computes", False),) * 2, *(("writes files", False),) * 3,
    *(("runs tools", False),) * 2,
    *(("talks", False),) * 20,
)  # fmt: skip


def script(kind: str, task_id: str) -> str:
    hang = HANG.format(task_id)
    return (
        SCRIPTS[kind]
        .replace("{hang}", hang)
        .replace("{0}", task_id)
        .replace("{busy}", str(BUSY_S))
        .replace("{{", "{")
        .replace("}}", "}")
    )


def main() -> None:
    told: dict[str, tuple[float, str]] = {}

    def watch(event: RunEvent) -> None:
        if isinstance(event, TaskStalled):
            told.setdefault(event.task_id, (time.time(), event.message))

    backends = {
        f"agent{number}": CommandBackend(f"agent{number}", (*PYTHON, script(kind, str(number))))
        for number, (kind, _hangs) in enumerate(MIX, start=1)
    }
    policy = RecoveryPolicy.no_recovery().changed(
        {"early_detection": EarlyDetection(threshold_s=THRESHOLD_S, terminate=True), "circuit_breaker_enabled": False}
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = Run.create(
            folder / "runs.db",
            [SpawnTask("go", agent, id=agent.removeprefix("agent")) for agent in backends],
            backends,
            RunOptions(
                default_agent="agent1",
                max_concurrent=len(MIX),
                cwd=folder,
                spool=folder / "runs",
                recovery=RecoverySettings(policy=policy, state_dir=None),
                executor=LocalExecutor(grace_s=0.3),
            ),
        )
        report = run.execute_sync(watch)
        hung_at = {path.name.split(".")[1]: float(path.read_text()) for path in folder.glob("hung.*")}
    found = []
    for number, (kind, hangs) in enumerate(MIX, start=1):
        result = report.results[str(number)]
        at, reason = told.get(str(number), (None, None))
        late = at - hung_at[str(number)] - THRESHOLD_S if at and hangs else None
        found.append(
            {"kind": kind, "hangs": hangs, "ended": result.termination_reason, "late_s": late, "reason": reason}
        )
    print(json.dumps({"threshold_s": THRESHOLD_S, "busy_s": BUSY_S, "agents": found}))


if __name__ == "__main__":
    main()
