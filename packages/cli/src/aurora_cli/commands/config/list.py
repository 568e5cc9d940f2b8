"""`aur config list`: list every setting."""

from __future__ import annotations

import os

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render import settings
from aurora_core.settings.listing import list_settings
from aurora_core.settings.variables import unknown_variables

__all__ = ["command"]


@click.command(
    "list",
    cls=AurCommand,
    examples=(
        ("aur config list", "Every setting with its value and origin."),
        ("aur config list --json", "The list as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """List every setting with its value and origin.

    Of several values the first one counts, in this order: a variable of the environment (AURORA_…), the project's
    file, your own file, the default. The options of a command come before all of them. Secrets are masked.
    """
    aurora = wiring.open_folder()
    found = list_settings(aurora.config)
    if as_json:
        ignored = [claim.name for claim in aurora.config.untrusted]
        unknown = [each.name for each in unknown_variables(os.environ)]
        emit_json(
            Schema.SETTINGS,
            {
                "settings": [settings.as_document(each) for each in found],
                "ignored": ignored,
                "unknown_variables": unknown,
            },
        )
    else:
        for line in settings.as_lines(found, aurora.project.root):
            emit(line)
    return ExitCode.DONE
