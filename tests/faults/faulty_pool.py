"""`aur` as a program that kills itself at a step of a tree's way, once; the crash tests of pools run it.

python -m tests.faults.faulty_pool WORDS…
AURORA_FAULT=before:push      SIGKILL to itself before the step, `after:push` when it is done
AURORA_FAULT_DONE=FILE        made before; if it is there, nothing is killed
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aurora_cli.entry import main
from aurora_spawner.distributed import pool_trees
from aurora_spawner.distributed.attempt_carrier import AttemptCarrier
from aurora_spawner.distributed.attempt_store import AttemptStore
from aurora_spawner.distributed.pool_trees import PoolTrees
from aurora_spawner.distributed.ssh.channel import Channel
from aurora_spawner.distributed.ssh.host_refs import HostRefs
from aurora_spawner.distributed.worker_trees import WorkerTrees
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.workspaces.git import Git

STEPS: Final[dict[str, tuple[Any, str]]] = {
    "fetch": (WorkerTrees, "begin"),
    "start": (LocalExecutor, "start"),
    "commit": (WorkerTrees, "commit"),
    "push": (WorkerTrees, "push"),
    "deliver": (AttemptCarrier, "_finish"),
    "send": (PoolTrees, "send"),
    "queue": (AttemptStore, "submit"),
    "bring": (PoolTrees, "bring"),
    "sweep": (pool_trees, "sweep"),
    "ask": (Channel, "until_answered"),
    "take": (HostRefs, "take"),
    "give": (HostRefs, "give"),
}
"""The function of each step; `reset` is the moment in the middle of bringing work into a worktree."""


def die_once() -> None:
    done = Path(os.environ["AURORA_FAULT_DONE"])
    if not done.exists():
        done.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def arm(fault: str) -> None:
    moment, step = fault.split(":")
    if step == "reset":
        arm_reset()
        return
    owner, name = STEPS[step]
    call: Callable[..., Any] = getattr(owner, name)

    def now(*given: Any, **named: Any) -> Any:
        if moment == "before":
            die_once()
        found = call(*given, **named)
        if moment == "after" and not hasattr(found, "__await__"):
            die_once()
        return _then_die(found) if moment == "after" and hasattr(found, "__await__") else found

    setattr(owner, name, now)


async def _then_die(awaited: Any) -> Any:
    found = await awaited
    die_once()
    return found


def arm_reset() -> None:
    """Kills between the move of a worktree's branch and that of its files."""
    run = Git.run

    def run_or_die(self: Git, *arguments: str, **named: Any) -> Any:
        if arguments[:3] == ("reset", "--quiet", "--hard") and sys._getframe(1).f_code.co_name == "bring":
            die_once()
        return run(self, *arguments, **named)

    Git.run = run_or_die  # type: ignore[method-assign]


if __name__ == "__main__":
    if "AURORA_FAULT" in os.environ:
        arm(os.environ["AURORA_FAULT"])
    raise SystemExit(main())
