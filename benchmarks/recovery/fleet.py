"""50 tasks against a provider that answers 429 for 5 s and then lets 2 a second through.

Prints JSON: for the provider gate and for plain per-task retries, how many tasks finished, in what time, and with how
many attempts. Each has a provider of its own, a TCP server that answers a line.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnTask

TASKS = 50
AT_ONCE = 10
CLOSED_S = 5.0
RATE_PER_S = 2.0
BURST = 2.0
CALL = """
import socket, sys
with socket.create_connection(("127.0.0.1", {port})) as line:
    answer = line.recv(100).decode()
if answer.startswith("429"):
    print("HTTP 429 Too Many Requests, retry-after:", answer.split()[1], file=sys.stderr)
    sys.exit(1)
print(answer)
"""


class Provider:
    """Counts calls, and allows as many as its bucket has tokens."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.tokens, self.at = 1.0, self.began + CLOSED_S
        self.calls = self.refused = 0

    def answer(self) -> str:
        self.calls += 1
        now = time.monotonic()
        if now - self.began < CLOSED_S:
            self.refused += 1
            return "429 1.0"
        self.tokens = min(BURST, self.tokens + (now - self.at) * RATE_PER_S)
        self.at = now
        if self.tokens < 1:
            self.refused += 1
            return "429 0.5"
        self.tokens -= 1
        return "200 fine"

    async def serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.answer().encode())
        await writer.drain()
        writer.close()


async def with_gate(port: int, folder: Path) -> dict[str, object]:
    backend = CommandBackend("agent", (sys.executable, "-I", "-S", "-c", CALL.format(port=port)))
    settings = RecoverySettings(policy=RecoveryPolicy(fallback_to_llm=False), state_dir=folder / "state")
    run = Run.create(
        folder / "runs.db",
        [SpawnTask("call") for _ in range(TASKS)],
        {"agent": backend},
        RunOptions(
            default_agent="agent",
            max_concurrent=AT_ONCE,
            cwd=folder,
            spool=folder / "runs",
            recovery=settings,
        ),
    )
    report = await run.execute()
    burned = sum(result.retry_count for result in report.results.values())
    return {"finished": report.succeeded, "burned": burned}


async def with_plain_retry(port: int, policy: RecoveryPolicy) -> dict[str, object]:
    """What each task would do by itself: its own retries, its own waits."""
    slots, done, burned = asyncio.Semaphore(AT_ONCE), 0, 0

    async def task() -> None:
        nonlocal done, burned
        for attempt in range(policy.max_retries + 1):
            if attempt:
                burned += 1
                wait = min(policy.max_delay, policy.base_delay * policy.backoff_factor ** (attempt - 1))
                await asyncio.sleep(wait * (0.5 + 0.5 * random.random()))
            async with slots:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    CALL.format(port=port),
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                )
                if await process.wait() == 0:
                    done += 1
                    return

    await asyncio.gather(*(task() for _ in range(TASKS)))
    return {"finished": done, "burned": burned}


async def measure(name: str) -> dict[str, object]:
    provider = Provider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    provider.began = time.monotonic()
    provider.at = provider.began + CLOSED_S
    if name == "gate":
        with tempfile.TemporaryDirectory() as folder:
            found = await with_gate(port, Path(folder))
    else:
        found = await with_plain_retry(port, RecoveryPolicy.from_name(name))
    took = time.monotonic() - provider.began
    server.close()
    return {"name": name, **found, "seconds": took, "calls": provider.calls, "refused": provider.refused}


if __name__ == "__main__":
    names = sys.argv[1:] or ["gate", "default", "patient", "aggressive_retry"]
    print(json.dumps([asyncio.run(measure(name)) for name in names]))
