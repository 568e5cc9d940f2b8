"""Asks a question again and again, each time killed at another write of its record; prints what each resume did.

Run as a program, since it forks: `python killed_questions.py FOLDER POINT...`. A point is the number of a write, or
that number with `+` for the moment right after it; at 0 nothing is killed. A word before it names the question, since
each kind takes other steps: `broken` has a critical part that fails, so that the rest is planned again; the plan of
`critical` is attacked and made again; the model judges the size of `unsure`; `simple` is looked up, without agents;
`cached` was answered before.
"""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aurora_core import Memory, Project
from aurora_policies import PoliciesEngine
from aurora_soar import Agent, AgentRegistry, Completion, SOAROrchestrator
from aurora_soar.answer_cache import AnswerCache
from aurora_soar.sessions import SessionStore
from aurora_soar.taskruns.resume import list_resumable
from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings
from aurora_spawner.runs.noted_run import NotedRun

QUESTION = "Explain how the retry loop computes the backoff delay and why it gives up after the limit"
SOURCE = '''"""Retries."""

LIMIT = 5


def backoff_delay(attempt):
    """The delay before a retry: doubled each time, capped."""
    return min(30, 2**attempt)


def retry_loop(call):
    """Call until it works, at most LIMIT times."""
    return any(call() for attempt in range(LIMIT))
'''


def plan(*parts: str) -> dict[str, Any]:
    subgoals = [{"description": part, "ideal_agent": "coder", "assigned_agent": "coder"} for part in parts]
    return {"goal": "explain the retry loop", "subgoals": subgoals}


WHOLE = {"plan": plan("Explain the backoff delay", "Find the limit of the retry loop")}
BROKEN = {"plan": plan("Explain the backoff delay", "Break the loop"), "replan": plan("Find the limit of the loop")}
QUESTIONS = {
    "": QUESTION,
    "broken": QUESTION,
    "critical": "Delete the production payments database after the backoff delay of the retry loop",
    "unsure": "Rework the backoff delay",
    "simple": "Show the backoff_delay function",
    "cached": QUESTION,
}
CRITICAL = {**WHOLE, "critic": {"findings": ["no subgoal looks for a backup"]}}
UNSURE = {**WHOLE, "assess": {"complexity": "MEDIUM", "reason": "it is one function"}}
PLANS = {"broken": BROKEN, "critical": CRITICAL, "unsure": UNSURE}
POINT = re.compile(r"(?P<kind>[a-z]*)(?P<at>\d+)(?P<after>\+?)")
ANSWER = {"answer": "The retry loop gives up after LIMIT; its backoff delay doubles (Agent: coder) (retry.py:8)."}


class Counted:
    """A model that writes down what it is asked."""

    name = "coder"

    def __init__(self, folder: Path, plans: dict[str, dict[str, Any]] = WHOLE) -> None:
        self.asked = folder / "asked"
        self.plans = plans

    async def ask(self, prompt: str, *, title: str) -> Completion:
        with self.asked.open("a") as file:
            file.write(f"{title} {hash(prompt)}\n")
        return Completion(text=json.dumps(self.plans.get(title, ANSWER)), agent="coder", usage=None, error=None)


def orchestrator(
    project: Project, memory: Memory, *, kind: str = "", cache: AnswerCache | None = None, first: str = ""
) -> SOAROrchestrator:
    root = project.root
    script = first + 'case "$(cat)" in *"Your part: Break"*) exit 3;; esac; '
    script += "echo $AURORA_TASK_ID >> ran; echo '- the backoff delay is doubled (retry.py:8)'"
    registry = AgentRegistry.local(root).joined_by(
        Agent(id="coder", description="codes"), {"coder": CommandBackend("coder", ("sh", "-c", script))}
    )
    return SOAROrchestrator(
        project=project,
        memory=memory,
        policies=PoliciesEngine.load(None),
        registry=registry,
        recovery=RecoverySettings(
            policy=RecoveryPolicy(max_retries=0, fallback_to_local=False), state_dir=root / "state"
        ),
        model=Counted(root, PLANS.get(kind, WHOLE)),
        cache=cache,
    )


def kill_at(folder: Path, at: int, *, after: bool) -> None:
    """Kill this process at a write of a record; the names of the writes until then are noted."""
    keep, writes = NotedRun.keep, iter(range(1, 99))

    def killing(self: NotedRun, topic: str, note: dict[str, Any]) -> None:
        here = next(writes) == at
        with (folder / "writes").open("a") as file:
            file.write(f"{topic} {note.get('name') or note.get('key')}\n")
        if here and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        keep(self, topic, note)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)

    NotedRun.keep = killing  # type: ignore[method-assign]


def forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def ask_and_resume(folder: Path, point: str) -> dict[str, Any]:
    folder.mkdir(parents=True)
    (folder / "retry.py").write_text(SOURCE)
    project = Project.init(folder)
    with Memory.open(folder) as memory:
        memory.index()

    asked = POINT.fullmatch(point)
    assert asked is not None
    kind, at = asked["kind"], int(asked["at"])

    def soar(memory: Memory) -> SOAROrchestrator:
        cache = AnswerCache.of(project, fresh=False) if kind == "cached" else None
        return orchestrator(project, memory, kind=kind, cache=cache)

    def ask_before() -> None:
        with Memory.open(folder) as memory:
            soar(memory).execute(QUESTIONS[kind])

    def ask() -> None:
        kill_at(folder, at, after=bool(asked["after"]))
        with Memory.open(folder) as memory:
            soar(memory).execute(QUESTIONS[kind], conversation=SessionStore(project).conversation("work"))

    def resume() -> None:
        (found,) = list_resumable(project.runs_db)
        with Memory.open(folder) as memory:
            result = asyncio.run(soar(memory).aresume(found.run.run_id))
        (folder / "answer").write_text(json.dumps({"ok": result.ok, "answer": result.answer, "id": result.query_id}))

    if kind == "cached":
        forked(ask_before)
    status, before = forked(ask), lines(folder / "asked")
    resumed = forked(resume) if status else 0
    answer = folder / "answer"
    return {
        "killed": status == -signal.SIGKILL,
        "resumed": resumed == 0,
        "asked_before": before,
        "asked": lines(folder / "asked"),
        "ran": sorted(lines(folder / "ran")),
        "logs": len(list(project.conversation_logs.rglob("*.md"))),
        "turns": [turn.asked for session in SessionStore(project).all() for turn in session.turns],
        "writes": lines(folder / "writes"),
        "left": len(list_resumable(project.runs_db)),
        "answer": json.loads(answer.read_text()) if answer.exists() else None,
    }


if __name__ == "__main__":
    os.environ["PYTHONHASHSEED"] = "0"
    print(json.dumps({point: ask_and_resume(Path(sys.argv[1]) / f"at{point}", point) for point in sys.argv[2:]}))
