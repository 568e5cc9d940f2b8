"""`aur policies init`: write a policies.yaml with all defaults."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.starting_files import write_policies

__all__ = ["command"]


@click.command(
    "init",
    cls=AurCommand,
    examples=(("aur policies init", "Write .aurora/policies.yaml, unless it exists."),),
)
@json_option
def command(*, as_json: bool) -> int:
    """Write .aurora/policies.yaml with all defaults, explained.

    An existing file is kept.
    """
    aurora = wiring.open_folder()
    aurora.set_up()
    file = write_policies(aurora.project)
    if as_json:
        emit_json(Schema.POLICIES_FILE, {"path": str(file.path), "made": file.made})
    else:
        emit(f"{'created' if file.made else 'kept':<7}  {file.path}")
    return ExitCode.DONE
