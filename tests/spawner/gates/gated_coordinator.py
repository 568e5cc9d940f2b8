"""A coordinator with a gate, to be killed: `gated_coordinator.py FOLDER [RUN_ID]` makes a run, or resumes one.

Commands that hold the word "danger" are denied, and those with "ask" need a consent, within ANSWER_LIMIT_S (0 by
default, so that nobody gives it). COMMANDS are those of its agent, REVIEW that of a reviewer of its work. TASKS says
how many tasks have these commands.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from aurora_spawner import CliBackend, Run, RunOptions, SpawnTask
from aurora_spawner.gates.tool_calls import GateAction, ToolCall, Verdict

FAKE = Path(__file__).with_name("fake_claude.py")


class WordGate:
    """Judges by words."""

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []

    def hints(self, agent: str, text: str, workspace: Path) -> tuple[str, ...]:
        """Returns a hint for a text that asks for it."""
        return (f"{agent} works in {workspace}",) if "hint" in text else ()

    def judge(self, call: ToolCall) -> Verdict:
        """Returns the verdict."""
        self.calls.append(call)
        if "danger" in call.subject:
            return Verdict(action=GateAction.DENY, rule="words", reason="is dangerous", instead="Do not.")
        return Verdict(action=GateAction.PROMPT if "ask" in call.subject else GateAction.ALLOW)


BACKENDS = {"claude": CliBackend(name="claude", kind="claude", command=(sys.executable, str(FAKE)))}


def options(folder: Path, gate: WordGate | None = None) -> RunOptions:
    """The options of a run in this folder."""
    spool = folder / ".aurora" / "runs"
    return RunOptions(default_agent="claude", cwd=folder, spool=spool, gate=gate or WordGate(), approval_limit_s=0.0)


def reviewer_running(command: str) -> CliBackend:
    return CliBackend(name="critic", kind="claude", command=(*BACKENDS["claude"].command, "--review", command))


def main() -> None:
    folder, *run_ids = sys.argv[1:]
    journal = Path(folder) / "runs.db"
    limit_s = float(os.environ.get("ANSWER_LIMIT_S", "0"))
    review = os.environ.get("REVIEW")
    backends = BACKENDS if review is None else {**BACKENDS, "critic": reviewer_running(review)}
    if run_ids:
        run = Run.resume(journal, run_ids[0], backends, gate=WordGate(), approval_limit_s=limit_s)
    else:
        prompt = os.environ.get("COMMANDS", "echo one > one\nwait for go\necho danger > two\necho three > three")
        chosen = replace(options(Path(folder)), approval_limit_s=limit_s)
        reviewer = None if review is None else "critic"
        count = int(os.environ.get("TASKS", "1"))
        tasks = [SpawnTask(prompt, id=str(number), review=reviewer) for number in range(1, count + 1)]
        run = Run.create(journal, tasks, backends, chosen)
    print(run.run_id, flush=True)
    run.execute_sync()


if __name__ == "__main__":
    main()
