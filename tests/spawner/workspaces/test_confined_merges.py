"""The commands of a merge run in the sandbox of the agents whose work is merged, or it is told that they did not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.spawner.sandbox.mechanism import force
from tests.spawner.workspaces.repository import Repository

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask
from aurora_spawner.control.merging import merge_work
from aurora_spawner.sandbox.commands import ConfinedCommands, confined_for
from aurora_spawner.sandbox.settings import Confinement, Confining, SandboxSettings, strictest
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.workspaces.checks import unconfined
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of
from aurora_spawner.workspaces.preparation import Preparation

TOLD = (
    "commands of a merge (checks, generated files) ran unsandboxed: nothing that could be one is installed; "
    "a file could be written outside of it"
)


@pytest.fixture(scope="session")
def tmp_path_factory(factory_on_disk: pytest.TempPathFactory) -> pytest.TempPathFactory:
    """On disk, because a sandbox has a /dev of its own."""
    return factory_on_disk


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the journal, outputs and worktrees; `log` is what the commands may write to."""
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "log").touch()
    return tmp_path / "place"


def command(place: Path, name: str) -> str:
    """Notes the folder that it runs in, and tries to change what it may not."""
    return f'echo "{name} ${{PWD##*/}}" >> {place}/log; touch {place}/by-{name} || echo denied'


def noted(place: Path, name: str) -> set[str]:
    """Returns the folders that a command has run in."""
    return {line.split()[1] for line in (place / "log").read_text().splitlines() if line.split()[0] == name}


def confining(place: Path, *, required: bool = False) -> Confining:
    sandbox = SandboxSettings(writable=(place / "log",), required=required)
    return lambda _agent: Confinement(sandbox=sandbox)


def preparation(place: Path) -> Preparation:
    again = f"{command(place, 'lock')}; sort -u notes.txt > lock.txt"
    return Preparation(ports=0, regenerate={"lock.txt": again})


def run(repository: Repository, place: Path, confined: Confining | None, merge: MergeMode) -> RunReport:
    """Two tasks change a generated file, and a third one starts from the merge of both."""
    options = RunOptions(
        default_agent="sh",
        cwd=repository.path,
        spool=place / "runs",
        isolation=isolation_of(repository.path, home=place / "worktrees", merge=merge)[0],
        preparation=preparation(place),
        checks=(command(place, "check"),),
        confining=confined,
        executor=LocalExecutor(grace_s=0.3),
    )
    tasks = [
        SpawnTask("echo a >> one.txt; echo a > lock.txt; echo done; exit", id="a"),
        SpawnTask("echo b >> two.txt; echo b > lock.txt; echo done; exit", id="b"),
        SpawnTask("echo c > c.txt; echo done; exit", id="c", depends_on=("a", "b")),
    ]
    return Run.create(place / "runs.db", tasks, {"sh": CommandBackend("sh", ("sh",))}, options).execute_sync()


@pytest.fixture
def noting(repository: Repository) -> Repository:
    repository.commit({"notes.txt": "note\n", "lock.txt": "none\n"}, "notes")
    return repository


def test_they_change_nothing_outside_of_their_checkout(
    noting: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a task that starts from a merge, for the merge of the run, and for one after the run."""
    force(monkeypatch, "landlock")
    confined = confining(place, required=True)
    report = run(noting, place, confined, MergeMode.NEVER)
    assert report.ok, report
    assert (noted(place, "lock"), noted(place, "check")) >= ({".check.c"}, {"a", "b", "c", ".check"}), noted
    noting("update-ref", "-d", f"refs/heads/aurora/{report.run_id}/integration")
    (place / "log").write_text("")
    later = merge_work(
        place / "runs.db",
        report.run_id,
        checks=(command(place, "check"),),
        preparation=preparation(place),
        confining=confined,
    )
    assert (later.arrived, later.unsandboxed) == (True, ())
    assert noted(place, "check") == {".check"}
    assert (noting.path / "lock.txt").read_text() == "note\n"
    assert sorted(each.name for each in place.glob("by-*")) == []


def test_it_is_told_if_none_holds(noting: Repository, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, "none")
    report = run(noting, place, confining(place), MergeMode.AUTO)
    assert report.ok, report
    assert report.notices.count(TOLD) == 1
    assert (place / "by-check").exists()


def test_nothing_is_delivered_if_one_is_required_and_none_holds(
    noting: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run(noting, place, None, MergeMode.NEVER)
    for each in place.glob("by-*"):
        each.unlink()
    force(monkeypatch, "none")
    noting("update-ref", "-d", f"refs/heads/aurora/{report.run_id}/integration")
    merge = partial(
        merge_work,
        place / "runs.db",
        report.run_id,
        checks=(command(place, "check"),),
        preparation=preparation(place),
    )
    refused = merge(confining=confining(place, required=True))
    assert "must run in a sandbox, and it does not hold" in str(refused.merge.delivery.problem)
    assert not refused.arrived
    assert list(place.glob("by-*")) == []
    told = merge(confining=confining(place))
    assert (told.arrived, told.unsandboxed) == (True, (TOLD,))


def test_the_strictest_of_several_agents_counts() -> None:
    cache, more = Path("/cache"), Path("/more")
    free = SandboxSettings(network="open", writable=(cache, more), commands=False)
    some = SandboxSettings(network=(80, 443), writable=(cache,))
    other = SandboxSettings(network=(443, 8080), required=True)
    assert strictest([]) is None
    assert strictest([free]) == free
    assert strictest([free, some]) == replace(some, writable=(cache,))
    assert strictest([some, other]) == SandboxSettings(required=True, network=(443,))
    assert strictest([some, SandboxSettings(network="none")]) == SandboxSettings(network="none")


def test_agents_that_ask_for_no_sandbox_for_commands_ask_for_none_for_a_merge() -> None:
    outside, inside = SandboxSettings(commands=False), SandboxSettings(network="none")
    agents = {"free": None, "outside": outside, "inside": inside}

    def confining(agent: str) -> Confinement:
        return Confinement(sandbox=agents[agent])

    assert confined_for(None, agents) is unconfined
    assert confined_for(confining, ["free", "outside"]) is unconfined
    found = confined_for(confining, agents)
    assert isinstance(found, ConfinedCommands)
    assert found.settings == inside
