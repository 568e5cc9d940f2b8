"""Text of the roles of a pool's database, and of the tokens of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.documents import Schema
from aurora_cli.output import emit, emit_json
from aurora_cli.render.moments import to_the_minute
from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.distributed.roles import Role
    from aurora_spawner.distributed.worker_tokens import Refusal, WorkerToken

__all__ = ["refusal_line", "show_roles", "token_line"]


def show_roles(roles: Sequence[Role], *, as_json: bool) -> None:
    """Prints roles, one a line: its kind, its name, and its logins; or all as one document."""
    if as_json:
        emit_json(Schema.WORKER_ROLES, {"roles": [each.to_json() for each in roles]})
        return
    for each in roles:
        emit(_role_line(each))


def _role_line(role: Role) -> str:
    logins = ", ".join(one_line(each) for each in role.members) or "no login has it"
    return (
        f"{role.kind}  {one_line(role.name)}  {logins if role.exists else 'missing; run `aur worker database init`'}"
    )


def token_line(token: WorkerToken) -> str:
    """Returns the line of a token: its id, its worker, its state, and the end of its time."""
    used = "used" if token.worker else "never used"
    until = f"until {to_the_minute(token.expires_at)}"
    return f"{token.id}  {one_line(token.name)}  pool {one_line(token.pool)}  {token.state}  {until}  {used}"


def refusal_line(refusal: Refusal) -> str:
    """Returns the line of a worker that was refused: what was wrong, how often, and when it was last."""
    token = f" {refusal.token}" if refusal.token else ""
    times = count(refusal.times, "time")
    who = f"{one_line(refusal.name)} of pool {one_line(refusal.pool)}"
    return f"refused  {who}  token{token}: {refusal.problem}  {times}, last {to_the_minute(refusal.last_at)}"
