"""The environment variables of Aurora: which are read, and which merely look as if they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLES", "UnknownVariable", "Variable", "unknown_variables"]

_PREFIX: Final = "AURORA_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of Aurora.

    Attributes:
        setting: the setting that it overrides; "" if it is no setting.
        for_agents: Aurora sets it for agents, checks and set-up commands; it is not for the user to set.
    """

    name: str
    setting: str = ""
    for_agents: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownVariable:
    """A variable that nothing reads.

    Attributes:
        nearest: the one that was probably meant; None if none is similar.
    """

    name: str
    nearest: str | None


def _setting(name: str, setting: str) -> Variable:
    return Variable(name=name, setting=setting)


def _for_agents(name: str) -> Variable:
    return Variable(name=name, for_agents=True)


VARIABLES: Final = (
    _setting("AURORA_TOOL", "tool"),
    _setting("AURORA_SPAWNER_MAX_CONCURRENT", "spawner.max_concurrent"),
    _setting("AURORA_MEMORY_EXCLUDE", "memory.exclude"),
    _setting("AURORA_MEMORY_ACTIVATION", "memory.activation"),
    _setting("AURORA_MEMORY_SEMANTIC_MODEL", "memory.semantic_model"),
    _setting("AURORA_MEMORY_SHARE_ANSWERS", "memory.share_answers"),
    _setting("AURORA_MEMORY_LESSONS", "memory.lessons"),
    Variable(name="AURORA_TRUST"),  # 1 trusts everything in every project; for CI
    Variable(name="AURORA_SAFE_DIRECTORY"),  # folders whose `.aurora` may belong to another user
    Variable(name="AURORA_MCP_TOKEN"),  # the token of `aur mcp serve --http`
    Variable(name="AURORA_WORKER_TOKEN"),  # by which the database of pools knows a worker
    Variable(name="AURORA_DATABASE_URL"),  # the database of pools of workers; it may hold a password
    Variable(name="AURORA_DATABASE_CA"),  # the file of the authority that has signed the certificate of its server
    Variable(name="AURORA_DATABASE_PLAIN"),  # 1 lets the connection to another machine do without TLS
    Variable(name="AURORA_DEBUG"),  # 1 prints the traceback of an error
    _for_agents("AURORA_ATTEMPT"),  # the attempt that a process belongs to
    _for_agents("AURORA_INBOX"),  # the socket at which an agent asks a person
    _for_agents("AURORA_RUN_ID"),  # the run of an agent or check
    _for_agents("AURORA_TASK_ID"),  # the task of an agent or check
    _for_agents("AURORA_ATTEMPT_NUMBER"),  # from 1
    _for_agents("AURORA_DEPTH"),  # how many agents are above, for the cap on nested ones
    _for_agents("AURORA_MODEL"),  # the model of a task, for agents that are programs of your own
    _for_agents("AURORA_MODEL_KEY"),  # the key of a `model` agent, for its own process
    _for_agents("AURORA_PORT_BASE"),  # the first port of a worktree
    _for_agents("AURORA_PORT_COUNT"),  # the number of its ports
    _for_agents("AURORA_SLUG"),  # a short name of a worktree, for databases and containers
    _for_agents("AURORA_FILES"),  # the files that a command of `regenerate:` is to make
)


def unknown_variables(environ: Mapping[str, str]) -> tuple[UnknownVariable, ...]:
    """Returns the variables with the prefix of Aurora that nothing reads, by name."""
    known = {each.name for each in VARIABLES}
    for_users = {each.name: _words(each.name) for each in VARIABLES if not each.for_agents}
    return tuple(
        UnknownVariable(name=name, nearest=_nearest(name, for_users))
        for name in sorted(environ)
        if name.startswith(_PREFIX) and name not in known
    )


def _nearest(name: str, known: Mapping[str, frozenset[str]]) -> str | None:
    """Returns the variable with all words of this one (`AURORA_MAX_CONCURRENT`), else the most similar spelling."""
    from difflib import get_close_matches  # a project without such a variable should not wait for it

    words = _words(name)
    fuller = [each for each, theirs in known.items() if words and words <= theirs]
    if fuller:
        return fuller[0]
    close = get_close_matches(
        name.removeprefix(_PREFIX), [each.removeprefix(_PREFIX) for each in known], n=1, cutoff=0.75
    )
    return f"{_PREFIX}{close[0]}" if close else None


def _words(name: str) -> frozenset[str]:
    return frozenset(name.removeprefix(_PREFIX).split("_")) - {""}
