"""`aur agents doctor`: check the installed agents."""

from __future__ import annotations

import os
from pathlib import Path

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import agent_checks, personas

__all__ = ["command"]


@click.command(
    "doctor",
    cls=AurCommand,
    examples=(
        ("aur agents doctor", "Show which agents are installed and signed in."),
        ("aur agents doctor --json", "The result as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Check the installed agents.

    For each known CLI and each configured agent, shows its program, its version, its login as far as files and
    variables show it, the account that it spends, if the policies are asked before its tool calls, and how `aur
    interact` talks with it. The hook that asks is tried with a harmless and a dangerous call, and so is a sandbox if
    the policies ask for one; no model is called. Problems in persona files are listed too. The exit status is 4 if a
    configured agent's program is not found.
    """
    from aurora_soar.doctor.agents import check_agents

    aurora = wiring.open_folder()
    checks = check_agents(
        aurora.agents,
        os.environ,
        home=Path.home(),
        folder=aurora.project.root,
        policies=aurora.policies,
    )
    if as_json:
        emit_json(Schema.AGENT_CHECKS, agent_checks.as_document(checks))
    else:
        for line in agent_checks.as_lines(checks):
            emit(line)
        for problem in aurora.personas.problems:
            note(f"warning: {personas.problem_line(problem)}")
    missing = any(each.program is None for each in checks if each.name in aurora.config.backends)
    return ExitCode.ENVIRONMENT if missing else ExitCode.DONE
