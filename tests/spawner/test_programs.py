"""The search for an agent's program."""

import errno
from pathlib import Path

import pytest

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.executor import AttemptOrder
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.supervision.programs import find_on_path


def program(folder: Path, name: str = "agent", script: str = "#!/bin/sh\necho from $0") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(script + "\n")
    path.chmod(0o755)
    return path


def test_the_first_folder_that_has_it_wins(tmp_path: Path) -> None:
    first, second = program(tmp_path / "first"), program(tmp_path / "second")
    search = f"{tmp_path / 'empty'}:{first.parent}:{second.parent}"
    assert find_on_path("agent", search) == str(first)
    assert find_on_path("agent", f"{second.parent}:{first.parent}") == str(second)
    assert find_on_path("nothing", search) is None
    assert find_on_path("./agent", search) == "./agent"


def test_one_that_has_moved_is_found_again(tmp_path: Path) -> None:
    """A CLI may be updated during a run."""
    first = program(tmp_path / "one")
    search = f"{tmp_path / 'one'}:{tmp_path / 'two'}"
    assert find_on_path("agent", search) == str(first)
    second = program(tmp_path / "two")
    first.unlink()
    assert find_on_path("agent", search) == str(second)
    second.chmod(0o644)
    assert find_on_path("agent", search) is None


def test_one_that_came_late_is_found(tmp_path: Path) -> None:
    assert find_on_path("agent", str(tmp_path / "one")) is None
    assert find_on_path("agent", str(tmp_path / "one")) is None
    assert find_on_path("agent", str(tmp_path)) is None
    path = program(tmp_path / "one")
    assert find_on_path("agent", str(tmp_path / "one")) == str(path)


def test_an_agent_is_looked_for_in_its_own_path_and_keeps_its_name(tmp_path: Path) -> None:
    """The program is called by the name that the user gave: it may choose its behaviour by that name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "agent").symlink_to("/bin/sh")
    backend = CommandBackend("mine", ("agent", "-c", "echo $0"), env={"PATH": f"{folder}:/usr/bin:/bin"})
    report = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"mine": backend},
        RunOptions(
            default_agent="mine",
            cwd=tmp_path,
            spool=tmp_path / "runs",
        ),
    ).execute_sync()
    assert report.results["1"].output == "agent\n"


async def test_a_program_that_is_gone_is_not_looked_for_in_the_working_folder(tmp_path: Path) -> None:
    """A name without a slash is never a file beside the work: that may be anybody's."""
    program(tmp_path, "agent")
    order = AttemptOrder(
        run_id="r",
        task_id="1",
        number=1,
        agent="a",
        token="t",
        folder=tmp_path / "attempt",
        prompt="go",
        command=("agent",),
        environment={"PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        deadline_s=None,
    )
    executor = LocalExecutor()
    with pytest.raises(FileNotFoundError) as failure:
        await executor.start(order)
    executor.close()
    assert failure.value.errno == errno.ENOENT
