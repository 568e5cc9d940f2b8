"""Tasks in worktrees on the workers of a pool: trees travel through a bare git repository, and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.postgres import PostgresServer
from tests.spawner.pool_trees import Site
from tests.spawner.workspaces.repository import ALONE

from aurora_spawner import SpawnTask
from aurora_spawner.distributed.pool_trees import sweep
from aurora_spawner.tasks.work import MergeOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer.create()
    yield server
    server.remove()


@pytest.fixture
def site(tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    lines = "".join(f"line {number}\n" for number in range(1, 10))
    return Site.make(tmp_path, server.new_database(), {"app.py": lines, "sub/x.txt": "x\n", ".gitignore": "*.log\n"})


async def test_twelve_tasks_with_dependencies_and_one_conflict_over_two_workers(site: Site) -> None:
    """The work of dependencies is there where a dependant begins; what conflicts stays on its branch."""
    first = [SpawnTask(f"echo {name} > {name}.txt; echo done", id=name) for name in "abcd"]
    then = [
        SpawnTask(
            f"cat {one}.txt {other}.txt > {one}{other}.txt; echo done; exit", id=one + other, depends_on=(one, other)
        )
        for one, other in (("a", "b"), ("c", "d"))
    ]
    last = SpawnTask("cat ab.txt cd.txt > all.txt; echo done; exit", id="all", depends_on=("ab", "cd"))
    modes = SpawnTask("chmod +x app.py; printf 'a\\r\\n\\0' > bytes; ln -s app.py link; echo done", id="modes")
    own = SpawnTask("git commit -q --allow-empty -m mine; echo y > sub/x.txt; echo done", id="own")
    idle = SpawnTask("echo nothing", id="idle")
    clash = [SpawnTask(f"echo {name} > same.txt; echo done", id=name) for name in ("one", "two")]
    run = site.run(*first, *then, last, modes, own, idle, *clash)
    async with site.working("w1", "w2") as lines:
        report = await asyncio.wait_for(run.execute(), 120)
    assert report.succeeded == 12, [each.error for each in report.results.values()]
    assert report.merge is not None
    assert [each.outcome for each in report.merge.unmerged] == [MergeOutcome.CONFLICT]
    project = site.project.path
    assert (project / "all.txt").read_text() == "a\nb\nc\nd\n"
    assert (project / "bytes").read_bytes() == b"a\r\n\0"
    assert (project / "link").is_symlink()
    assert (project / "app.py").stat().st_mode & 0o100
    assert (project / "sub" / "x.txt").read_text() == "y\n"
    assert site.project("status", "--porcelain") == ""
    assert sum("begins task" in each for each in lines) == 12, lines
    left = sweep(site.exchange, project, {run.run_id})
    assert [each.split("/")[3] for each in left] == [report.merge.unmerged[0].task_id], (
        "only what is not merged stays"
    )
