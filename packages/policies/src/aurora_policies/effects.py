"""Effects of an operation that a rule may object to, before the policies say which action each rule takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_policies.schema import Action

__all__ = ["Effect", "Rule"]


class Rule(StrEnum):
    """The rules, the first of two equal ones first. Those of `destructive` and `safety` have settings."""

    FILE_DELETE = "file_delete"
    GIT_FORCE_PUSH = "git_force_push"
    GIT_PUSH_MAIN = "git_push_main"
    GIT_MERGE_MAIN = "git_merge_main"
    DROP_TABLE = "drop_table"
    TRUNCATE = "truncate"
    PROTECTED_PATHS = "protected_paths"
    SELF_PROTECTION = "self_protection"
    UNGATED_AGENT = "ungated_agent"
    SYSTEM_DAMAGE = "system_damage"
    DATA_LOSS = "data_loss"
    GIT_HISTORY = "git_history"
    SECRETS = "secrets"
    CODE_INJECTION = "code_injection"
    WORKTREE_ESCAPE = "worktree_escape"
    WEAKENED = "weakened_checks"
    MAX_FILES_MODIFIED = "max_files_modified"
    MAX_LINES_CHANGED = "max_lines_changed"
    UNEXPECTED_FILE_TYPES = "unexpected_file_types"
    SCOPE = "scope"
    UNDECIDABLE = "undecidable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An effect of an operation that a rule may object to.

    Attributes:
        rule: the rule.
        reason: the effect in words, for a person.
        instead: what the agent should do instead, in words for the agent.
        action: the action whatever the policies say; None for the action of the rule.
    """

    rule: Rule | str
    reason: str
    instead: str
    action: Action | None = None
