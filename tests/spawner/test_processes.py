"""The code that supervisors run, and the names of attempts."""

import marshal
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from aurora_spawner.supervision import supervisor_process
from aurora_spawner.supervision.supervisor_process import supervisor_program


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A supervisor of which nothing is compiled yet."""
    path = tmp_path / "supervisor.py"
    path.write_text("VERSION = 1\n")
    monkeypatch.setattr(supervisor_process, "SUPERVISOR", path)
    supervisor_program.cache_clear()
    yield path
    supervisor_program.cache_clear()


def program() -> str:
    """Returns the path that a new process would run."""
    supervisor_program.cache_clear()
    return supervisor_program()


def version(path: str) -> int:
    names: dict[str, int] = {}
    exec(marshal.loads(Path(path).read_bytes()[16:]), names)
    return names["VERSION"]


def test_code_of_an_older_source_is_not_run(source: Path) -> None:
    """The source changes when the package is updated."""
    assert program() == cache_from_source(str(source))
    assert version(program()) == 1
    source.write_text("VERSION = 2  # longer\n")
    assert version(program()) == 2
    source.write_text("VERSION = 3  # longer\n")  # as long as before
    os.utime(source, (time.time() + 5,) * 2)
    assert version(program()) == 3


def test_current_code_is_not_compiled_again(source: Path) -> None:
    compiled = Path(program())
    before = compiled.stat()
    assert program() == str(compiled)
    assert compiled.stat().st_ino == before.st_ino
    assert source.exists()


@pytest.mark.parametrize("damage", [b"", b"\0" * 16, b"not code"])
def test_damaged_code_is_replaced(source: Path, damage: bytes) -> None:
    compiled = Path(program())
    compiled.write_bytes(damage)
    assert version(program()) == 1
    assert source.exists()


def test_a_source_is_run_where_nothing_can_be_kept(source: Path) -> None:
    (source.parent / "__pycache__").touch()
    assert program() == str(source)


def test_a_fork_calls_its_attempts_otherwise() -> None:
    """Two processes of one parent must not find each other's agents by their tokens."""
    script = """
import os
from aurora_spawner.runs.attempt_orders import new_token
if not os.fork():
    print(new_token(), flush=True)
    os._exit(0)
os.wait()
print(new_token())
"""
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    first, second = (token.partition("-")[0] for token in printed.split())
    assert first != second
