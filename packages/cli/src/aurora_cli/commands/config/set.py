"""`aur config set`: change a setting."""

from __future__ import annotations

import os

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit_json, note
from aurora_cli.render import settings
from aurora_cli.render.words import one_line
from aurora_core.settings.config import user_config_file
from aurora_soar.aurora.settings import change_project_setting, change_user_setting

__all__ = ["command"]


@click.command(
    "set",
    cls=AurCommand,
    examples=(
        ("aur config set spawner.max_concurrent 8", "In this project."),
        ("aur config set tool claude --user", "In your own configuration, for all projects."),
        ('aur config set check "pytest -q" "ruff check"', "Several values are a list."),
        ('aur config set backends.claude "{kind: claude, model: sonnet}"', "A section, in YAML."),
    ),
)
@click.argument("key", help="A setting, as `aur config list` shows it.")
@click.argument(
    "value", nargs=-1, required=True, help="Its value: a text, a number, or YAML. Several values are a list."
)
@click.option("--user", is_flag=True, help="Change your own configuration instead of the project's.")
@json_option
def command(*, key: str, value: tuple[str, ...], user: bool, as_json: bool) -> int:
    """Change a setting in the configuration file.

    That is .aurora/config.yaml of the project, or with --user your own file; `aur config path` shows both. Comments
    and all other settings stay as they are. A value that does not fit is refused, and the file is not touched. API
    keys do not belong there: `aur keys set` keeps them.
    """
    trusted, new = True, tuple[str, ...]()
    if user:
        path = user_config_file(os.environ)
        if path is None:
            raise click.UsageError("--user needs HOME or XDG_CONFIG_HOME, and neither is set")
        changed = change_user_setting(path, key, value)
    else:
        change = change_project_setting(wiring.open_existing().project, key, value)
        changed, trusted, new = change.changed, change.trusted, change.newly_trusted
    if as_json:
        emit_json(
            Schema.SETTING_CHANGED, {"key": key, "path": str(changed.path), "line": changed.line, "trusted": trusted}
        )
    else:
        note(f"{changed.path}:{changed.line}: {key}: {settings.shown(changed.value, key)}")
        if new:
            note(f"you have set it, so it is trusted: {one_line(', '.join(new), 300)} (aur trust shows all that is)")
        if not trusted:
            note("settings of this project take effect once you trust it: aur trust")
    return ExitCode.DONE
