"""What holds questions, answers and decisions is readable by its owner alone, whatever the umask."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess


@pytest.fixture(autouse=True, params=[0o000, 0o022])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    return sorted(str(path) for path in (folder, *folder.rglob("*")) if stat.S_IMODE(path.lstat().st_mode) & 0o077)


def test_logs_caches_and_the_users_own_folder(shop: Path, aur: Callable[..., CompletedProcess[str]]) -> None:
    agents = shop / ".claude" / "agents"
    agents.mkdir(parents=True)
    (agents / "tester.md").write_text("---\nname: tester\ndescription: Tests.\nmodel: opus\n---\nx\n")
    assert aur("soar", "What does Till do?").returncode == 0
    assert aur("agents", "list").returncode == 0
    assert aur("trust", "--yes").returncode == 0
    assert (shop / ".aurora" / "cache").is_dir()
    assert list((shop / ".aurora" / "logs").rglob("*.md"))
    for folder in (shop / ".aurora" / "logs", shop / ".aurora" / "cache", Path.home() / ".aurora" / "trust"):
        assert open_to_others(folder) == []
    for folder in (shop / ".aurora", Path.home() / ".aurora"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_answers_that_projects_share(shop: Path, aur: Callable[..., CompletedProcess[str]]) -> None:
    aur("init")
    (shop / ".aurora" / "config.yaml").write_text("memory: {share_answers: true}\n")
    assert aur("soar", "What does Till do?").returncode == 0
    shared = Path.home() / ".local" / "share" / "aurora" / "shared"
    assert (shared / ".aurora").is_dir()
    assert stat.S_IMODE(shared.stat().st_mode) == 0o700
