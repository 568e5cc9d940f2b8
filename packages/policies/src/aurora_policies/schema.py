"""The settings of policies.yaml: their names, types, bounds and defaults. A missing file means these defaults."""

from __future__ import annotations

import ipaddress
import re
import shlex
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "Action",
    "AgentRecovery",
    "AgentSection",
    "Anomalies",
    "Approvals",
    "Budget",
    "Caps",
    "CommandRule",
    "Destructive",
    "DestructiveRule",
    "FileDeleteRule",
    "HardLimitAction",
    "NetworkRule",
    "Policies",
    "ResourceLimits",
    "Safety",
    "Sandbox",
    "SandboxMode",
    "ToolRule",
]


class Action(StrEnum):
    """The action on an operation that a rule matches."""

    ALLOW = "allow"
    PROMPT = "prompt"
    DENY = "deny"

    @property
    def severity(self) -> int:
        """The place in the order from allow to deny; of several actions the one with the highest counts."""
        return tuple(Action).index(self)


class HardLimitAction(StrEnum):
    """The action on a spawn that would exceed the budget."""

    REJECT = "reject"
    WARN = "warn"


class SandboxMode(StrEnum):
    """The use of an OS sandbox for agents."""

    OFF = "off"
    AUTO = "auto"
    REQUIRE = "require"


def _pattern(text: str) -> str:
    if not text.strip():
        raise ValueError("a pattern must not be empty")
    return text


def _command_pattern(text: str) -> str:
    words = shlex.split(text)  # quotes that do not match are a ValueError
    if not words or words[0].startswith("-"):
        raise ValueError("a pattern must begin with the name of a program")
    return text


def _branch_pattern(text: str) -> str:
    if text.startswith("refs/"):
        raise ValueError("must be the name of a branch, without refs/heads/")
    if not _BRANCH.fullmatch(text) or ".." in text or "//" in text:
        raise ValueError("must be the name of a branch; `*` stands for any characters")
    return text


def _tool_pattern(text: str) -> str:
    if not text or re.search(r"[\s()\[\]{}]", text):
        raise ValueError("must be the name of a tool, such as mcp__server__tool; `*` stands for any characters")
    return text


def _host_pattern(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("must be the name of a host, without https://, port and path; `*` stands for any characters")
    plain = text.lower().rstrip(".") or text
    with suppress(ValueError):
        return str(ipaddress.IPv6Address(plain))  # as addresses are compared
    return plain


def _stricter_than_allow(action: Action) -> Action:
    if action is Action.ALLOW:
        raise ValueError("must be prompt or deny; a host that no rule names is allowed")
    return action


def _off(value: object) -> object:
    """Reads the word `off`, which is false in YAML, as the word."""
    return SandboxMode.OFF if value is False else value


def _place(text: str) -> str:
    if not text.startswith(("/", "~/")):
        raise ValueError("must be an absolute path, or begin with ~/; the workspace itself is always writable")
    return text


_BRANCH: Final = re.compile(r"(?!-)[^\s\x00-\x20\x7f~^:?\\\[\]]+(?<![/.])")
_HOST: Final = re.compile(r"[\w*?.-]+|[0-9a-fA-F*]*:[0-9a-fA-F:*]*:[0-9a-fA-F:*]*")
_Pattern = Annotated[str, AfterValidator(_pattern)]
_ToolPattern = Annotated[str, AfterValidator(_tool_pattern)]
_HostPattern = Annotated[str, AfterValidator(_host_pattern)]
_Place = Annotated[str, AfterValidator(_place)]
_Port = Annotated[int, Field(ge=1, le=65535)]
_BranchPattern = Annotated[str, AfterValidator(_branch_pattern)]
_Count = Annotated[int, Field(ge=0)]


class _Section(BaseModel):
    # Enumerations are given as words; everything else must have its own type: "80" is no number and 1 is no yes.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Budget(_Section):
    """Limits on money.

    Attributes:
        monthly_limit_usd: ceiling for a calendar month (UTC) and all projects of the user, in US dollars.
        per_run_limit_usd: ceiling for one run; absent for none.
        reservation_usd: estimated cost of an attempt before it starts, if there is no history of its kind.
        warn_at_percent: share of the ceiling from which a warning is given.
        hard_limit_action: action beyond the ceiling.
    """

    monthly_limit_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 100.0
    per_run_limit_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    reservation_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5
    warn_at_percent: Annotated[float, Field(ge=0, le=100)] = 80
    hard_limit_action: Annotated[HardLimitAction, Field(strict=False)] = HardLimitAction.REJECT


class AgentRecovery(_Section):
    """The recovery of agents that are slow or fail.

    Attributes:
        timeout_seconds: time limit of a task from start to end.
        max_timeout_seconds: the limit that it may be extended to while there is activity; 0 for no limit.
        max_retries: number of attempts after the first.
        fallback_to_llm: a direct model call takes over from an agent that failed.
        max_provider_wait_seconds: total time to wait for a rate-limited provider without one answer; 0 never waits,
            null has no limit.
    """

    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120
    max_timeout_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 600
    max_retries: Annotated[int, Field(ge=0, le=100)] = 2
    fallback_to_llm: bool = True
    max_provider_wait_seconds: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = 900


class Caps(_Section):
    """Caps on the number of agents.

    Attributes:
        max_agents: agents at once.
        max_depth: agents that start each other; 1 lets no agent start a run of its own.
        max_total_spawns: attempts of a run in total, retries included.
    """

    max_agents: Annotated[int, Field(ge=1)] = 50
    max_depth: Annotated[int, Field(ge=1)] = 3
    max_total_spawns: Annotated[int, Field(ge=1)] = 5000


class DestructiveRule(_Section):
    """The action on one kind of destructive operation."""

    action: Annotated[Action, Field(strict=False)]


class FileDeleteRule(_Section):
    """The action on deletions.

    Attributes:
        max_files: number of named files of the workspace that may be deleted without the action.
    """

    action: Annotated[Action, Field(strict=False)] = Action.PROMPT
    max_files: _Count = 5


class Destructive(_Section):
    """Operations that destroy data."""

    file_delete: FileDeleteRule = FileDeleteRule()
    git_force_push: DestructiveRule = DestructiveRule(action=Action.DENY)
    git_push_main: DestructiveRule = DestructiveRule(action=Action.PROMPT)
    git_merge_main: DestructiveRule = DestructiveRule(action=Action.PROMPT)
    drop_table: DestructiveRule = DestructiveRule(action=Action.DENY)
    truncate: DestructiveRule = DestructiveRule(action=Action.PROMPT)


_PART_OF_BRANCH: Final = re.compile(r"(?!.*\.lock$)[A-Za-z0-9](\.?[A-Za-z0-9_-])*")


def _beginning_of_branch(text: str) -> str:
    text = text.removesuffix("/")
    if not all(_PART_OF_BRANCH.fullmatch(part) for part in text.split("/")):
        raise ValueError("cannot begin the name of a branch in git")
    return f"{text}/"


_BranchPrefix = Annotated[
    str,
    Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"),
    AfterValidator(_beginning_of_branch),
]
"""The beginning of the name of a branch, up to a slash, which may be left out."""


class Safety(_Section):
    """Bounds on the changes of a task.

    Attributes:
        auto_branch: work is done on a branch of its own.
        branch_prefix: begins the names of such branches, before the run and the task.
        protected_paths: patterns as in `.gitignore`.
        protected_branches: names of branches, with `*` for any characters; the default branch of the remote is
            protected, too.
    """

    auto_branch: bool = True
    branch_prefix: _BranchPrefix = "aurora/"
    max_files_modified: _Count = 20
    max_lines_changed: _Count = 1000
    protected_paths: tuple[_Pattern, ...] = Field(
        default=(".git/", "node_modules/", "vendor/", ".env", "*.pem", "*.key"), strict=False
    )
    protected_branches: tuple[_BranchPattern, ...] = Field(default=("main", "master", "trunk"), strict=False)


class Anomalies(_Section):
    """The definition of unusual changes of a task.

    Attributes:
        scope_multiplier: more files than this times the planned ones are unusual.
        unexpected_file_types: patterns of files that are unusual.
    """

    scope_multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 3
    unexpected_file_types: tuple[_Pattern, ...] = Field(default=("*.sql", "*.sh", "Dockerfile"), strict=False)


class Approvals(_Section):
    """The questions that a person answers.

    Attributes:
        limit_seconds: time for an answer; then it is denied. 0 denies at once, null waits without a limit.
    """

    limit_seconds: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = 3600


class Sandbox(_Section):
    """The sandbox of agents: the workspace is writable, the rest read-only.

    Attributes:
        mode: off, auto (where one works; the run says if it does), or require (else no attempt starts).
        network: open, none, or the TCP ports that agents may connect to.
        writable: further files and folders that agents may change; `~` is the home folder.
        checks: inside (checks and set-up commands of tasks, and the commands of a merge, run in the sandbox of their
            agents, too), or outside.
    """

    mode: Annotated[SandboxMode, Field(strict=False), BeforeValidator(_off)] = SandboxMode.OFF
    network: Literal["open", "none"] | Annotated[tuple[_Port, ...], Field(strict=False)] = "open"
    writable: tuple[_Place, ...] = Field(default=(), strict=False)
    checks: Literal["inside", "outside"] = "inside"


class ResourceLimits(_Section):
    """Limits on what all processes of one attempt use together; absent for none.

    Attributes:
        memory_mib: memory, in MiB.
        processes: processes at the same moment.
        cpu_seconds: processor time in all.
    """

    memory_mib: Annotated[int, Field(ge=1)] | None = None
    processes: Annotated[int, Field(ge=1)] | None = None
    cpu_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class CommandRule(_Section):
    """A rule of the user's own for commands.

    Attributes:
        pattern: the words of a command, such as "npm publish". The first one is the program. The others stand in this
            order at the beginning of its operands, and options of the pattern anywhere; `*` stands for anything.
        action: what happens to such a command.
        reason: why, in words for a person.
        instead: what an agent should do instead, in words for the agent.
        match: commands that the rule fits; checked when the file is read.
        not_match: commands that the rule does not fit; checked when the file is read.
    """

    pattern: Annotated[str, AfterValidator(_command_pattern)]
    action: Annotated[Action, Field(strict=False)]
    reason: str = ""
    instead: str = ""
    match: tuple[_Pattern, ...] = Field(default=(), strict=False)
    not_match: tuple[_Pattern, ...] = Field(default=(), strict=False)


class ToolRule(_Section):
    """A rule of the user's own for tools, those of MCP servers above all.

    Attributes:
        tool: the name of a tool of a server as `mcp__SERVER__TOOL`, whatever its CLI calls it, or a CLI's own name of
            another one; `*` stands for any characters.
        exclude: tools that the rule is not about, although their names fit.
        action: what happens to a call. `allow` is about the name alone; what the arguments show is judged as ever.
        reason: why, in words for a person.
        instead: what an agent should do instead, in words for the agent.
        match: names of tools that the rule fits; checked when the file is read.
        not_match: names of tools that the rule does not fit; checked when the file is read.
    """

    tool: _ToolPattern
    exclude: tuple[_ToolPattern, ...] = Field(default=(), strict=False)
    action: Annotated[Action, Field(strict=False)]
    reason: str = ""
    instead: str = ""
    match: tuple[_Pattern, ...] = Field(default=(), strict=False)
    not_match: tuple[_Pattern, ...] = Field(default=(), strict=False)


class NetworkRule(_Section):
    """A rule of the user's own for the hosts that commands and tools of agents contact.

    Attributes:
        host: the name or address of a host; `*` stands for any characters.
        exclude: hosts that the rule is not about, although they fit.
        action: what happens to a command that contacts such a host.
        reason: why, in words for a person.
        instead: what an agent should do instead, in words for the agent.
        match: hosts or addresses that the rule fits; checked when the file is read.
        not_match: hosts or addresses that the rule does not fit; checked when the file is read.
    """

    host: _HostPattern
    exclude: tuple[_HostPattern, ...] = Field(default=(), strict=False)
    action: Annotated[Action, Field(strict=False), AfterValidator(_stricter_than_allow)]
    reason: str = ""
    instead: str = ""
    match: tuple[_Pattern, ...] = Field(default=(), strict=False)
    not_match: tuple[_Pattern, ...] = Field(default=(), strict=False)


class AgentSection(_Section):
    """Settings for one agent. They may be stricter than those for all agents; what is looser has no effect."""

    destructive: Destructive = Destructive()
    safety: Safety = Safety()
    sandbox: Sandbox = Sandbox()
    limits: ResourceLimits = ResourceLimits()
    commands: tuple[CommandRule, ...] = Field(default=(), strict=False)
    tools: tuple[ToolRule, ...] = Field(default=(), strict=False)
    network: tuple[NetworkRule, ...] = Field(default=(), strict=False)


class Policies(_Section):
    """All settings of policies.yaml; every section and setting may be absent."""

    budget: Budget = Budget()
    caps: Caps = Caps()
    agent_recovery: AgentRecovery = AgentRecovery()
    destructive: Destructive = Destructive()
    safety: Safety = Safety()
    anomalies: Anomalies = Anomalies()
    approvals: Approvals = Approvals()
    sandbox: Sandbox = Sandbox()
    limits: ResourceLimits = ResourceLimits()
    commands: tuple[CommandRule, ...] = Field(default=(), strict=False)
    tools: tuple[ToolRule, ...] = Field(default=(), strict=False)
    network: tuple[NetworkRule, ...] = Field(default=(), strict=False)
    agents: dict[str, AgentSection] = {}
