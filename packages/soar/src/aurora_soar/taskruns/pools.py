"""Pools: the executor of a run on one, which is workers that share a database with the run, or a host over ssh."""

from __future__ import annotations

import hashlib
import math
import os
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_policies.schema import SandboxMode
from aurora_soar.errors import PoolError
from aurora_soar.registry import LOCAL_AGENT
from aurora_spawner import CliBackend, CommandBackend
from aurora_spawner.recovery.fallbacks import provider_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from aurora_core.settings.config import PoolConfig
    from aurora_soar.taskruns.confinement import AgentConfinement
    from aurora_spawner import Backend
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.distributed.database import Database
    from aurora_spawner.distributed.exchange import Exchange, TreeExchange
    from aurora_spawner.distributed.ssh.destination import Destination
    from aurora_spawner.rate_limits.gate_store import ProviderStore

__all__ = [
    "DATABASE_VARIABLE",
    "WORKER_TOKEN_VARIABLE",
    "check_pool",
    "database_url",
    "exchange_at",
    "open_database",
    "pool_agents",
    "pool_executor",
    "shared_gates",
    "trees_of",
    "workspace_name",
]

DATABASE_VARIABLE: Final = "AURORA_DATABASE_URL"
"""The variable with the address of the database; no file and no journal has it, since it may hold a password."""

WORKER_TOKEN_VARIABLE: Final = "AURORA_WORKER_TOKEN"  # noqa: S105 -- the name of it
"""The variable with the token of a worker; agents do not get it."""


def database_url() -> str:
    """Returns the address of the database.

    Raises:
        PoolError: none is named, or the packages for it are not installed.
    """
    try:
        import psycopg  # noqa: F401 -- an extra
    except ImportError as error:
        raise PoolError(
            f"workers need packages that are not installed here: {error}", "pip install 'aurora-spawner[distributed]'"
        ) from error
    url = os.environ.get(DATABASE_VARIABLE, "")
    if not url:
        raise PoolError(
            "no database is named for the pool", f"set {DATABASE_VARIABLE}=postgresql://… or give --database"
        )
    return url


def pool_agents(backends: Mapping[str, Backend]) -> dict[str, CommandBackend | CliBackend]:
    """Returns the agents that a worker can run: commands of the user's own, and agent CLIs."""
    found = {name: each for name, each in backends.items() if isinstance(each, CommandBackend | CliBackend)}
    found.pop(LOCAL_AGENT, None)
    return found


def check_pool(
    pool: str,
    pools: Mapping[str, PoolConfig],
    agents: Collection[str],
    backends: Mapping[str, Backend],
    *,
    placed: Collection[tuple[str, str]],
    isolated: bool,
) -> None:
    """Refuses a run on a pool that its machines could not do as it would be done here.

    Args:
        pools: those that the configuration describes, by name.
        placed: agents of tasks that name a pool of their own, each with that pool.
        isolated: its tasks have trees.

    Raises:
        PoolError: no database is named, no repository for its trees, or an agent is none of those that workers run.
    """
    goes = _goes(pool, agents, backends, placed)
    used = {pool, *(each for _agent, each in goes)}
    if any(each not in pools or pools[each].ssh is None for each in used):
        database_url()
    if isolated and pool not in pools:
        raise PoolError(
            f"pool {pool} names no git repository through which trees could travel",
            f"add `pools: {{{pool}: {{repository: ADDRESS}}}}` to the configuration, or give --isolation none",
        )
    hosts = {each for each in used if each in pools and pools[each].ssh}
    ungated = sorted(each for each in goes if each[1] in hosts and isinstance(backends.get(each[0]), CliBackend))
    if ungated:
        agent, host = ungated[0]
        raise PoolError(
            f"over ssh no policy gate judges what {agent} would do on {host}",
            "give these tasks to a command of your own, or use workers with a database",
        )
    others = sorted(set(agents) & (backends.keys() - pool_agents(backends).keys()))
    if others:
        raise PoolError(
            f"a pool does not run {', '.join(others)}: models and the local agent run only on this machine",
            "give these tasks to an agent CLI, or to a command of your own (`backends:` in the configuration)",
        )


def hosts_of(
    pool: str,
    pools: Mapping[str, PoolConfig],
    agents: Collection[str],
    backends: Mapping[str, Backend],
    placed: Collection[tuple[str, str]],
) -> list[str]:
    """Returns the names of the pools of a run that are hosts over ssh; the arguments are those of `check_pool`."""
    used = {pool, *(each for _agent, each in _goes(pool, agents, backends, placed))}
    return sorted(each for each in used if each in pools and pools[each].ssh)


def _goes(
    pool: str, agents: Collection[str], backends: Mapping[str, Backend], placed: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Returns the agents of a run, each with the pools that its tasks go to."""
    return {*placed, *((each, getattr(backends.get(each), "pool", None) or pool) for each in agents)}


def exchange_at(repository: str) -> Exchange:
    """Opens the git repository of a pool; a path may begin with `~/`."""
    from aurora_spawner.distributed.exchange import Exchange

    return Exchange(str(Path(repository).expanduser()) if repository.startswith("~") else repository)


def trees_of(pool: PoolConfig) -> TreeExchange:
    """Opens what carries the trees of a pool: its repository, or bundles to its host."""
    if pool.ssh is None:
        assert pool.repository is not None
        return exchange_at(pool.repository)
    from aurora_spawner.distributed.ssh.bundle_exchange import BundleExchange

    return BundleExchange(_destination(pool, pool.ssh))


def pool_executor(
    pool: str,
    confinement: AgentConfinement,
    pools: Mapping[str, PoolConfig],
    *,
    workspace: Path,
    tell: Callable[[str, str], None],
) -> Executor:
    """Builds the executor that runs attempts on a pool, and those of tasks that name another one there.

    Args:
        confinement: what this side asks for; another machine's own policies may be stricter.
        pools: those that the configuration describes, by name.
        workspace: the project's folder; the runs of one share what is its share of a pool.
        tell: receives the name of a pool, and what the user should know while attempts wait for it.

    Raises:
        PoolError: no database is named, or the packages for it are not installed.
    """

    def of(name: str) -> Executor:
        found = pools.get(name)
        if found is not None and found.ssh is not None:
            return _host_executor(name, found, found.ssh, confinement, tell=partial(tell, name))
        return _worker_executor(name, found, confinement, workspace=workspace, tell=partial(tell, name))

    from aurora_spawner.distributed.pools import PoolsExecutor

    hosts = {name: each.ssh for name, each in pools.items() if each.ssh}
    return PoolsExecutor(pool=pool, hosts=hosts, executor=of)


def _host_executor(
    name: str, pool: PoolConfig, address: str, confinement: AgentConfinement, *, tell: Callable[[str], None]
) -> Executor:
    from aurora_spawner.distributed.ssh.executor import SshExecutor

    return SshExecutor(
        pool=name,
        destination=_destination(pool, address),
        concurrency=pool.concurrency,
        give_up_after_s=math.inf if pool.give_up_after is None else pool.give_up_after,
        sandbox=lambda agent: _mode(confinement, agent).value,
        tell=tell,
    )


def _destination(pool: PoolConfig, address: str) -> Destination:
    from aurora_spawner.distributed.ssh.destination import Destination

    return Destination(address=address, port=pool.port, folder=pool.folder or "", program=pool.program)


def _worker_executor(
    name: str,
    pool: PoolConfig | None,
    confinement: AgentConfinement,
    *,
    workspace: Path,
    tell: Callable[[str], None],
) -> Executor:
    url = database_url()
    from aurora_spawner.distributed.pool_executor import PoolExecutor
    from aurora_spawner.distributed.pool_trees import PoolTrees

    return PoolExecutor(
        pool=name,
        url=url,
        sandbox=lambda agent: _mode(confinement, agent).value,
        workspace=workspace_name(workspace),
        provider=lambda agent: provider_of(confinement.backends[agent]),
        tell=tell,
        trees=None if pool is None else PoolTrees(exchange=trees_of(pool)),
    )


def shared_gates(url: str) -> Callable[[str], ProviderStore]:
    """Returns what opens the provider gates that a run shares with all runs on the pools of a database."""

    def opened(run_id: str) -> ProviderStore:
        from aurora_spawner.distributed.shared_gates import SharedGates

        return SharedGates(url, holder=run_id)

    return opened


def workspace_name(folder: Path) -> str:
    """Returns a name for a project's folder on this machine, which does not say where that is."""
    place = f"{socket.gethostname()}:{folder.resolve()}"
    return f"{folder.resolve().name[:80]}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def _mode(confinement: AgentConfinement, agent: str) -> SandboxMode:
    sandbox = confinement(agent).sandbox
    if sandbox is None:
        return SandboxMode.OFF
    return SandboxMode.REQUIRE if sandbox.required else SandboxMode.AUTO


def open_database() -> Database:
    """Opens the database that runs on pools and their workers share.

    Raises:
        PoolError: no database is named, or the packages for it are not installed.
    """
    url = database_url()
    from aurora_spawner.distributed.database import Database

    return Database(url)
