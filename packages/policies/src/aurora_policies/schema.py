"""The settings of policies.yaml: their names, types, bounds and defaults. A missing file means these defaults."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "Action",
    "AgentRecovery",
    "Anomalies",
    "Budget",
    "Caps",
    "Destructive",
    "DestructiveRule",
    "FileDeleteRule",
    "HardLimitAction",
    "Policies",
    "Safety",
]


class Action(StrEnum):
    """What happens to an operation that a rule matches."""

    ALLOW = "allow"
    PROMPT = "prompt"
    DENY = "deny"


class HardLimitAction(StrEnum):
    """What happens to a spawn that would pass the budget."""

    REJECT = "reject"
    WARN = "warn"


def _pattern(text: str) -> str:
    if not text.strip():
        raise ValueError("a pattern must not be empty")
    return text


_Pattern = Annotated[str, AfterValidator(_pattern)]
_Count = Annotated[int, Field(ge=0)]


class _Section(BaseModel):
    # Enumerations are given as words; everything else must have its own type: "80" is no number and 1 is no yes.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Budget(_Section):
    """Money.

    Attributes:
        monthly_limit_usd: ceiling for a calendar month (UTC) and all projects of the user, in US dollars.
        per_run_limit_usd: ceiling for one run; none if absent.
        reservation_usd: what an attempt is taken to cost before it starts, while nothing is known of its kind.
        warn_at_percent: share of the ceiling from which is warned.
        hard_limit_action: what happens beyond it.
    """

    monthly_limit_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 100.0
    per_run_limit_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    reservation_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5
    warn_at_percent: Annotated[float, Field(ge=0, le=100)] = 80
    hard_limit_action: Annotated[HardLimitAction, Field(strict=False)] = HardLimitAction.REJECT


class AgentRecovery(_Section):
    """What is done for an agent that is slow or fails.

    Attributes:
        timeout_seconds: a task's time from start to end.
        max_timeout_seconds: the longest it may be extended to while there is activity; 0 for no limit.
        max_retries: further attempts after the first.
        fallback_to_llm: whether a direct model call stands in for an agent that failed.
        max_provider_wait_seconds: how long a provider that asks for patience is waited for in all without one answer;
            0 never waits, null always.
    """

    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120
    max_timeout_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 600
    max_retries: Annotated[int, Field(ge=0, le=100)] = 2
    fallback_to_llm: bool = True
    max_provider_wait_seconds: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = 900


class Caps(_Section):
    """How many agents there may be.

    Attributes:
        max_agents: at once.
        max_depth: one below the other; 1 lets no agent start a run of its own.
        max_total_spawns: attempts of a run in all, retries included.
    """

    max_agents: Annotated[int, Field(ge=1)] = 50
    max_depth: Annotated[int, Field(ge=1)] = 3
    max_total_spawns: Annotated[int, Field(ge=1)] = 5000


class DestructiveRule(_Section):
    """What happens to one kind of destructive operation."""

    action: Annotated[Action, Field(strict=False)]


class FileDeleteRule(_Section):
    """What happens to deletions.

    Attributes:
        max_files: up to so many named files of the workspace may be deleted without the action.
    """

    action: Annotated[Action, Field(strict=False)] = Action.PROMPT
    max_files: _Count = 5


class Destructive(_Section):
    """Operations that lose something."""

    file_delete: FileDeleteRule = FileDeleteRule()
    git_force_push: DestructiveRule = DestructiveRule(action=Action.DENY)
    git_push_main: DestructiveRule = DestructiveRule(action=Action.PROMPT)
    drop_table: DestructiveRule = DestructiveRule(action=Action.DENY)
    truncate: DestructiveRule = DestructiveRule(action=Action.PROMPT)


class Safety(_Section):
    """Bounds of what a task may change.

    Attributes:
        auto_branch: whether work is done on a branch of its own.
        branch_prefix: how such branches begin.
        protected_paths: patterns as in `.gitignore`.
    """

    auto_branch: bool = True
    branch_prefix: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")] = "aurora/"
    max_files_modified: _Count = 20
    max_lines_changed: _Count = 1000
    protected_paths: tuple[_Pattern, ...] = Field(
        default=(".git/", "node_modules/", "vendor/", ".env", "*.pem", "*.key"), strict=False
    )


class Anomalies(_Section):
    """What is unusual for a task.

    Attributes:
        scope_multiplier: more files than this times the planned ones are.
        unexpected_file_types: patterns of files that are.
    """

    scope_multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 3
    unexpected_file_types: tuple[_Pattern, ...] = Field(default=("*.sql", "*.sh", "Dockerfile"), strict=False)


class Policies(_Section):
    """Everything in policies.yaml; every section and setting may be left out."""

    budget: Budget = Budget()
    caps: Caps = Caps()
    agent_recovery: AgentRecovery = AgentRecovery()
    destructive: Destructive = Destructive()
    safety: Safety = Safety()
    anomalies: Anomalies = Anomalies()
