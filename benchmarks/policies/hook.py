"""Time of the policy gate: the hook as a CLI starts it, and the coordinator's part of it, journal included.

python benchmarks/policies/hook.py
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aurora_policies import PoliciesEngine
from aurora_soar.taskruns.gate import PolicyGate
from aurora_spawner import CliBackend, Run, RunOptions, SpawnTask
from aurora_spawner.gates.hook import request_of
from aurora_spawner.gates.hook_command import SOCKET_NAME, HookCommand
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_attempts

HOOKS = 60
REQUESTS = 400
COMMANDS = ("pytest -q tests && git status", "rm -rf build", "git push --force origin main", "sed -i s/a/b/ src/a.py")


def main() -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure(Path(name)))


async def measure(folder: Path) -> None:
    """Measures in a run whose agent waits."""
    waits = (sys.executable, "-c", "import time; time.sleep(600)")
    backends = {"claude": CliBackend(name="claude", kind="claude", command=waits)}
    gate = PolicyGate(policies=PoliciesEngine.load(None))
    spool = folder / "runs"
    options = RunOptions(default_agent="claude", cwd=folder, spool=spool, gate=gate, approval_limit_s=0.0)
    run = Run.create(folder / "runs.db", [SpawnTask("wait", id="1")], backends, options)
    running = asyncio.ensure_future(run.execute())
    place = run.orders.spool / SOCKET_NAME
    while not (place.exists() and list(run.orders.spool.glob("*/agent"))):  # noqa: ASYNC110 -- a benchmark
        await asyncio.sleep(0.01)
    with Journal(folder / "runs.db") as journal:
        (attempt,) = load_attempts(journal, run.run_id)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    await asyncio.to_thread(measure_requests, place, attempt.token)
    await asyncio.to_thread(measure_hooks, HookCommand(socket=place, token=attempt.token))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def call_of(index: int) -> bytes:
    """Returns a tool call."""
    command = COMMANDS[index % len(COMMANDS)]
    return json.dumps({"tool_name": "Bash", "tool_input": {"command": command}}).encode()


def measure_requests(place: Path, token: str) -> None:
    """Measures the coordinator: from the connection to the answer, policies and journal included."""
    took = []
    for index in range(REQUESTS):
        began = time.perf_counter()
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(place))
            line.sendall(request_of(token, call_of(index)))
            assert line.recv(1 << 16)
        took.append(time.perf_counter() - began)
    show("coordinator, by socket", took[10:])


def measure_hooks(hook: HookCommand) -> None:
    """Measures whole hooks, and beside them the interpreter alone and the shell alone."""
    bare = [sys.executable, "-I", "-S", "-c", "pass"]
    for name, command in (("hook", ["sh", "-c", hook.shell]), ("interpreter alone", bare)):
        took, used = [], []
        for index in range(HOOKS):
            before = os.times()
            began = time.perf_counter()
            subprocess.run(command, input=call_of(index), capture_output=True, check=False)
            took.append(time.perf_counter() - began)
            after = os.times()
            used.append(sum(after[2:4]) - sum(before[2:4]))
        show(name, took)
        print(f"{'':>24} {1000 * statistics.mean(used):.1f} ms of processor time each")


def show(name: str, took: list[float]) -> None:
    """Prints one line."""
    ordered = sorted(1000 * each for each in took)
    p95 = ordered[int(len(ordered) * 0.95)]
    print(f"{name:>24}: median {statistics.median(ordered):.1f} ms, p95 {p95:.1f} ms, least {ordered[0]:.1f} ms")


if __name__ == "__main__":
    main()
