"""The installed `aur` as a shell sees it: streams, pipes, encodings, signals, statuses."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

Installed = Callable[..., subprocess.CompletedProcess[str]]


def test_the_version(installed: Installed) -> None:
    outcome = installed("--version")
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "aur 0.1.0\n", "")


def test_an_answer_from_a_fresh_folder(installed: Installed, shop: Path) -> None:
    outcome = installed("soar", "How does the till add up prices?")
    assert outcome.returncode == ExitCode.DONE
    assert "src/shop/till.py:" in outcome.stdout
    assert "Traceback" not in outcome.stderr


def test_errors_leave_standard_output_empty(installed: Installed, shop: Path) -> None:
    outcome = installed("mem", "search", "price")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("aur: no project in ")


@pytest.mark.parametrize("encoding", few(["ascii", "latin-1"], 1))
def test_a_terminal_that_is_not_utf8_gets_escapes(installed: Installed, shop: Path, encoding: str) -> None:
    (shop / "naïve.md").write_text("# Größe → 尺寸\n\nEs ist groß.\n", encoding="utf-8")
    installed("mem", "index")
    outcome = installed("mem", "search", "groß", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert outcome.returncode == ExitCode.DONE
    assert "Traceback" not in outcome.stderr
    outcome = installed("mem", "search", "groß", "--json", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert "\\u5c3a" in outcome.stdout


def test_a_reader_that_leaves_ends_it_quietly(installed: Installed, shop: Path) -> None:
    installed("mem", "index")
    line = "for n in 1 2 3; do aur mem search price --show-content --json; done | head -n 1; exit ${PIPESTATUS[0]}"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    outcome = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )
    assert outcome.returncode == ExitCode.DONE
    assert outcome.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_standard_output_is_an_error(start_aur: Callable[..., subprocess.Popen[str]]) -> None:
    with Path("/dev/full").open("w") as full:
        process = start_aur("--version", stdout=full.fileno())
        _, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.ENVIRONMENT
    assert "No space left" in err
    assert "Traceback" not in err


def test_closed_streams_are_no_fault(shop: Path) -> None:
    aur = Path(sys.executable).with_name("aur")
    outcome = subprocess.run(["sh", "-c", f'"{aur}" doctor >&- 2>&-'], check=False)
    assert outcome.returncode == ExitCode.DONE


@pytest.mark.parametrize("ending", few([signal.SIGINT, signal.SIGTERM, signal.SIGHUP], 1))
def test_an_interrupt_while_indexing_ends_it_and_the_next_run_goes_on(
    ending: signal.Signals, start_aur: Callable[..., subprocess.Popen[str]], installed: Installed, shop: Path
) -> None:
    for number in range(3000):
        (shop / f"m{number}.py").write_text(f"def f{number}() -> int:\n    return {number}\n", encoding="utf-8")
    process = start_aur("mem", "index")
    while not (shop / ".aurora" / "memory.db").exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(ending)
    _, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED, err
    assert "Traceback" not in err
    assert "3,004 files" in installed("mem", "index").stdout


def test_an_interrupt_while_agents_answer_leaves_none_of_them(
    start_aur: Callable[..., subprocess.Popen[str]], installed: Installed, shop: Path
) -> None:
    for number in range(400):
        (shop / f"m{number}.py").write_text(f"def till{number}() -> int:\n    return {number}\n", encoding="utf-8")
    installed("mem", "index")
    process = start_aur("soar", "How does the till add up prices?", "--max-concurrent", "1")
    while not agents(shop):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in err
    assert agents(shop) == []


def agents(shop: Path) -> list[int]:
    """Local agents of this project that are alive."""
    command = ["aurora_soar.local_agent", str(shop)]
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if all(word in (process.info["cmdline"] or ()) for word in command)
        and process.status() != psutil.STATUS_ZOMBIE
    ]
