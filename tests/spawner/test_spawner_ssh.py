"""Attempts on a host over a real sshd: each starts once and ends once, whatever is cut or killed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.spawner.ssh_site import SshSite
from tests.spawner.workspaces.repository import ALONE
from tests.ssh_server import SshServer

from aurora_spawner import SpawnTask
from aurora_spawner.distributed.pool_trees import sweep

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, ssh_server: SshServer, monkeypatch: pytest.MonkeyPatch) -> SshSite:
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", ssh_server.path)
    return SshSite.make(tmp_path, ssh_server, {"app.py": "print(1)\n", "sub/x.txt": "x\n", ".gitignore": "*.log\n"})


async def test_tasks_with_worktrees_and_dependencies_are_merged(site: SshSite) -> None:
    tasks = [
        SpawnTask("echo a > a.txt; echo done", id="a"),
        SpawnTask("chmod +x app.py; printf 'a\\r\\n\\0' > bytes; ln -s app.py link; echo done", id="modes"),
        SpawnTask("cat a.txt > b.txt; echo again >> b.txt; pwd; exit", id="b", depends_on=("a",)),
        SpawnTask("git commit -q --allow-empty -m mine; echo y > sub/x.txt; echo done", id="own"),
        SpawnTask("echo nothing", id="nothing"),
    ]
    run = site.run(*tasks, isolated=True)
    report = await asyncio.wait_for(run.execute(), 120)
    assert report.succeeded == 5, [each.error for each in report.results.values()]
    project = site.project.path
    assert (project / "b.txt").read_text() == "a\nagain\n"
    assert (project / "bytes").read_bytes() == b"a\r\n\0"
    assert (project / "app.py").stat().st_mode & 0o100
    assert (project / "link").is_symlink()
    assert str(site.place / "trees") in report.results["b"].output, "it worked on the host"
    assert site.project("status", "--porcelain") == ""
    assert sweep(site.exchange, project, {run.run_id}) == []
    assert site.exchange.refs(site.project.git, f"refs/aurora/{run.run_id}/*") == {}
    await asyncio.sleep(0)
