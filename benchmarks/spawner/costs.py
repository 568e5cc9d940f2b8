"""What a task costs in processor time and memory; each measurement prints one JSON object.

python costs.py run|supervisor|journal|resume FOLDER      python costs.py curve TASKS WIDTH FOLDER
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import RunPaused
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.writer import GroupWriter
from aurora_spawner.supervision.fork_server import ForkServer
from aurora_spawner.supervision.supervisor_process import SupervisorOrder, start_supervisor, wait_for_end
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor

DONE = AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout="done\n")


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cpu_s() -> tuple[float, float]:
    """Of this process, and of its ended children."""
    times = os.times()
    return times.user + times.system, times.children_user + times.children_system


def agent_cpu_s(count: int) -> float:
    """What agents cost when nobody is around them."""
    before = cpu_s()[1]
    for _ in range(count):
        subprocess.run(["sh", "-c", "echo done"], check=True, stdout=subprocess.DEVNULL)
    return cpu_s()[1] - before


def run(folder: Path) -> dict[str, float]:
    """1,000 tasks that are over at once, 4 at a time."""
    count = 1_000
    agents = agent_cpu_s(200) / 200
    before = cpu_s()
    made = Run.create(
        folder / "runs.db",
        [SpawnTask("go") for _ in range(count)],
        {"sh": CommandBackend("sh", ("sh", "-c", "echo done"))},
        RunOptions(
            default_agent="sh",
            cwd=folder,
            spool=folder / "runs",
        ),
    )
    assert made.execute_sync().ok
    own, children = (after - start for after, start in zip(cpu_s(), before, strict=True))
    return {
        "cpu_ms": (own + children) / count * 1e3 - agents * 1e3,
        "own_cpu_ms": own / count * 1e3,
        "rss_mb": peak_bytes() / 1e6,
    }


def order(folder: Path, script: str = "true") -> SupervisorOrder:
    AttemptFolder(path=folder).prepare("go")
    return SupervisorOrder(
        folder=folder,
        token="t",
        deadline_s=None,
        grace_s=5,
        cap_bytes=64 << 20,
        cwd=folder,
        cgroup=None,
        program="/bin/sh" if script != "true" else "/bin/true",
        command=("sh", "-c", script) if script != "true" else ("true",),
        environment=dict(os.environ),
    )


async def supervisor_times(folder: Path, *, forked: bool, count: int = 30) -> list[float]:
    fork_server = ForkServer()
    taken = []
    for number in range(count + 1):
        this = order(folder / f"{forked}{number}")
        begin = time.perf_counter()
        await wait_for_end(await fork_server.start(this) if forked else start_supervisor(this))
        taken.append((time.perf_counter() - begin) * 1e3)
    fork_server.close()
    return taken[1:]  # the first one starts the fork server, or compiles


def private_megabytes(folder: Path) -> float:
    """Memory that a supervisor does not share with others."""
    process = start_supervisor(order(folder, "touch up; sleep 0.3"))
    while not (folder / "up").exists():
        time.sleep(0.01)
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    kibibytes = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    os.waitpid(process.pid, 0)
    return kibibytes * 1024 / 1e6


def supervisor(folder: Path) -> dict[str, list[float]]:
    return {
        "alone_ms": asyncio.run(supervisor_times(folder, forked=False)),
        "forked_ms": asyncio.run(supervisor_times(folder, forked=True)),
        "private_mb": [private_megabytes(folder / f"m{number}") for number in range(5)],
    }


def empty_run(folder: Path) -> tuple[Path, str]:
    made = Run.create(
        folder / "runs.db",
        [SpawnTask("go")],
        {"a": SimulatedBackend("a")},
        RunOptions(
            default_agent="a",
            cwd=folder,
            spool=folder / "runs",
        ),
    )
    return made.journal, made.run_id


async def events(path: Path, run_id: str, *, producers: int, each: int) -> float:
    """Seconds until every producer has written its events one after the other, each durable before the next."""

    async def produce(writer: GroupWriter) -> None:
        for _ in range(each):
            await writer.write(entry_of(RunPaused(by="benchmark"), run_id=run_id))

    with Journal(path) as store, store.hold(run_id, holder=own_identity()) as lease:
        writer = GroupWriter(store, lease=lease)
        begin = time.perf_counter()
        await asyncio.gather(*(produce(writer) for _ in range(producers)))
        taken = time.perf_counter() - begin
        await writer.close()
    return taken


def journal(folder: Path) -> dict[str, object]:
    path, run_id = empty_run(folder)
    together = asyncio.run(events(path, run_id, producers=128, each=100))
    alone = [asyncio.run(events(path, run_id, producers=1, each=100)) / 100 * 1e3 for _ in range(5)]
    return {"events_per_s": 12_800 / together, "single_ms": alone}


def simulated(folder: Path, count: int, width: int) -> Run:
    """Each task depends on the one `width` before it, so that at most so many run at once."""
    return Run.create(
        folder / "runs.db",
        [SpawnTask("go", id=str(n), depends_on=(str(n - width),) if n >= width else ()) for n in range(count)],
        {"a": SimulatedBackend("a")},
        RunOptions(
            default_agent="a",
            max_concurrent=1_000,
            cwd=folder,
            spool=folder / "runs",
            executor=SimulatedExecutor(agent=lambda _order: DONE, remember=False),
        ),
    )


def resume(folder: Path) -> dict[str, list[float]]:
    made = simulated(folder, 10_000, 10)
    assert made.execute_sync().ok
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        assert Run.resume(made.journal, made.run_id, made.backends, executor=made.executor).execute_sync().ok
        taken.append(time.perf_counter() - begin)
    return {"seconds": taken}


def make(count: int, width: int, folder: Path) -> dict[str, object]:
    begin = time.perf_counter()
    made = simulated(folder, count, width)
    return {"create_s": time.perf_counter() - begin, "run_id": made.run_id}


def curve(count: int, width: int, folder: Path) -> dict[str, float]:
    """A run that another process has made, so that this one's memory is a coordinator's."""
    command = [sys.executable, __file__, "make", str(count), str(width), str(folder)]
    made = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    before = peak_bytes()
    executor = SimulatedExecutor(agent=lambda _order: DONE, remember=False)
    begin = time.perf_counter()
    run = Run.resume(folder / "runs.db", made["run_id"], {"a": SimulatedBackend("a")}, executor=executor)
    loaded = time.perf_counter()
    assert run.execute_sync().ok
    return {
        "create_s": made["create_s"],
        "load_s": loaded - begin,
        "execute_s": time.perf_counter() - loaded,
        "bytes_per_task": (peak_bytes() - before) / count,
    }


if __name__ == "__main__":
    what, *rest, place = sys.argv[1:]
    sized = {"curve": curve, "make": make}
    measurements = {"run": run, "supervisor": supervisor, "journal": journal, "resume": resume}
    if rest:
        tasks, width = map(int, rest)
        print(json.dumps(sized[what](tasks, width, Path(place))))
    else:
        print(json.dumps(measurements[what](Path(place))))
