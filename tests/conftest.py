"""What holds for all tests."""

import gc
import math
import os
import signal
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import load_examples
from tests.left_whole import LEFT_WHOLE

if TYPE_CHECKING:
    from tests.postgres import PostgresServer
    from tests.ssh_server import SshServer

# Under `nohup`, or in the background of a script, this process has them ignored, and so would all that it starts; but
# tests send them.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where this is set, as in many a container, each program that the tests start would compile all that it imports, and
# each worker all the tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


WORKERS_PER_CORE = 2
"""Tests use half of the time that they take: else they wait for processes that they have started, or that sleep."""

IN_MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 << 30
"""What a run may need; the folders of tests that pass are removed at once."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two ways to run what is marked `exhaustive`."""
    group = parser.getgroup("aurora")
    group.addoption("--all", action="store_true", help="run the tests marked `exhaustive` too")
    group.addoption("--rest", action="store_true", help="run what the ordinary run leaves out")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a command that asks for two different selections; choose how many examples properties are tried with."""
    if config.option.all and config.option.rest:
        raise pytest.UsageError("--all and --rest: give one of them")
    load_examples(all_of_them=config.option.all or config.option.rest)
    if config.option.basetemp is None and _holds_programs(IN_MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def pytest_report_header(config: pytest.Config) -> str:
    """Tell what is left out; workers tell nothing of what they deselect."""
    if config.option.all:
        return "tests: all"
    if config.option.rest:
        return "tests: those marked `exhaustive`, and properties with all of their examples"
    return "tests: all but those marked `exhaustive`, properties with a tenth of their examples; --all runs all"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while the tests are found, nor look through the tests and their imports for any later.

    Nothing of them is garbage, and the looking was four of ten seconds of each worker.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to `--all` and `--rest` what is theirs."""
    if config.option.all:
        return
    chosen: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        marked = item.get_closest_marker("exhaustive") is not None or _function(item) in LEFT_WHOLE
        whole = config.option.rest and getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        chosen[whole or marked is config.option.rest].append(item)
    items[:] = chosen[True]
    if chosen[False]:
        config.hook.pytest_deselected(items=chosen[False])


def _holds_programs(folder: Path) -> bool:
    """Returns True for a folder in memory with room for a run; a container often has 64 MB, or runs nothing there."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize >= ROOM_BYTES and not system.f_flag & os.ST_NOEXEC


@pytest.fixture(scope="session")
def factory_on_disk(pytestconfig: pytest.Config) -> Generator[pytest.TempPathFactory]:
    """Makes folders outside /dev, which many a sandbox has of its own; for tests of those."""
    with tempfile.TemporaryDirectory(prefix="aurora-tests-", ignore_cleanup_errors=True) as folder:
        yield pytest.TempPathFactory(
            Path(folder).resolve() / "t", 0, "failed", pytestconfig.trace.get("tmpdir"), _ispytest=True
        )


@pytest.fixture(scope="module")
def server() -> Generator["PostgresServer"]:
    """A PostgreSQL of the module's own."""
    from tests.postgres import PostgresServer  # not at the start of every run

    made = PostgresServer.create()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def ssh_server() -> Generator["SshServer"]:
    """An sshd of the module's own."""
    from tests.ssh_server import SshServer  # not at the start of every run

    made = SshServer.create()
    yield made
    made.remove()


def _function(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0].removeprefix("tests/")


def pytest_xdist_auto_num_workers() -> int | None:
    """Take more workers than there are cores for this process, unless xdist's own variable says how many."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return math.ceil(WORKERS_PER_CORE * cores)
