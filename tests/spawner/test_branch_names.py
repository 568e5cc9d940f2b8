"""Names of branches in a journal: one from elsewhere must not pass off a branch of the user as one of a run."""

from __future__ import annotations

import pytest

from aurora_spawner.storage.stored_values import StoredValueError
from aurora_spawner.tasks.work import work_from_json
from aurora_spawner.workspaces.isolation import isolation_from_json

ISOLATION = {
    "repository": "/srv/shop",
    "folder": ".",
    "home": "/srv/worktrees",
    "base": "a" * 40,
    "head": "a" * 40,
    "target": "main",
}


@pytest.mark.parametrize("branch", ["aurora/run-1/task", "team/bots/spawn-1796038988602/integration"])
def test_branches_of_runs_are_taken(branch: str) -> None:
    assert work_from_json({"branch": branch, "base": "a" * 40}).branch == branch


@pytest.mark.parametrize(
    "branch", ["main", "feature/login/form", "-x/spawn-1796038988602/a", "aurora/run-1/a/../../b"]
)
def test_other_branches_are_refused(branch: str) -> None:
    with pytest.raises(StoredValueError, match="must be a branch of a run"):
        work_from_json({"branch": branch, "base": "a" * 40})


@pytest.mark.parametrize("beginning", ["", "/", "team", "../", "-x/", "te am/", "team//"])
def test_a_beginning_that_git_could_take_for_something_else_is_refused(beginning: str) -> None:
    assert isolation_from_json(ISOLATION).branches == "aurora/"
    assert isolation_from_json({**ISOLATION, "branches": "team/"}).branches == "team/"
    with pytest.raises(StoredValueError, match="must begin names of branches"):
        isolation_from_json({**ISOLATION, "branches": beginning})
