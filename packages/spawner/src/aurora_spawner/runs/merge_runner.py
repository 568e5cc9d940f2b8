"""The runner of the commands of a merge: its checks, and those that make generated files again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.runs.attempt_orders import new_token
from aurora_spawner.sandbox.commands import confined_for
from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.supervision.orphans import end_orphans
from aurora_spawner.workspaces.checks import TIMEOUT_S, CommandRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.workspaces.checks import Confined


def merge_runner(
    environment: Mapping[str, str], *, confined: Confined, stopped: Callable[[], bool] = lambda: False
) -> CommandRunner:
    """Returns the runner of the commands of a merge.

    Args:
        environment: That of the run's commands: they run code that agents wrote, and so see no more than agents do.
        confined: Puts each command into the sandbox of the agents whose work is merged.
        stopped: Asked while a command runs; True ends it.
    """
    token = new_token()
    return CommandRunner(
        environment={**environment, TOKEN_VARIABLE: token},
        timeout_s=TIMEOUT_S,
        stopped=stopped,
        sweep=lambda: end_orphans(token, session=None),
        confined=confined,
    )


def merge_runner_for(run: RunContext, task_id: str) -> CommandRunner:
    """Returns the runner of a merge for one task of a run: in the sandbox of its agent and of all that have work."""
    agents = {run.agent_of(task_id), *(each.agent for each in run.tasks.results.values() if each.work is not None)}
    return merge_runner(
        run.orders.command_environment,
        confined=confined_for(run.options.confining, agents, told=lambda problem: _tell(run, problem)),
        stopped=lambda: run.stopping(task_id),
    )


def unsandboxed_notice(problem: str) -> str:
    """Says that commands of a merge ran although no sandbox held."""
    return f"commands of a merge (checks, generated files) ran unsandboxed: {problem}"


def _tell(run: RunContext, problem: str) -> None:
    notice = unsandboxed_notice(problem)
    if notice not in run.notices:
        run.notices.append(notice)
