"""`aur deny`: deny a question of a gate."""

from __future__ import annotations

import click

from aurora_cli.commands.approve import answer
from aurora_cli.lazy import AurCommand
from aurora_cli.options import approval_argument, json_option

__all__ = ["command"]


@click.command(
    "deny",
    cls=AurCommand,
    examples=(
        ("aur deny k7m2xq", "Deny it; `aur approvals` has the ids."),
        ('aur deny k7m2xq --note "use a migration instead"', "And say why."),
    ),
)
@approval_argument
@click.option(
    "--note",
    "remark",
    default="",
    help="The reason; the agent or the task's error gets it, and the journal keeps it.",
)
@json_option
def command(*, approval: str, remark: str, as_json: bool) -> int:
    """Deny a question of a gate.

    A denied tool call does not happen, and its agent continues. Denied work fails its task and stays on its branch.
    Of two answers the first counts, and the exit status of the other is 1 if it says something else.
    """
    return answer(approval, approved=False, remark=remark, as_json=as_json)
