"""`aur doctor`: check the installation and the project."""

from __future__ import annotations

import os
from pathlib import Path

import click

from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.doctor_checks import as_document, as_lines
from aurora_soar.doctor.checks import Level, run_checks

__all__ = ["command"]


@click.command(
    "doctor",
    cls=AurCommand,
    examples=(
        ("aur doctor", "Check this machine and this project."),
        ("aur doctor --json", "The results as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Check the installation and the project.

    Checks Python, the packages, the sandbox, git, the providers, the folder, the configuration, the agents, the
    policies, the memory and the journal. Each line says ok, warn or fail, with the next step. The exit status is 4 if
    a check fails.
    """
    results = tuple(run_checks(Path.cwd(), os.environ))
    if as_json:
        emit_json(Schema.DOCTOR, as_document(results))
    else:
        for line in as_lines(results):
            emit(line)
    failed = any(result.level is Level.FAIL for result in results)
    return ExitCode.ENVIRONMENT if failed else ExitCode.DONE
