"""`aur config get`: show the value of a setting."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import settings
from aurora_core.settings.listing import setting_named

__all__ = ["command"]


@click.command(
    "get",
    cls=AurCommand,
    examples=(
        ("aur config get spawner.max_concurrent", "Its value, and where that comes from."),
        ("aur config get spawner --json", "A section as JSON."),
    ),
)
@click.argument("key", help="A setting or a section, as `aur config list` shows it.")
@json_option
def command(*, key: str, as_json: bool) -> int:
    """Show the value of a setting.

    It is the value that counts now; where it comes from is told on standard error. A list or a section is shown as
    JSON, and a setting that is not set as an empty line. Secrets are masked.
    """
    aurora = wiring.open_folder()
    setting = setting_named(aurora.config, key)
    if as_json:
        emit_json(Schema.SETTING, settings.as_document(setting))
    else:
        emit(settings.value_text(setting))
        is_set = setting.value is not None
        note(f"from {settings.origin_text(setting.origin, aurora.project.root)}" if is_set else "not set")
    return ExitCode.DONE
