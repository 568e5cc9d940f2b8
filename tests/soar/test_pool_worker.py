"""The worker of a machine: which agents it takes, who judges them, and what of its project takes effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aurora_soar import Aurora
from aurora_soar.errors import PoolError
from aurora_soar.taskruns.pool_worker import open_host, open_worker
from aurora_soar.taskruns.pools import check_pool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_soar.notices import Notice
    from aurora_spawner.distributed.worker_options import WorkerOptions

CONFIG = """
backends:
  own: {kind: command, command: [sh]}
  hooked: {kind: claude, command: [sh]}
  unhooked: {kind: aider, command: [sh]}
pools:
  big: {repository: /srv/trees.git}
  far: {ssh: anna@far.example}
"""
PREPARATION = "copy: [.env.test]\nsetup: [make setup]\nlink: [data]\nenv: {NAME: x}\n"

Opened = tuple["WorkerOptions", list[str], list["Notice"]]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Opened]:
    """Opens the worker of a folder with the user's own configuration, without a database."""
    (tmp_path / "home/.config/aurora").mkdir(parents=True)
    (tmp_path / "home/.config/aurora/config.yaml").write_text(CONFIG)
    (tmp_path / "project/.aurora").mkdir(parents=True)
    (tmp_path / "project/.aurora/worktree.yaml").write_text(PREPARATION)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("AURORA_DATABASE_URL", "postgresql://127.0.0.1:9/none")
    for name in ("XDG_CONFIG_HOME", "AURORA_TRUST"):
        monkeypatch.delenv(name, raising=False)

    def worker(options: WorkerOptions, **_more: Any) -> WorkerOptions:
        return options

    monkeypatch.setattr("aurora_spawner.distributed.worker.Worker", worker)

    def open_it(*allow: str) -> Opened:
        said: list[str] = []
        notices: list[Notice] = []
        aurora = Aurora.open(tmp_path / "project", notify=notices.append)
        options: Any = open_worker(
            aurora.project_agents,
            pool="big",
            name="w",
            concurrency=1,
            allow=allow,
            token="",
            labels=(),
            place=tmp_path / f"place-{len(list(tmp_path.iterdir()))}",
            tools=tuple,
            tell=said.append,
        )
        return options, said, notices

    return open_it


def test_a_strangers_worktree_yaml_runs_nothing_on_a_worker(
    opened: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies are harmless; commands, variables and links wait for the trust of the worker's user."""
    options, _said, notices = opened()
    assert options.trees is not None
    assert options.trees.preparation is not None
    left = options.trees.preparation.preparation
    assert (left.copy, left.setup, left.link, dict(left.env)) == ((".env.test",), (), (), {})
    assert any("ignored until you trust this project: setup" in each.message for each in notices), notices
    monkeypatch.setenv("AURORA_TRUST", "1")
    trusted = opened()[0].trees
    assert trusted is not None
    assert trusted.preparation is not None
    assert trusted.preparation.preparation.setup == ("make setup",)


def test_the_worker_says_of_each_cli_how_it_is_judged(opened: Callable[..., Opened]) -> None:
    options, said, _notices = opened()
    assert {"own", "hooked", "unhooked"} <= set(options.backends)
    assert options.gate is not None
    assert "hooked: the policy gate is on: a hook asks the policies before each tool call" in said
    assert any(each.startswith("unhooked: the policy gate is off: ") for each in said)
    assert not any(each.startswith("own:") for each in said)
    assert set(opened("own")[0].backends) == {"own"}


def test_a_cli_whose_hook_does_not_work_is_none_for_a_pool(
    opened: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aurora_soar.taskruns.gate.probe_gate", lambda _gate: "its hook cannot be tried: no")
    options, said, _notices = opened()
    assert "hooked" not in options.backends
    assert "own" in options.backends
    assert any(each.startswith("not run for the pool: hooked") and "cannot be tried" in each for each in said)
    for allow in (("hooked",), ("hooked", "own")):
        with pytest.raises(PoolError, match="the policy gate does not work here, so hooked cannot run"):
            opened(*allow)


def test_a_run_says_that_worktree_yaml_has_no_effect_on_a_host(opened: Callable[..., Opened], tmp_path: Path) -> None:
    """Only where it has none: for tasks with worktrees that go to a host."""
    opened()
    notices: list[Notice] = []
    agents = Aurora.open(tmp_path / "project", notify=notices.append).project_agents

    def said(pool: str, *placed: tuple[str, str], isolated: bool = True) -> list[str]:
        notices.clear()
        agents.limits(pool=pool).check(["own"], tasks=1, isolated=isolated, placed=placed)
        return [each.message for each in notices if "worktree.yaml has no effect" in each.message]

    assert said("far") == ["worktree.yaml has no effect on far: a worktree there has its commit alone"]
    assert len(said("big", ("own", "far"))) == 1
    assert said("big") == []
    assert said("far", isolated=False) == []
    (tmp_path / "project/.aurora/worktree.yaml").unlink()
    assert said("far") == []


def test_no_cli_runs_over_ssh_where_nobody_judges_it(opened: Callable[..., Opened], tmp_path: Path) -> None:
    opened()
    agents = Aurora.open(tmp_path / "project").project_agents

    def check(agent: str, pool: str, *placed: tuple[str, str]) -> None:
        check_pool(pool, agents.config.pools, [agent], agents.backends, placed=placed, isolated=False)

    check("own", "far")
    check("hooked", "big", ("own", "far"))
    for pool, placed in (("far", ()), ("big", (("hooked", "far"),))):
        with pytest.raises(PoolError, match="over ssh no policy gate judges what hooked would do on far"):
            check("hooked", pool, *placed)
    assert set(open_host(agents, name="h", allow=(), place=tmp_path / "place").backends) == {"own"}
    with pytest.raises(PoolError, match="over ssh no policy gate judges what agent CLIs do, so hooked cannot run"):
        open_host(agents, name="h", allow=("own", "hooked"), place=tmp_path / "place")
