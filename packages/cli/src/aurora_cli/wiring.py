"""Builds the real objects of a project: configuration, memory, policies, personas, agents."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_cli import trusting
from aurora_cli.errors import NoProjectError, UnknownAgentError, UntrustedAgentError
from aurora_cli.output import note
from aurora_core import AuroraCoreError, Memory, Project, load_config
from aurora_core.checkouts import linked_worktree_above
from aurora_core.private_files import private_folder
from aurora_core.project import shared_answers_folder
from aurora_core.trust import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aurora_cli.money import Guard
    from aurora_core import Config, IndexProgress, IndexReport
    from aurora_core.semantic import Embedder
    from aurora_core.settings.keys import KeyStore
    from aurora_core.trust import Claim
    from aurora_policies import PoliciesEngine
    from aurora_policies.budget import Ledger
    from aurora_soar.personas import Match, Persona, Roster
    from aurora_spawner import Backend

__all__ = [
    "LOCAL_AGENT",
    "backends_of",
    "check_trusted",
    "claims_of",
    "default_agent",
    "guard_of",
    "key_store",
    "ledger_of",
    "match_of",
    "open_memory",
    "persona_named",
    "policies_of",
    "project_at",
    "project_or_prospect",
    "prospect",
    "rebuild_memory",
    "roster_of",
    "set_own_limits",
    "set_up",
    "settings",
    "shadowed_personas",
    "shared_answers",
]

LOCAL_AGENT: Final = "local"
"""The agent that needs no model; as soar's registry names it."""


def project_at(start: Path) -> Project:
    """Finds the project that a folder belongs to.

    Raises:
        NoProjectError: there is none.
    """
    project = Project.find(start)
    if project is None:
        raise NoProjectError(start, worktree=linked_worktree_above(start))
    return project


def prospect(folder: Path) -> Project:
    """Returns the project that a folder is or would be, whatever lies above it; nothing is made."""
    return Project(root=folder)


def project_or_prospect(start: Path) -> Project:
    """Finds the project that a folder belongs to, or the one that it would be; nothing is made."""
    return Project.find(start) or Project.uninitialised(start)


def set_up(project: Project) -> Project:
    """Makes a prospect a project, and say so; one that is there stays as it is."""
    if project.aurora_dir.exists():
        return Project.init(project.root)
    note(f"setting up a project in {project.root} (.aurora/)")
    made = Project.init(project.root)
    trusting.remember_made(made)
    return made


def settings(project: Project, *, tool: str | None = None, max_concurrent: int | None = None) -> Config:
    """Reads the configuration; options of the command line that were given come before everything else.

    What the user does not trust of a project is left aside, here and wherever else its files are read, and said once.
    """
    given = {"tool": tool, "spawner.max_concurrent": max_concurrent}
    overrides = {key: value for key, value in given.items() if value is not None}
    config = load_config(project, environ=os.environ, overrides=overrides)
    if config.untrusted:
        _tell_left_aside(project)
    return config


def _tell_left_aside(project: Project) -> None:
    trusting.tell_left_aside(project, lambda: _found_roster(project))


def open_memory(project: Project, config: Config) -> Memory:
    """Opens the project's memory; the caller closes it."""
    return Memory.open(project.root, exclude=config.exclude, activation=config.activation, embedder=_embedder(config))


def _embedder(config: Config) -> Embedder | None:
    if config.semantic_model is None:
        return None
    from aurora_core.semantic import Model2VecEmbedder

    return Model2VecEmbedder(config.semantic_model)


@contextmanager
def shared_answers(config: Config) -> Iterator[Memory | None]:
    """Opens the memory that the user's projects share answers in, while the block runs; None without consent."""
    folder = shared_answers_folder(os.environ) if config.share_answers else None
    if folder is None:
        yield None
        return
    private_folder(folder)
    with Memory.open(folder) as shared:
        yield shared


def rebuild_memory(project: Project, config: Config, on_progress: Callable[[IndexProgress], None]) -> IndexReport:
    """Makes the project's memory again from its files, whatever state it is in."""
    return Memory.rebuild(project.root, exclude=config.exclude, on_progress=on_progress)


def policies_of(project: Project) -> PoliciesEngine:
    """Reads the project's policies, or the defaults where it has none."""
    from aurora_policies import PoliciesEngine

    engine = PoliciesEngine.load(project.policies_file)
    loosened = trusting.loosened_by(engine)
    if trusting.own_store().trusts(project, Part.POLICIES, trusting.policy_claims(loosened)):
        return engine
    _tell_left_aside(project)
    return engine.without(loosened)


def roster_of(project: Project, *, refresh: bool = False) -> Roster:
    """Finds the personas of a project and of its user; what was read is kept where the project is set up."""
    roster = _found_roster(project, refresh=refresh)
    if trusting.own_store().trusts(project, Part.PERSONAS, trusting.persona_claims(project, roster)):
        return roster
    _tell_left_aside(project)
    return roster.without_models_of_project()


def claims_of(project: Project) -> tuple[Claim, ...]:
    """Gathers everything in a project that needs the user's trust, trusted or not."""
    return trusting.all_claims(project, _found_roster(project))


def _found_roster(project: Project, *, refresh: bool = False) -> Roster:
    from aurora_soar.personas import CACHE_NAME, load_roster

    cache = project.aurora_dir / CACHE_NAME if project.aurora_dir.is_dir() else None
    return load_roster(project.root, Path.home(), cache=cache, now=time.time(), refresh=refresh)


def persona_named(roster: Roster, name: str) -> Persona:
    """Looks a persona up.

    Raises:
        UnknownAgentError: there is none of that name.
    """
    found = roster.get(name)
    if found is None:
        raise UnknownAgentError(name.removeprefix("@"), "aur agents show", roster.by_id)
    return found


def shadowed_personas(project: Project, roster: Roster) -> list[str]:
    """Lists personas that tasks cannot name, because a backend has their name."""
    try:
        backends = backends_of(project, settings(project))
    except AuroraCoreError:
        return []  # the commands that need the configuration say what is wrong with it
    return [name for name in roster.by_id if name in backends]


def match_of(roster: Roster, work: str) -> Match:
    """Finds the persona for a piece of work."""
    from aurora_soar.personas import Matcher

    return Matcher(roster).match(work)


def ledger_of(project: Project) -> Ledger:
    """Opens the user's ledger, with the limits that hold in a project."""
    from aurora_cli import money

    return money.ledger_of(policies_of(project))


def set_own_limits(
    project: Project, *, amounts: Mapping[str, float | None], warn_at: float | None, on_limit: str | None
) -> Ledger:
    """Changes the user's own limits; returns the ledger with those that hold now.

    Args:
        amounts: by name of the limit; None takes it away.
    """
    from aurora_policies import HardLimitAction
    from aurora_policies.budget import OwnLimits

    ledger = ledger_of(project)
    own = OwnLimits(**{**asdict(ledger.own_limits()), **amounts})
    if warn_at is not None:
        own = replace(own, warn_at_percent=warn_at)
    if on_limit is not None:
        own = replace(own, hard_action=HardLimitAction(on_limit))
    ledger.set_own_limits(own)
    return ledger_of(project)


def key_store(project: Project) -> KeyStore:
    """Builds what finds the user's keys, from a project's `.env` among other places where the user trusts it."""
    from aurora_core.settings.keys import KeyStore, system_ring

    trusted = trusting.own_store().trusts(project, Part.KEYS, trusting.key_claims(project))
    if not trusted:
        _tell_left_aside(project)

    return KeyStore(
        ring=system_ring(),
        env_file=project.root / ".env" if trusted else None,
        environ=os.environ,
        names_file=Path.home() / ".aurora" / "key_names.json",
    )


def guard_of(
    engine: PoliciesEngine, config: Config, backends: Mapping[str, Backend], per_run_usd: float | None
) -> Guard:
    """Builds what keeps a run within budget and caps.

    Raises:
        PriceFileError: the user's prices cannot be understood.
    """
    from aurora_cli.money import Guard, own_prices

    return Guard(
        engine=engine,
        backends=backends,
        may_use=frozenset({*config.backends, default_agent(config)}),
        prices=own_prices(os.environ),
        per_run_usd=per_run_usd,
    )


def default_agent(config: Config) -> str:
    """Names the agent for tasks that name none: the chosen one, else the first CLI on PATH, else the local one.

    Where a project asks for agents that the user does not trust, no other one of theirs stands in unasked.
    """
    from aurora_spawner.backends.cli import installed_kinds

    if config.untrusted:
        return config.tool or LOCAL_AGENT
    return config.tool or next(iter(installed_kinds(os.environ)), LOCAL_AGENT)


def backends_of(project: Project, config: Config) -> Mapping[str, Backend]:
    """Builds the agents that tasks may name: the configured ones, the CLIs found on PATH, and the local one."""
    from aurora_cli.backends import configured_agents, found_agents
    from aurora_soar import AgentRegistry

    local = AgentRegistry.local(project.root).backends
    keys = key_store(project) if any(backend.key for backend in config.backends.values()) else None

    def find_key(name: str) -> str:
        return (keys or key_store(project)).find(name).value

    return {**local, **found_agents(os.environ, config.env_pass), **configured_agents(config, find_key)}


def check_trusted(config: Config, backends: Mapping[str, Backend], agents: Iterable[tuple[str, str]]) -> None:
    """Refuses agents that a project brings along and the user does not trust.

    Args:
        backends: what there is without them; the user's own agent of that name is used.
        agents: the name of each, and what names it.

    Raises:
        UntrustedAgentError: one of them is left aside.
    """
    aside = {claim.name for claim in config.untrusted}
    for agent, where in agents:
        if f"backends.{agent}" in aside and agent not in backends:
            raise UntrustedAgentError(agent, where)
