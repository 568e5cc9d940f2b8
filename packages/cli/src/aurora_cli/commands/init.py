"""`aur init`: set up a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.index import as_document, as_text, index_with_progress, skipped_lines
from aurora_cli.render.words import one_line
from aurora_cli.starting_files import write_missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_core import IndexReport
    from aurora_soar import Aurora
    from aurora_soar.doctor.enforcement import Enforcement

__all__ = ["command"]


@click.command(
    "init",
    cls=AurCommand,
    examples=(
        ("aur init", "Set up this folder and index it."),
        ("aur init ~/src/shop --no-index", "Set up another folder, and index it later."),
    ),
)
@click.argument("path", required=False, type=ExistingPath("folder"), help="The folder (default: the current one).")
@click.option("--index/--no-index", "index", default=True, help="Index the folder's files (default), or not.")
@json_option
def command(*, path: Path | None, index: bool, as_json: bool) -> int:
    """Set up a folder: configuration, policies, index.

    Creates .aurora/ with config.yaml and policies.yaml (all defaults, explained) and project.md, a description of the
    project for you to edit. Existing files are kept. Says which agents are there, what the policies enforce for each,
    and what to do next.
    """
    aurora = wiring.open_new((path or Path.cwd()).absolute())
    aurora.set_up()
    files = write_missing(aurora.project)
    report = _index(aurora) if index else None
    agents = aurora.enforcement()
    if as_json:
        emit_json(
            Schema.INIT,
            {
                "root": str(aurora.project.root),
                "made": [file.path.name for file in files if file.made],
                "kept": [file.path.name for file in files if not file.made],
                "index": as_document(report) if report else None,
                "agents": {"gated": list(agents.gated), "ungated": dict(agents.ungated)},
            },
        )
        return ExitCode.DONE
    for file in files:
        emit(f"{'created' if file.made else 'kept':<7}  {file.path}")
    if report:
        emit(as_text(report))
    for line in _next_steps(agents):
        emit(line)
    return ExitCode.DONE


def _next_steps(agents: Enforcement) -> Iterator[str]:
    """Yields what is enforced for the agents that are there, and the commands that a new user needs next."""
    if agents.sentences:
        yield "\nagents:"
        yield from (f"  {one_line(sentence, 300)}" for sentence in agents.sentences)
    else:
        yield "\nno agent CLI is installed: the local agent answers from the code, and changes no file"
    yield "next:"
    yield "  aur policies show     what agents may do here"
    yield "  aur trust             before settings of this project that start programs take effect"
    yield "  aur agents doctor     which agents are installed and signed in, and what they spend"
    yield '  aur soar "…"          ask something about the project'


def _index(aurora: Aurora) -> IndexReport:
    with aurora.open_memory() as memory:
        report = index_with_progress(memory)
    for line in skipped_lines(report):
        note(line)
    return report
