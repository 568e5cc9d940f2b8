"""Blocks of ports: no two worktrees have the same, over processes and kills, and none has a port that is in use."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from aurora_spawner.workspaces import ports
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.ports import FIRST, allot_ports, free_ports

ROOT = Path(__file__).parents[3]
ALLOT = "import sys; from pathlib import Path; from aurora_spawner.workspaces.ports import allot_ports; "


def worktree(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name


def test_a_block_stays_until_its_worktree_is_gone(tmp_path: Path) -> None:
    first, second = (worktree(tmp_path, name) for name in ("first", "second\nline"))
    one, two = (allot_ports(tmp_path / "home", each, 10) for each in (first, second))
    assert two.base >= one.base + 10
    assert [allot_ports(tmp_path / "home", each, 10) for each in (first, second)] == [one, two]
    first.rmdir()
    assert allot_ports(tmp_path / "home", worktree(tmp_path, "third"), 10) == one
    free_ports(tmp_path / "home", second)
    assert allot_ports(tmp_path / "home", worktree(tmp_path, "fourth"), 10) == two


def test_another_size_is_another_block(tmp_path: Path) -> None:
    first, second = (worktree(tmp_path, name) for name in ("first", "second"))
    allot_ports(tmp_path, first, 10)
    two = allot_ports(tmp_path, second, 10)
    larger = allot_ports(tmp_path, first, 30)
    assert larger.base >= two.base + 10
    assert len(list((tmp_path / ports.FOLDER).glob("2*"))) == 2


@pytest.mark.parametrize(("family", "address"), [
    (socket.AF_INET, "127.0.0.1"), (socket.AF_INET, ""), (socket.AF_INET6, "::1"),
])  # fmt: skip
def test_a_port_that_a_program_listens_on_is_in_no_block(
    tmp_path: Path, family: socket.AddressFamily, address: str
) -> None:
    base = allot_ports(tmp_path, worktree(tmp_path, "first"), 5).base
    free_ports(tmp_path, tmp_path / "first")
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        try:
            listening.bind((address, base + 3))
        except OSError:
            pytest.skip("the system has no such address")
        listening.listen()
        assert allot_ports(tmp_path, worktree(tmp_path, "second"), 5).base > base + 3


def test_many_processes_at_once_get_different_blocks(tmp_path: Path) -> None:
    script = f"{ALLOT}[print(allot_ports(Path(sys.argv[1]), Path(each), 7).base) for each in sys.argv[2:]]"
    places = [str(worktree(tmp_path, f"w{number}")) for number in range(24)]
    with ThreadPoolExecutor(3) as pool:
        parts = [places[start::3] for start in range(3)]
        command = [sys.executable, "-c", script, str(tmp_path / "home")]
        bases = "".join(
            pool.map(lambda part: subprocess.check_output([*command, *part], cwd=ROOT, text=True), parts)
        ).split()
    assert len(set(bases)) == 24
    numbers = sorted(map(int, bases))
    assert all(later - earlier >= 7 for earlier, later in pairwise(numbers))


def test_a_process_that_is_killed_in_between_holds_nothing(tmp_path: Path) -> None:
    dies = "import os, signal; from aurora_spawner.workspaces import ports; "
    dies += "ports._write = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
    place = worktree(tmp_path, "first")
    done = subprocess.run(
        [sys.executable, "-c", f"{dies}{ALLOT}allot_ports(Path({str(tmp_path)!r}), Path({str(place)!r}), 3)"],
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert allot_ports(tmp_path, place, 3).base >= FIRST


@pytest.mark.parametrize("content", [b"", b"not a path", b"/\0", b"/x" * 9000])
def test_a_damaged_block_is_free_again(tmp_path: Path, content: bytes) -> None:
    base = allot_ports(tmp_path, worktree(tmp_path, "first"), 4).base
    (tmp_path / ports.FOLDER / f"{base}-4").write_bytes(content)
    os.mkfifo(tmp_path / ports.FOLDER / "29999-1")
    assert allot_ports(tmp_path, worktree(tmp_path, "second"), 4).base == base


def test_where_none_is_free_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "END", FIRST + 3)
    with pytest.raises(WorkspaceError, match="has no block of 4 ports: none is free from 20000 to 20002"):
        allot_ports(tmp_path, worktree(tmp_path, "first"), 4)
