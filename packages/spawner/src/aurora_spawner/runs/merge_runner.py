"""The runner of the commands of a merge: its checks, and those that make generated files again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.runs.attempt_orders import new_token
from aurora_spawner.supervision.environment import TOKEN_VARIABLE, agent_environment
from aurora_spawner.supervision.orphans import end_orphans
from aurora_spawner.workspaces.checks import TIMEOUT_S, CommandRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def merge_runner(environ: Mapping[str, str], stopped: Callable[[], bool] = lambda: False) -> CommandRunner:
    """Returns the runner of the commands of a merge.

    They run code that agents wrote, and so see no more of the environment than agents do.

    Args:
        environ: The environment of the run, before variables that are not for agents are left out.
        stopped: Asked while a command runs; True ends it.
    """
    token = new_token()
    return CommandRunner(
        environment={**agent_environment(environ), TOKEN_VARIABLE: token},
        timeout_s=TIMEOUT_S,
        stopped=stopped,
        sweep=lambda: end_orphans(token, session=None),
    )
