"""An agent that fails half the time, in mixed ways: 200 tasks under each preset, beside what the policy computes to.

Attempts are simulated (no processes), waits are real. A quarter of the failures are permanent, the rest transient,
timeouts or lack of resources. The fallback agent always answers. Prints JSON.
"""

import asyncio
import errno
import json
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from aurora_spawner import RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.recovery.backoff import retry_wait_s
from aurora_spawner.recovery.policy import PRESETS
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor

TASKS = 200
FAILS = 0.5
PERMANENT = 0.25
"""Of the failures."""
KINDS = (
    AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr="Error: the model `m` does not exist"),
    AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr="Error: socket hang up"),
    AttemptEnd(reason=EndReason.DEADLINE, duration_s=1.0),
    AttemptEnd(reason=EndReason.EXEC_FAILED, exec_errno=errno.ENOMEM),
)


def storm(seed: int) -> SimulatedExecutor:
    chance = random.Random(seed)

    def agent(order: AttemptOrder) -> AttemptEnd:
        if order.command[0] == "model" or chance.random() >= FAILS:
            return AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout="done", stdout_bytes=4)
        return KINDS[0] if chance.random() < PERMANENT else chance.choice(KINDS[1:])

    return SimulatedExecutor(agent=agent)


def computed(policy: RecoveryPolicy) -> dict[str, float]:
    """The closed form: attempts until a success, a permanent error, or the last retry.

    With success s = 1 - FAILS and going on g = FAILS (1 - PERMANENT), attempt k + 1 takes place with probability g^k.
    """
    goes_on = FAILS * (1 - PERMANENT)
    asked = [goes_on**k for k in range(policy.retries + 1)]
    first = (1 - FAILS) * sum(asked)
    falls_back = policy.strategy.falls_back and policy.fallback_to_llm
    success = 1.0 if falls_back else first
    attempts = sum(asked) + (1 - first if falls_back else 0.0)
    halved = 0.75 if policy.jitter else 1.0
    waits = [retry_wait_s(policy, k, chance=1.0) * halved for k in range(1, policy.retries + 1)]
    waited = sum(share * wait for share, wait in zip(asked[1:], waits, strict=True))
    return {"success": success, "attempts": attempts, "waited_s": waited}


async def measure(policy: RecoveryPolicy, seed: int, at_once: int = TASKS) -> dict[str, float]:
    backends = {name: SimulatedBackend(name) for name in ("agent", "model")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = Run.create(
            folder / "runs.db",
            [SpawnTask("go") for _ in range(TASKS)],
            backends,
            RunOptions(
                default_agent="agent",
                max_concurrent=at_once,
                cwd=folder,
                spool=folder / "runs",
                recovery=RecoverySettings(policy=policy, state_dir=None, chance=random.Random(seed).random),
                executor=(executor := storm(seed)),
            ),
        )
        began: dict[str, float] = {}
        ended: dict[str, float] = {}

        def watch(event: object) -> None:
            kind, task_id = getattr(event, "kind", ""), str(getattr(event, "task_id", ""))
            if kind == "task_started":
                began.setdefault(task_id, time.monotonic())
            elif kind == "task_ended":
                ended[task_id] = time.monotonic()

        started = time.monotonic()
        report = await run.execute(watch)
        wall = time.monotonic() - started
    waited = sum(ended[task_id] - began[task_id] for task_id in began) / TASKS
    return {
        "success": report.succeeded / TASKS,
        "attempts": len(executor.orders) / TASKS,
        "waited_s": waited,
        "wall_s": wall,
    }


async def main(seed: int) -> None:
    found: list[dict[str, object]] = []
    for name in PRESETS:
        policy = replace(RecoveryPolicy.from_name(name), circuit_breaker_enabled=False)
        found.append({"name": name, "computed": computed(policy), "measured": await measure(policy, seed)})
    with_breaker = await measure(RecoveryPolicy.default(), seed, at_once=4)
    found.append({"name": "default, with its breaker, 4 at once", "computed": None, "measured": with_breaker})
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
