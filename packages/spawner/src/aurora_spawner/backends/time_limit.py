"""The time limit of an attempt, in the variables of an agent that has to be told it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aurora_spawner.backends.profiles import TIME_LIMIT_MS

if TYPE_CHECKING:
    from collections.abc import Mapping


def with_time_limit(variables: Mapping[str, str], deadline_s: float | None) -> Mapping[str, str]:
    """Returns an agent's variables with its time limit in those that pass it."""
    if TIME_LIMIT_MS not in variables.values():
        return variables
    limit = "0" if deadline_s is None else str(math.ceil(deadline_s * 1000))
    return {name: limit if value == TIME_LIMIT_MS else value for name, value in variables.items()}
