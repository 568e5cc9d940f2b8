"""`aur deny`: deny what an agent asks for."""

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
@click.option("--note", "remark", default="", help="The reason; the task's error and the journal have it.")
@json_option
def command(*, approval: str, remark: str, as_json: bool) -> int:
    """Deny what an agent asks for.

    Work that is denied fails its task and stays on its branch. Of two answers the first counts, and the exit status
    of the other is 1 if it says something else.
    """
    return answer(approval, approved=False, remark=remark, as_json=as_json)
