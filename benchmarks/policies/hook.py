"""Measure the time of the policy gate; writes hook.md beside this file.

    python benchmarks/policies/hook.py               about twenty seconds

The hook as a CLI starts it, the coordinator's part of it with the write into the journal, and `aur policies check
--stdin`, which answers all commands of the sets one after the other. The interpreter alone is what a hook cannot do
without.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from aurora_policies import PoliciesEngine
from aurora_soar.taskruns.gate import PolicyGate
from aurora_spawner import CliBackend, Run, RunOptions, SpawnTask
from aurora_spawner.gates.hook import request_of
from aurora_spawner.gates.hook_command import SOCKET_NAME, HookCommand
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_attempts

HERE = Path(__file__).resolve().parent
HOOKS = 60
REQUESTS = 400
FIRST = 10
"""Answers that are not counted: parsers are loaded with the first of their kind."""
COMMANDS = ("pytest -q tests && git status", "rm -rf build", "git push --force origin main", "sed -i s/a/b/ src/a.py")


Row = tuple[str, list[float]]
"""What was measured, and the seconds that it took each time."""


def main() -> None:
    """Prints the figures, and writes them."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        rows = asyncio.run(measure(Path(name)))
    rows += measure_stdin()
    table = "\n".join(line_of(*row) for row in rows)
    system = f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    report = f"""# The time of the policy gate, measured

Written by `python benchmarks/policies/hook.py` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {system},
load before the start {load:.1f}. Milliseconds an answer.

| | answers | least | median | p95 |
|---|---|---|---|---|
{table}
"""
    (HERE / "hook.md").write_text(report, encoding="utf-8")
    print(report)


def measure_stdin() -> list[Row]:
    """Measures each answer of the command to a line, and its processor time, for all commands of the sets."""
    lines = [line for each in sorted(HERE.glob("*.jsonl")) for line in each.read_text(encoding="utf-8").splitlines()]
    questions = [json.dumps({"command": json.loads(line)["command"]}) for line in lines]
    took, used = list[float](), list[float]()
    command = [sys.executable, "-m", "aurora_cli", "policies", "check", "--stdin", "--json"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as asked,
    ):
        assert asked.stdin is not None
        assert asked.stdout is not None
        for question in [*questions[:FIRST], *questions]:
            before, began = processor_s(asked.pid), time.perf_counter()
            asked.stdin.write(f"{question}\n")
            asked.stdin.flush()
            assert asked.stdout.readline()
            took.append(time.perf_counter() - began)
            used.append(processor_s(asked.pid) - before)
        asked.stdin.close()
    name = "`aur policies check --stdin`"
    return [(name, took[FIRST:]), (f"processor time of {name}", used[FIRST:])]


def processor_s(pid: int) -> float:
    """Returns the seconds that the main thread of a process has run."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


async def measure(folder: Path) -> list[Row]:
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
    rows = await asyncio.to_thread(measure_requests, place, attempt.token)
    rows += await asyncio.to_thread(measure_hooks, HookCommand(socket=place, token=attempt.token))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return rows


def call_of(index: int) -> bytes:
    """Returns a tool call."""
    command = COMMANDS[index % len(COMMANDS)]
    return json.dumps({"tool_name": "Bash", "tool_input": {"command": command}}).encode()


def measure_requests(place: Path, token: str) -> list[Row]:
    """Measures the coordinator: from the connection to the answer, policies and journal included.

    The processor time is that of the whole process, which asks, too.
    """
    took, used = list[float](), list[float]()
    for index in range(REQUESTS):
        before, began = time.process_time(), time.perf_counter()
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(place))
            line.sendall(request_of(token, call_of(index)))
            assert line.recv(1 << 16)
        took.append(time.perf_counter() - began)
        used.append(time.process_time() - before)
    name = "the coordinator, by its socket"
    return [(name, took[FIRST:]), (f"processor time of {name.partition(',')[0]}", used[FIRST:])]


def measure_hooks(hook: HookCommand) -> list[Row]:
    """Measures whole hooks, and beside them the interpreter alone; and the processor time of both."""
    rows: list[Row] = []
    bare = [sys.executable, "-I", "-S", "-c", "pass"]
    for name, command in (("a hook, from its start", ["sh", "-c", hook.shell]), ("the interpreter alone", bare)):
        took, used = list[float](), list[float]()
        for index in range(HOOKS):
            before = sum(os.times()[2:4])
            began = time.perf_counter()
            subprocess.run(command, input=call_of(index), capture_output=True, check=False)
            took.append(time.perf_counter() - began)
            used.append(sum(os.times()[2:4]) - before)
        rows += [(name, took), (f"processor time of {name.partition(',')[0]}", used)]
    return rows


def line_of(name: str, took: list[float]) -> str:
    """Returns a line of the table."""
    ordered = sorted(1000 * each for each in took)
    p95 = ordered[int(len(ordered) * 0.95)]
    return f"| {name} | {len(took)} | {ordered[0]:.1f} | {statistics.median(ordered):.2f} | {p95:.2f} |"


if __name__ == "__main__":
    main()
