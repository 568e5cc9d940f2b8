"""Every key of the default policy file: flipped in that file, and what follows from it is different."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.policies.commands import HOME, WORKSPACE
from tests.spawner.workspaces.repository import make_repository

from aurora_core import Project, load_config
from aurora_policies import Operation, OperationType, PoliciesEngine, default_policies_yaml
from aurora_policies.budget import Ledger, OwnLimits, effective_limits
from aurora_policies.caps import CapExceeded, check_caps
from aurora_policies.diff import ChangedFile
from aurora_policies.schema import SandboxMode
from aurora_soar.taskruns.agents import ProjectAgents
from aurora_soar.taskruns.confinement import AgentConfinement
from aurora_soar.taskruns.isolation import WantedIsolation, plan_isolation
from aurora_spawner.recovery.timeouts import limits_of
from aurora_spawner.workspaces.preparation import Preparation


@dataclass(frozen=True, slots=True)
class Given:
    """Policies as a file says them, and a folder of the test's own."""

    engine: PoliciesEngine
    folder: Path

    @property
    def agents(self) -> ProjectAgents:
        config = load_config(None, environ={"HOME": str(self.folder)})
        return ProjectAgents(project=Project(root=self.folder), config=config, policies=self.engine, backends={})


See = Callable[[Given], Any]


def money(of: Given, *costs: float) -> tuple[Ledger, list[Any]]:
    """Has one attempt after the other begin, each of which costs so much; returns the ledger, and what it said."""
    limits = effective_limits(of.engine.policies.budget, OwnLimits())
    ledger, grants = Ledger(path=of.folder / "budget.db", limits=limits), []
    for number, cost in enumerate(costs):
        given: dict[str, Any] = {"run_id": "r", "task_id": "1", "agent": "claude", "model": None}
        grants.append(ledger.reserve(token=f"t{number}", **given))
        ledger.observe(f"t{number}", cost)
    return ledger, grants


def last_granted(*costs: float) -> See:
    return lambda of: money(of, *costs)[1][-1].granted


def capped(*, tasks: int, depth: int) -> See:
    def see(of: Given) -> str:
        try:
            check_caps(of.engine.caps, tasks=tasks, depth=depth)
        except CapExceeded as error:
            return error.setting
        return ""

    return see


def to_command(command: str) -> See:
    def see(of: Given) -> str:
        given: dict[str, Any] = {"cwd": WORKSPACE, "workspace": WORKSPACE, "home": HOME}
        return str(of.engine.check(Operation(type=OperationType.COMMAND, command=command, **given)).action)

    return see


def to_diff(*files: ChangedFile, planned: tuple[str, ...] = ()) -> See:
    return lambda of: [str(each.rule) for each in of.engine.judge_diff(files, planned=planned)]


def some(count: int, **fields: Any) -> tuple[ChangedFile, ...]:
    return tuple(ChangedFile(path=f"src/file{number}.py", kind="M", **fields) for number in range(count))


def to_merge(target: str) -> See:
    return lambda of: str(of.engine.judge_merge(target, repository=of.folder).action)


def recovering(field: str) -> See:
    return lambda of: getattr(of.agents.recovery().policy, field)


def limited(field: str) -> See:
    return lambda of: getattr(limits_of(of.agents.recovery().policy.timeout, explicit_s=None), field)


def branches(of: Given) -> str:
    """What the names of branches of a run begin with; nothing if it has none."""
    repository = make_repository(of.folder / "project", {"a.txt": "a\n"})
    plan = plan_isolation(
        repository.path,
        agents=["codex"],
        backends={},
        wanted=WantedIsolation(),
        preparation=Preparation,
        safety=of.engine.policies.safety,
    )
    return plan.isolation.branches if plan.isolation else ""


def confined(asked: SandboxMode | None, field: str) -> See:
    def see(of: Given) -> Any:
        sandbox = AgentConfinement(policies=of.engine, backends={}, asked=asked)("codex").sandbox
        return None if sandbox is None else getattr(sandbox, field)

    return see


def approval_limit(of: Given) -> float | None:
    return of.agents.gate_options(of.agents.gate([]))["approval_limit_s"]


SEEN: dict[str, tuple[Any, See, Any, Any]] = {
    "budget.monthly_limit_usd": (0.2, last_granted(0.0), True, False),
    "budget.reservation_usd": (7.0, lambda of: money(of, 0.0)[0].status().reserved_usd, 0.5, 7.0),
    "budget.warn_at_percent": (10, lambda of: len(money(of, 20.0, 0.0)[1][1].notices), 0, 1),
    "budget.hard_limit_action": ("warn", last_granted(200.0, 0.0), False, True),
    "caps.max_agents": (1, lambda of: of.agents.max_concurrent(60), 50, 1),
    "caps.max_depth": (2, capped(tasks=1, depth=2), "", "caps.max_depth"),
    "caps.max_total_spawns": (2, capped(tasks=3, depth=0), "", "caps.max_total_spawns"),
    "agent_recovery.timeout_seconds": (60, limited("first_check_s"), 120, 60),
    "agent_recovery.max_timeout_seconds": (0, limited("hard_s"), 600, None),
    "agent_recovery.max_retries": (0, recovering("retries"), 2, 0),
    "agent_recovery.fallback_to_llm": (False, recovering("fallback_to_llm"), True, False),
    "agent_recovery.max_provider_wait_seconds": (None, recovering("max_provider_wait"), 900, None),
    "destructive.file_delete.action": ("deny", to_command("rm -rf x"), "prompt", "deny"),
    "destructive.file_delete.max_files": (1, to_command("rm a b"), "allow", "prompt"),
    "destructive.git_force_push.action": ("prompt", to_command("git push -f"), "deny", "prompt"),
    "destructive.git_push_main.action": ("deny", to_command("git push o main"), "prompt", "deny"),
    "destructive.git_merge_main.action": ("allow", to_merge("main"), "prompt", "allow"),
    "destructive.drop_table.action": ("prompt", to_command("psql -c 'drop table t'"), "deny", "prompt"),
    "destructive.truncate.action": ("allow", to_command("psql -c 'truncate t'"), "prompt", "allow"),
    "safety.auto_branch": (False, branches, "aurora/", ""),
    "safety.branch_prefix": ("team/", branches, "aurora/", "team/"),
    "safety.max_files_modified": (2, to_diff(*some(3)), [], ["max_files_modified"]),
    "safety.max_lines_changed": (9, to_diff(*some(2, lines=5)), [], ["max_lines_changed"]),
    "safety.protected_paths": (["src/"], to_command("echo x > src/a"), "allow", "prompt"),
    "safety.protected_branches": (["work"], to_merge("work"), "allow", "prompt"),
    "anomalies.scope_multiplier": (4, to_diff(*some(4), planned=("src/file0.py",)), ["scope"], []),
    "anomalies.unexpected_file_types": (["*.py"], to_diff(*some(1)), [], ["unexpected_file_types"]),
    "approvals.limit_seconds": (5, approval_limit, 3600, 5),
    "sandbox.mode": ("require", confined(None, "required"), None, True),
    "sandbox.network": ([443], confined(SandboxMode.AUTO, "network"), "open", (443,)),
    "sandbox.writable": (["/srv"], confined(SandboxMode.AUTO, "writable"), (), (Path("/srv"),)),
    "sandbox.checks": ("outside", confined(SandboxMode.AUTO, "commands"), True, False),
}
"""For each key another value, what is looked at, and how that is before and after."""


def keys(document: dict[str, Any], above: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in document.items():
        found |= keys(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}"}
    return found


def test_each_key_has_its_row() -> None:
    assert set(SEEN) == keys(yaml.safe_load(default_policies_yaml()))


@pytest.mark.parametrize("key", SEEN)
def test_a_key_that_is_flipped_changes_what_follows(key: str, tmp_path: Path) -> None:
    value, see, before, after = SEEN[key]
    document = yaml.safe_load(default_policies_yaml())
    found = []
    for name in ("as-it-is", "flipped"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "policies.yaml").write_text(yaml.safe_dump(document))
        found.append(see(Given(PoliciesEngine.load(folder / "policies.yaml"), folder)))
        *sections, last = key.split(".")
        at = document
        for section in sections:
            at = at[section]
        at[last] = value
    assert found == [before, after]
