"""The commands of the benchmark, and one way to ask the policies about a command in a made-up workspace."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from aurora_policies import Operation, OperationType, Policies, PolicyResult
from aurora_policies.check import check
from aurora_policies.repository import Repository

SETS = Path(__file__).parents[2] / "benchmarks" / "policies"
WORKSPACE = Path("/home/user/project")
HOME = Path("/home/user")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    command: str
    expect: str
    rule: str | None


def cases(name: str) -> list[Case]:
    lines = (SETS / name).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [Case(command=row["command"], expect=row["expect"], rule=row["rule"]) for row in rows]


def ask(
    command: str,
    policies: Policies | None = None,
    *,
    branch: str = "feature",
    settings: dict[str, str] | None = None,
    workspace: Path = WORKSPACE,
    isolated: bool = False,
) -> PolicyResult:
    operation = Operation(
        type=OperationType.COMMAND, command=command, cwd=workspace, workspace=workspace, home=HOME, isolated=isolated
    )
    return check(operation, policies or Policies(), repository=Repository(branch=branch, settings=settings or {}))
