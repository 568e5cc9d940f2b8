"""The runner of the commands of a merge: its checks, and those that make generated files again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.runs.attempt_orders import new_token
from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.supervision.orphans import end_orphans
from aurora_spawner.workspaces.checks import TIMEOUT_S, CommandRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def merge_runner(environment: Mapping[str, str], stopped: Callable[[], bool] = lambda: False) -> CommandRunner:
    """Returns the runner of the commands of a merge.

    Args:
        environment: That of the run's commands: they run code that agents wrote, and so see no more than agents do.
        stopped: Asked while a command runs; True ends it.
    """
    token = new_token()
    return CommandRunner(
        environment={**environment, TOKEN_VARIABLE: token},
        timeout_s=TIMEOUT_S,
        stopped=stopped,
        sweep=lambda: end_orphans(token, session=None),
    )
