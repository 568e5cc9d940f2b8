"""Worktrees on a worker are prepared by the `worktree.yaml` of its own project, as those of a run on one machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.postgres import PostgresServer
from tests.spawner.pool_trees import Site
from tests.spawner.workspaces.repository import ALONE, make_repository, write

from aurora_spawner import SpawnTask
from aurora_spawner.distributed import lease
from aurora_spawner.distributed.attempt_store import AttemptStore
from aurora_spawner.distributed.database import Database
from aurora_spawner.distributed.worker_place import WorkerPlace
from aurora_spawner.distributed.worker_preparation import WorkerPreparation, setup_mark
from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.supervision.orphans import find_orphans
from aurora_spawner.workspaces.preparation import Preparation

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner import RunReport


@pytest.fixture
def site(tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its worker has a checkout of the project, with files of its own that git does not track."""
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    files: dict[str, str | None] = {"app.py": "line\n", ".gitignore": ".env.test\n*.log\n"}
    made = Site.make(tmp_path, server.new_database(), files)
    there = make_repository(tmp_path / "theirs", files)
    write(there.path, {".env.test": "KEY=theirs\n", "notes.txt": "not tracked\n", "data/big": "big\n"})
    return made


def prepared(site: Site, preparation: Preparation, *, project: str = "theirs") -> None:
    site.preparation = WorkerPreparation(
        preparation=preparation, project=site.folder / project, environ=dict(os.environ)
    )


async def one(site: Site, script: str) -> RunReport:
    async with site.working("w1"):
        return await asyncio.wait_for(site.run(SpawnTask(script, id="1")).execute(), 60)


async def test_the_agent_finds_what_its_workers_project_gives_and_none_of_it_is_merged(site: Site) -> None:
    prepared(
        site,
        Preparation(
            copy=(".env.test", "notes.txt", "absent.txt"),
            link=("data",),
            setup=("echo by set-up > made.txt; test -f .env.test; echo $NAME > seen.log; echo changed > app.py",),
            env={"NAME": "db_{task}"},
        ),
    )
    script = (
        "cat .env.test notes.txt data/big made.txt seen.log app.py; echo $NAME $AURORA_PORT_COUNT; "
        "test $AURORA_PORT_BASE -ge 20000 && echo $AURORA_SLUG; git status --porcelain; echo work > work.txt; exit"
    )
    report = await one(site, script)
    result = report.results["1"]
    assert result.success, result.error
    lines = result.output.splitlines()
    assert lines[:7] == ["KEY=theirs", "not tracked", "big", "by set-up", "db_1", "line", "db_1 10"]
    assert lines[7].startswith("1_1_")
    assert lines[8:] == [], "an agent's git sees nothing of it"
    assert {each.name for each in site.project.path.iterdir()} == {".git", ".gitignore", "app.py", "work.txt"}
    assert "worktrees: absent.txt is not there, and is not copied" in report.notices
    assert any("put back: app.py" in each for each in report.notices)


async def test_a_failed_set_up_fails_the_attempt_before_its_agent_begins(site: Site) -> None:
    prepared(site, Preparation(setup=("echo made > made.txt; echo no network; exit 3",), ports=0))
    report = await one(site, f"touch {site.folder}/began; echo done")
    error = str(report.results["1"].error)
    assert "the set-up command" in error
    assert "failed with exit status 3" in error
    assert "no network" in error
    assert not (site.folder / "began").exists()
    assert not site.kept("w1"), "nothing in it was anybody's work"


async def test_a_cancelled_task_ends_its_set_up_with_all_that_it_has_started(site: Site) -> None:
    started = site.folder / "started"
    prepared(site, Preparation(setup=(f"setsid sleep 61 & echo $! > {started}; sleep 60",), ports=0))
    run = site.run(SpawnTask("echo done", id="1"))
    async with site.working("w1"):
        running = asyncio.create_task(run.execute())
        async with asyncio.timeout(30):
            while not (started.exists() and started.read_text()):  # noqa: ASYNC110 -- a file
                await asyncio.sleep(0.05)
        began = time.monotonic()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(running, 30)
    assert time.monotonic() - began < 15
    assert not site.kept("w1")
    pid = int(started.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_what_the_set_up_of_a_killed_worker_has_left_ends_with_its_next_process(site: Site) -> None:
    """The worker was killed between its claim and the start of the agent."""
    database = Database(site.url)
    await database.make_tables()
    store, token = AttemptStore(database), "token-1"
    place = site.places["w1"] = WorkerPlace.locked(site.folder / "w1")
    await store.submit(token, key=("run", "1", 1), pool="p", document="not read before its agent begins")
    await store.change(token, lambda row, now: lease.claim(row, place.worker_id, now=now, lease_s=60.0))
    place.folder_of(token).mkdir()
    left = subprocess.Popen(  # noqa: ASYNC220 -- it has to be there before the worker is
        [sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, TOKEN_VARIABLE: setup_mark(token)}
    )
    try:
        async with site.working("w1"):
            async with asyncio.timeout(30):
                while (row := await store.read(token)) is None or row.lease.state is lease.AttemptState.RUNNING:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        assert left.wait(timeout=5) < 0
        assert not find_orphans(setup_mark(token), session=None)
    finally:
        left.kill()
        database.close()


async def test_a_worker_without_a_checkout_says_what_it_cannot_give(site: Site) -> None:
    (site.folder / "bare").mkdir()
    prepared(site, Preparation(copy=(".env.test",), setup=("echo y > made.log",)), project="bare")
    report = await one(site, "ls -A; cat made.log")
    assert report.results["1"].success, report.results["1"].error
    assert ".env.test" not in report.results["1"].output
    assert any("is no git repository, so nothing is copied or linked" in each for each in report.notices)
