"""This machine as a worker, or as a host over ssh: its agents, and the policies under which they run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from aurora_core.bounded import open_regular
from aurora_policies.schema import SandboxMode
from aurora_soar.errors import PoolError
from aurora_soar.taskruns.confinement import AgentConfinement
from aurora_soar.taskruns.gate import find_gate
from aurora_soar.taskruns.pools import WORKER_TOKEN_VARIABLE, database_url, exchange_at, pool_agents
from aurora_spawner import CommandBackend
from aurora_spawner.backends.cli import has_gate
from aurora_spawner.distributed.documents import SPOOL_LIMIT_BYTES
from aurora_spawner.sandbox.executor import ConfiningExecutor
from aurora_spawner.supervision.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from aurora_soar.taskruns.agents import ProjectAgents
    from aurora_soar.taskruns.gate import RunGate
    from aurora_spawner import CliBackend
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.distributed.announced import AnnouncedTool
    from aurora_spawner.distributed.ssh.host_attempts import HostOptions
    from aurora_spawner.distributed.worker import Worker

__all__ = ["open_host", "open_worker", "worker_token"]

_LONGEST: Final = 10_000
"""Bytes that are read of a file with a token, which is far shorter."""


def open_worker(
    agents: ProjectAgents,
    *,
    pool: str,
    name: str,
    concurrency: int,
    allow: Collection[str],
    token: str,
    labels: Collection[str],
    place: Path,
    tell: Callable[[str], None],
    tools: Callable[[], Sequence[AnnouncedTool]],
) -> Worker:
    """Opens the worker of this machine, whose agents work in the project's folder under its policies.

    Args:
        allow: the agents that it runs; all commands of the user's own and all agent CLIs if empty.
        token: by which the database knows the worker; "" if the database has no roles.
        labels: what this machine has, for tasks that need it.
        place: the worker's own folder.
        tools: finds out which agents are on this machine, for those who look at the list of workers.

    Raises:
        PoolError: no database is named, or an allowed agent cannot be run for a pool, as one whose hook does not
            reach the policies.
        UntrustedAgentError: an allowed agent is of the project's own, and the user does not trust it.
        PreparationError: `worktree.yaml` is not valid.
        WorkerRunsError: another process is this worker.
    """
    url = database_url()
    from aurora_spawner.distributed.worker import Worker
    from aurora_spawner.distributed.worker_options import WorkerOptions
    from aurora_spawner.distributed.worker_place import WorkerPlace
    from aurora_spawner.distributed.worker_preparation import WorkerPreparation
    from aurora_spawner.distributed.worker_trees import WorkerTrees

    found = agents.config.pools.get(pool)
    repository = found.repository if found else None
    backends = _allowed(agents, allow)
    gate = find_gate(agents.policies, backends, backends.keys())
    if gate.problem:
        backends = _ungated(backends, gate, allow, tell)
    for agent, words in gate.words.items():
        if agent in backends and not isinstance(backends[agent], CommandBackend):
            tell(f"{agent}: the policy gate is {words}")

    trees = None
    if repository:
        preparation = WorkerPreparation(
            preparation=agents.preparation(),
            project=agents.project.root,
            environ=os.environ,
            env_pass=agents.config.env_pass,
            confining=_confinement_of(agents),
        )
        trees = WorkerTrees(folder=place / "trees", exchange=exchange_at(repository), preparation=preparation)
    options = WorkerOptions(
        name=name,
        pool=pool,
        concurrency=concurrency,
        labels=tuple(labels),
        cwd=agents.project.root,
        backends=backends,
        gate=gate.gate,
        executor=_executor_of(agents),
        environ=os.environ,
        tools=tools,
        trees=trees,
    )
    return Worker(options, place=WorkerPlace.locked(place), url=url, token=token, tell=tell)


def open_host(agents: ProjectAgents, *, name: str, allow: Collection[str], place: Path) -> HostOptions:
    """Returns what this machine offers to a coordinator that comes over ssh.

    Args:
        name: that of the machine, for people.
        allow: the agents that it runs; all that are commands of the user's own if empty.
        place: the folder of attempts and trees.

    Raises:
        PoolError: an allowed agent cannot be run for a pool.
        UntrustedAgentError: an allowed agent is of the project's own, and the user does not trust it.
    """
    from aurora_spawner.distributed.ssh.host_attempts import HostOptions

    return HostOptions(
        name=name,
        place=place,
        cwd=agents.project.root,
        backends=_commands(agents, allow),
        executor=_executor_of(agents),
        environ=os.environ,
    )


def _confinement_of(agents: ProjectAgents) -> Callable[[str], AgentConfinement]:
    """Returns what confines agents for a use of a sandbox, under the policies of the project here."""
    return lambda mode: AgentConfinement(policies=agents.policies, backends=agents.backends, asked=SandboxMode(mode))


def _executor_of(agents: ProjectAgents) -> Callable[[str], Executor]:
    """Returns what builds the executor for a use of a sandbox."""
    confining = _confinement_of(agents)
    return lambda mode: ConfiningExecutor(inner=LocalExecutor(cap_bytes=SPOOL_LIMIT_BYTES), confining=confining(mode))


def worker_token(file: Path | None) -> str:
    """Returns the token of the worker: from a file, else from the environment; "" without one.

    Raises:
        PoolError: the file cannot be read, or others can read it.
    """
    if file is None:
        return os.environ.get(WORKER_TOKEN_VARIABLE, "").strip()
    try:
        with os.fdopen(open_regular(file), "rb") as opened:
            mode, content = os.fstat(opened.fileno()).st_mode, opened.read(_LONGEST)
    except OSError as error:
        raise PoolError(f"{file}: cannot be read: {error.strerror}", "write the token into it") from error
    if mode & 0o077:
        raise PoolError(
            f"{file}: others can read the token", f"chmod 600 {file}; make another token if they may have"
        )
    return content.decode("utf-8", errors="replace").strip()


def _allowed(agents: ProjectAgents, allow: Collection[str]) -> dict[str, CommandBackend | CliBackend]:
    agents.check_trusted((each, "--allow") for each in allow)
    found = pool_agents(agents.backends)
    missing = sorted(set(allow) - found.keys())
    if missing or not found:
        known = ", ".join(sorted(found)) or "none"
        problem = (
            f"no agent for a pool is named {missing[0]}; there are: {known}" if missing else "no agent for a pool"
        )
        raise PoolError(problem, "install an agent CLI, or name a command under `backends:` in the configuration")
    return {key: each for key, each in found.items() if not allow or key in allow}


def _commands(agents: ProjectAgents, allow: Collection[str]) -> dict[str, CommandBackend]:
    """Returns the commands of the user's own among the agents: on a host nobody judges the tool calls of a CLI.

    Raises:
        PoolError: there is none, or a CLI was named.
    """
    allowed = _allowed(agents, allow)
    commands = {name: each for name, each in allowed.items() if isinstance(each, CommandBackend)}
    others = sorted(allowed.keys() - commands.keys())
    if not commands or set(allow) & set(others):
        raise PoolError(
            f"over ssh no policy gate judges what agent CLIs do, so {', '.join(others)} cannot run for a coordinator",
            "name a command of your own under `backends:` in the configuration, or use a worker with a database",
        )
    return commands


def _ungated(
    backends: dict[str, CommandBackend | CliBackend],
    gate: RunGate,
    allow: Collection[str],
    tell: Callable[[str], None],
) -> dict[str, CommandBackend | CliBackend]:
    """Returns the agents without those whose hook does not work here: nobody is there to see what they do.

    Raises:
        PoolError: none is left, or one was named.
    """
    gated = sorted(name for name, each in backends.items() if has_gate(each))
    left = {name: each for name, each in backends.items() if name not in gated}
    if not left or set(allow) & set(gated):
        raise PoolError(
            f"the policy gate does not work here, so {', '.join(gated)} cannot run for a pool: {gate.problem}",
            "`aur agents doctor` shows what works",
        )
    tell(f"not run for the pool: {', '.join(gated)}, since the policy gate does not work here: {gate.problem}")
    return left
