"""Many failures at once: what presets come to, and a fleet under a rate limit; benchmarks/recovery has it larger."""

import asyncio
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.exhaustive import few

from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.recovery.policy import PRESETS
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor

FAILS, PERMANENT = 0.5, 0.25
TROUBLE = (
    AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr="Error: unknown model"),
    AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr="Error: socket hang up"),
    AttemptEnd(reason=EndReason.DEADLINE, duration_s=1.0),
    AttemptEnd(reason=EndReason.EXITED, exit_code=137),
)


def storm(seed: int) -> SimulatedExecutor:
    chance = random.Random(seed)

    def agent(order: AttemptOrder) -> AttemptEnd:
        if order.command[0] == "model" or chance.random() >= FAILS:
            return AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout="done", stdout_bytes=4)
        return TROUBLE[0] if chance.random() < PERMANENT else chance.choice(TROUBLE[1:])

    return SimulatedExecutor(agent=agent)


@pytest.mark.parametrize("name", few(sorted(PRESETS), 1))
def test_a_storm_comes_out_as_the_policy_computes(tmp_path: Path, name: str) -> None:
    """The closed form: attempt k + 1 takes place with probability g^k, g = failing and not for good."""
    policy = replace(RecoveryPolicy.from_name(name), base_delay=0.0, max_delay=0.0, circuit_breaker_enabled=False)
    executor, count = storm(seed=7), 2_000
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go") for _ in range(count)],
        {"agent": SimulatedBackend("agent"), "model": SimulatedBackend("model")},
        RunOptions(
            default_agent="agent",
            max_concurrent=500,
            cwd=tmp_path,
            spool=tmp_path / "runs",
            recovery=RecoverySettings(policy=policy, state_dir=None),
            executor=executor,
        ),
    )
    report = run.execute_sync()
    goes_on = FAILS * (1 - PERMANENT)
    asked = sum(goes_on**k for k in range(policy.retries + 1))
    first = (1 - FAILS) * asked
    falls_back = policy.strategy.falls_back
    expected = 1.0 if falls_back else first
    # four standard deviations of a share of 2,000
    assert report.succeeded / count == pytest.approx(expected, abs=0.045)
    assert len(executor.orders) / count == pytest.approx(asked + (1 - first if falls_back else 0), rel=0.06)
    retried = {result.retry_count for result in report.results.values()}
    assert max(retried) <= policy.retries


CALL = """
import socket, sys
with socket.create_connection(("127.0.0.1", {port})) as line:
    answer = line.recv(100).decode()
if answer.startswith("429"):
    sys.exit("HTTP 429 Too Many Requests, retry-after: " + answer.split()[1])
print(answer)
"""


class Provider:
    """Closed for a while, then answers so many a second; counts who asks at the same time while it is closed."""

    def __init__(self, closed_s: float, rate_per_s: float) -> None:
        self.opens, self.rate_per_s = time.monotonic() + closed_s, rate_per_s
        self.tokens, self.at, self.calls = 2.0, self.opens, 0

    async def serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.answer().encode())
        await writer.drain()
        writer.close()

    def answer(self) -> str:
        self.calls += 1
        now = time.monotonic()
        if now < self.opens:
            return "429 0.4"
        self.tokens = min(2.0, self.tokens + (now - self.at) * self.rate_per_s)
        self.at = now
        if self.tokens < 1:
            return "429 0.2"
        self.tokens -= 1
        return "200 fine"


def fleet(folder: Path, backend: CommandBackend, state: Path, count: int) -> Run:
    folder.mkdir()
    policy = RecoveryPolicy(fallback_to_llm=False)
    return Run.create(
        folder / "runs.db",
        [SpawnTask("call") for _ in range(count)],
        {"agent": backend},
        RunOptions(
            default_agent="agent",
            max_concurrent=4,
            cwd=folder,
            spool=folder / "runs",
            recovery=RecoverySettings(policy=policy, state_dir=state),
        ),
    )


async def test_a_fleet_of_two_runs_waits_for_its_provider_and_loses_no_attempt(tmp_path: Path) -> None:
    provider = Provider(closed_s=1.5, rate_per_s=6.0)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    backend = CommandBackend("agent", (sys.executable, "-I", "-S", "-c", CALL.format(port=port)))
    runs = [fleet(tmp_path / name, backend, tmp_path / "state", 8) for name in ("one", "two")]
    reports = await asyncio.gather(*(run.execute() for run in runs))
    server.close()
    assert [report.succeeded for report in reports] == [8, 8]
    assert {result.retry_count for report in reports for result in report.results.values()} == {0}
    assert provider.calls < 16 + 8 + 20, "one probe at a time, not sixteen tasks asking again and again"
