"""A run on three workers while at random everything that can die or be cut off is: what is true when it is over.

The workers reach the database by a socket of their own each, and nothing else of the network where the system allows
that. One has a clock that is an hour ahead. Leases are of seconds; for a machine that is too busy for that, all times
can be stretched. The seed decides what happens, and when.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.faults.cuttable_link import Link
from tests.spawner.workspaces.repository import ALONE, Repository, make_repository
from tests.warm_python import WarmPopen

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.errors import AttemptRecordError
from aurora_spawner.journal.exported_events import load_all_events
from aurora_spawner.journal.facts import TaskReopened, TaskSettled
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import list_runs, load_attempts, load_tasks
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.work import MergeOutcome
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.postgres import PostgresServer

    from aurora_spawner.journal.exported_events import ExportedEvent

WORKERS: Final = ("anna", "ben", "cleo")
AHEAD: Final = {"cleo": 3600}
CALM_LIMIT_S: Final = 240.0
AGENT: Final = """
t=$AURORA_TASK_ID
mkdir -p out
given=$(for d in $(cat needs/$t); do cat out/$d; done | sha256sum | cut -c1-16)
echo "$t $given" > out/$t
case $t in 6|12) echo $t > shared.txt;; esac
sleep 0.$((t % 7 + 1))
seq $((t * 97))
printf '\\000\\377end %s' $t
"""
CONFIG: Final = """
tool: work
merge: auto
spawner: {recovery: {max_retries: 8, base_delay: 0.2, fallback_to_llm: false, circuit_breaker_enabled: false}}
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """The tasks of a run: what each needs, and what it therefore leaves and prints."""

    needs: dict[int, list[int]]

    @classmethod
    def random(cls, chance: random.Random, count: int) -> Plan:
        needs: dict[int, list[int]] = {}
        for task in range(1, count + 1):
            earlier = range(max(1, task - 12), task)
            most = min(3, len(earlier)) if chance.random() < 0.6 else 0
            needs[task] = sorted(chance.sample(earlier, chance.randint(0, most)))
        return cls(needs)

    def text(self) -> str:
        lines = []
        for task, needs in self.needs.items():
            lines.append(f"- [ ] {task} Task {task}")
            if needs:
                lines.append(f"  - Depends: {', '.join(map(str, needs))}")
        return "\n".join(lines) + "\n"

    def files(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for task, needs in self.needs.items():
            given = "".join(found[each] for each in needs).encode()
            found[task] = f"{task} {hashlib.sha256(given).hexdigest()[:16]}\n"
        return found

    def output(self, task: int) -> bytes:
        lines = "".join(f"{number}\n" for number in range(1, task * 97 + 1))
        return lines.encode() + b"\0\xffend %d" % task


@dataclass(slots=True)
class Storm:
    """A project, a bare repository, three workers, and their ways to the database."""

    folder: Path
    server: PostgresServer
    database: str
    project: Repository
    plan: Plan
    chance: random.Random
    slower: float = 1.0
    """The factor by which the times of leases, outages and limits are longer."""
    links: dict[str, Link] = field(default_factory=dict)
    workers: dict[str, WarmPopen[str]] = field(default_factory=dict)
    coordinators: list[WarmPopen[str]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    """What was done, by kind."""
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    """What is mended at which moment."""
    _programs: int = 0
    _database_runs: bool = True

    def begin(self, way: str, *words: str, alone: bool = False) -> WarmPopen[str]:
        """Starts `aur`, which reaches the database by a way."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")}
        environ = kept | {
            **ALONE,
            "HOME": str(self.folder / "homes" / way),
            "XDG_STATE_HOME": str(self.folder / "homes" / way / "state"),
            "AURORA_TRUST": "1",
            "AURORA_DATABASE_URL": f"postgresql://aurora@/{self.database}?host={self.links[way].folder}",
            "AURORA_AHEAD_S": str(AHEAD.get(way, 0)),
            "AURORA_SLOWER": str(self.slower),
        }
        if alone:
            environ["AURORA_ALONE"] = "1"
        self._programs += 1
        program = str(Path(__file__).with_name("quick_pool.py"))
        with (self.folder / f"log-{self._programs:03}-{way}-{words[0]}").open("w") as log:
            return WarmPopen(
                [sys.executable, program, *words], cwd=self.project.path, env=environ, stdout=log, stderr=log
            )

    def start_worker(self, name: str) -> None:
        if self._alive(self.workers.get(name)):
            return
        words = ("worker", "--pool", "p", "--concurrency", "4", "--name", name)
        self.workers[name] = self.begin(name, *words, alone=True)

    def _log_of(self, worker: str) -> str:
        return max(self.folder.glob(f"log-*-{worker}-worker")).read_text()

    @staticmethod
    def _alive(process: WarmPopen[str] | None) -> bool:
        return process is not None and process.poll() is None

    def coordinate(self) -> None:
        """Starts a coordinator, or resumes the run."""
        run_id = self.run_id()
        words = ("resume", run_id) if run_id else ("spawn", "tasks.md", "--pool", "p", "--max-concurrent", "12")
        self.coordinators.append(self.begin("coordinator", *words, "--yes"))

    def journal_path(self) -> Path:
        return self.project.path / ".aurora" / "runs.db"

    def journal(self) -> Journal:
        return Journal(self.journal_path(), make=False)

    def run_id(self) -> str:
        if not self.journal_path().exists():
            return ""
        with self.journal() as journal:
            runs = list_runs(journal)
        return runs[0].run_id if runs else ""

    def said(self) -> str:
        return "\n".join(f"--- {each.name}\n{each.read_text()}" for each in sorted(self.folder.glob("log-*")))

    # What happens.

    def kill_worker(self) -> None:
        name = self.chance.choice(WORKERS)
        if self._alive(self.workers.get(name)):
            self.workers[name].kill()
            self.workers[name].wait()
            self._mend(lambda: self.start_worker(name), self.chance.choice((0.1, 1.0, 4.0, 15.0)))

    def kill_coordinator(self) -> None:
        for each in self.coordinators:
            if self._alive(each):
                each.kill()
                each.wait()
        self._mend(self.coordinate, self.chance.choice((0.0, 0.5, 3.0)))

    def resume_twice(self) -> None:
        """Two more coordinators at once; one takes the run if it has none, all others are refused."""
        if self.chance.random() < 0.7:
            self.kill_coordinator()
        self.coordinate()
        self.coordinate()

    def kill_supervisor(self) -> None:
        """Kills the supervisor of a running attempt; waits a little for one."""
        end = time.monotonic() + 2.0
        while not (pids := self._supervisors()) and time.monotonic() < end:
            time.sleep(0.05)
        if pids:
            self.done["supervisors killed"] += 1
            with suppress(ProcessLookupError):
                os.kill(self.chance.choice(pids), signal.SIGKILL)

    def _supervisors(self) -> list[int]:
        return [
            pid
            for pid in map(_supervisor_of, self.folder.glob("homes/*/.config/aurora/workers/*/attempts/*/"))
            if pid
        ]

    def kill_database(self) -> None:
        if not self._database_runs:
            return
        self.server.kill()
        self._database_runs = False
        self._mend(self.start_database, self.chance.choice((0.0, 1.0, 4.0)))

    def start_database(self) -> None:
        if not self._database_runs:
            self.server.start()
            self._database_runs = True

    def cut(self) -> None:
        link = self.links[self.chance.choice(list(self.links))]
        (link.freeze if self.chance.random() < 0.5 else link.sever)()
        forget = self.chance.random() < 0.5
        self._mend(lambda: link.heal(forget=forget), self.slower * self.chance.choice((0.5, 2.0, 5.0, 15.0)))

    def _mend(self, how: Callable[[], None], after_s: float) -> None:
        self.later.append((time.monotonic() + after_s, how))

    def mend_due(self, *, everything: bool = False) -> None:
        now = time.monotonic()
        due = [each for each in self.later if everything or each[0] <= now]
        self.later = [each for each in self.later if each not in due]
        for _at, how in due:
            how()

    def rage(self, events: int) -> None:
        """Lets so many things happen, or fewer if the run is over before."""
        kinds = (
            *(self.kill_worker, self.kill_worker, self.kill_coordinator, self.resume_twice),
            *(self.kill_supervisor, self.kill_supervisor, self.kill_database, self.cut, self.cut),
        )
        self._wait_for_work()
        for _ in range(events):
            end = time.monotonic() + self.chance.uniform(0.2, 2.0)
            while time.monotonic() < end:
                self.mend_due()
                time.sleep(0.05)
            if self.is_over():
                return
            happens = self.chance.choice(kinds)
            self.done[happens.__name__] += 1
            happens()

    def _wait_for_work(self) -> None:
        end = time.monotonic() + self.slower * CALM_LIMIT_S
        while not self._supervisors():
            assert time.monotonic() < end, "no attempt begins"
            time.sleep(0.1)

    def is_over(self) -> bool:
        run_id = self.run_id()
        if not run_id or any(map(self._alive, self.coordinators)):
            return False
        with self.journal() as journal:
            return all(each.state.settled for each in load_tasks(journal, run_id))

    def calm_down(self) -> None:
        """Mends everything and sees the run to its end.

        Raises:
            AssertionError: It does not come to one.
        """
        self.mend_due(everything=True)
        for name in WORKERS:
            self.start_worker(name)
        end = time.monotonic() + self.slower * CALM_LIMIT_S
        for _ in range(5):
            if self.is_over() and self._ended_well():
                break
            if not any(map(self._alive, self.coordinators)):
                self.coordinate()
            while any(map(self._alive, self.coordinators)):
                assert time.monotonic() < end, "the run does not end"
                time.sleep(0.1)
        for name, process in self.workers.items():
            while self._alive(process) and "serves pool" not in self._log_of(name):  # SIGTERM is no drain before
                assert time.monotonic() < end, f"worker {name} does not serve"
                time.sleep(0.1)
            process.terminate()
        for name, process in self.workers.items():
            try:
                assert process.wait(timeout=60 * self.slower) == 0, f"worker {name} ends with {process.returncode}"
            except subprocess.TimeoutExpired:
                raise AssertionError(f"worker {name} does not drain") from None

    def _ended_well(self) -> bool:
        return self.coordinators[-1].returncode in (0, 1)

    def close(self) -> None:
        for process in (*self.workers.values(), *self.coordinators):
            if self._alive(process):
                process.kill()
                process.wait()
        self.start_database()
        for link in self.links.values():
            link.close()


def _supervisor_of(folder: Path) -> int:
    """Returns the pid of an attempt's supervisor, if it is alive; else 0."""
    with suppress(AttemptRecordError, KeyError, OSError, ValueError, IndexError):
        claim = AttemptFolder(path=folder).read_claim()
        stat = Path(f"/proc/{claim['pid']}/stat").read_text()
        if int(stat.rpartition(")")[2].split()[19]) == claim["start_time"]:
            return int(claim["pid"])
    return 0


@contextmanager
def storm_of(seed: int, tasks: int, server: PostgresServer, *, slower: float = 1.0) -> Iterator[Storm]:
    """Makes the site of a seed, and takes it away."""
    chance = random.Random(seed)
    plan = Plan.random(chance, tasks)
    folder = Path(tempfile.mkdtemp(prefix="aur-"))  # short, since sockets have to be
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        subprocess.run(["git", "init", "--quiet", "--bare", folder / "exchange"], check=True)
        agent = json.dumps(["sh", "-c", AGENT])
        config = f"{CONFIG}backends:\n  work: {{kind: command, command: {agent}}}\n"
        config += f"pools:\n  p: {{repository: {folder / 'exchange'}}}\n"
        files: dict[str, str | None] = {
            f"needs/{task}": " ".join(map(str, each)) for task, each in plan.needs.items()
        }
        files |= {"tasks.md": plan.text(), ".aurora/config.yaml": config, ".gitignore": ".aurora/*\n"}
        project = make_repository(folder / "project", files)
        project("checkout", "--quiet", "-b", "work")  # a protected branch would want an approval
        database = server.new_database().rpartition("/")[2]
        storm = Storm(folder, server, database, project, plan, chance, slower)
        for way in (*WORKERS, "coordinator"):
            (folder / "homes" / way).mkdir(parents=True)
            storm.links[way] = Link(folder / f"way-{way}", server.port)
        stack.callback(storm.close)
        yield storm


def weather(storm: Storm, events: int) -> dict[str, Any]:
    """Runs the tasks through a storm; returns what happened.

    Raises:
        AssertionError: Something is not as it must be.
    """
    storm.coordinate()
    for name in WORKERS:
        storm.start_worker(name)
    storm.rage(events)
    storm.calm_down()
    return check(storm)


def _recorded(events: Iterator[ExportedEvent]) -> Counter[str]:
    """Returns how often each task was recorded since it was last opened again."""
    times: Counter[str] = Counter()
    for each in events:
        if each.task_id is not None and each.kind == TaskSettled.kind:
            times[each.task_id] += 1
        elif each.task_id is not None and each.kind == TaskReopened.kind:
            times[each.task_id] = 0
    return times


def check(storm: Storm) -> dict[str, Any]:
    """Each task is recorded once, its work is merged once or named, and nothing is left or changed."""
    run_id = storm.run_id()
    with storm.journal() as journal:
        rows, attempts = load_tasks(journal, run_id), load_attempts(journal, run_id)
        report = verify(journal)
        recorded = _recorded(load_all_events(journal, run_id))
    assert report.ok, report.problem
    merged = Counter(storm.project("log", "--first-parent", "--format=%(trailers:key=Aurora-Task,valueonly)").split())
    files, outcomes = storm.plan.files(), Counter[str]()
    for row in rows:
        task, name = int(row.task_id), f"task {row.task_id}"
        times = recorded[row.task_id]
        assert (row.state.settled, times) == (True, 1), f"{name} is {row.state}, recorded {times} times"
        if row.state is not TaskState.SUCCEEDED:
            continue
        path = storm.project.path / "out" / row.task_id
        assert row.merge is not None, f"the work of {name} is neither merged nor named"
        outcomes[row.merge.outcome] += 1
        is_merged = row.merge.outcome is MergeOutcome.MERGED
        assert path.exists() == is_merged, f"{name} is {row.merge}, and its file says something else"
        assert merged[row.task_id] == is_merged, f"{name} is merged {merged[row.task_id]} times"
        if is_merged:
            assert path.read_text() == files[task], f"{name} has left {path.read_text()!r}"
        assert row.result is not None
        assert row.result.output_path is not None
        printed = Path(row.result.output_path).read_bytes()
        assert printed == storm.plan.output(task), f"{name} has printed {len(printed)} other bytes"
    assert processes_of_run(run_id) == [], "processes are left"
    refs = storm.project("for-each-ref", "--format=%(refname) %(objectname)", folder=storm.folder / "exchange")
    branch = set(storm.project("rev-list", "HEAD").split())
    left = [line for line in refs.splitlines() if line.split()[1] in branch]
    assert left == [], f"refs of merged work are left: {left}"
    if outcomes.keys() <= {MergeOutcome.MERGED}:
        assert refs == "", f"refs are left: {refs}"
    assert storm.project("status", "--porcelain", "--", "out", "needs") == ""
    states = Counter(str(row.state) for row in rows)
    return {
        "tasks": dict(states),
        "work": dict(outcomes),
        "attempts": len(attempts),
        "happened": dict(sorted(storm.done.items())),
    }
