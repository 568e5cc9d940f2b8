"""Acts for the user alone: refused to a process that belongs to an agent, whatever its environment says."""

from __future__ import annotations

from aurora_soar.errors import UserOnlyError
from aurora_spawner.supervision.belonging import own_attempt


def check_user(what: str, instead: str) -> None:
    """Sees that this process is the user's.

    Args:
        what: the subject of the refusal, with its verb, such as "checks are".
        instead: what an agent can do.

    Raises:
        UserOnlyError: it belongs to an agent.
        UnknownLineageError: nobody can tell.
    """
    if own_attempt() is not None:
        raise UserOnlyError(what, instead)
