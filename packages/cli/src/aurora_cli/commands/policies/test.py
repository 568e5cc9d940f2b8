"""`aur policies test`: test the policies with a table of examples."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render import policies
from aurora_policies.examples import read_examples, try_examples
from aurora_policies.repository import workspace_of

__all__ = ["command"]


@click.command(
    "test",
    cls=AurCommand,
    examples=(
        ("aur policies test examples.yaml", "Test with a YAML list of {command: …, expect: allow, rule: …}."),
        ("aur policies test examples.jsonl --json", "The same from JSON lines, with the result as JSON."),
    ),
)
@click.argument("file", type=ExistingPath("file"), help="A YAML list, or a JSON object a line.")
@json_option
def command(*, file: Path, as_json: bool) -> int:
    """Test the policies with a table of examples.

    An example has a command and the action that you expect: allow, prompt or deny; it may also name the rule, a
    folder (cwd) and an agent. No command is run. The exit status is 1 if an answer is not as expected.
    """
    engine = wiring.open_folder().policies
    examples = read_examples(file)
    folder = Path.cwd()
    outcomes = try_examples(engine, examples, folder=folder, workspace=workspace_of(folder))
    if as_json:
        emit_json(Schema.POLICIES_TEST, policies.outcomes_document(outcomes))
    else:
        for line in policies.outcomes_lines(outcomes):
            emit(line)
    return ExitCode.DONE if all(each.kept for each in outcomes) else ExitCode.NOT_REACHED
