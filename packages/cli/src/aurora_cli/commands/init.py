"""`aur init`: set up a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.agent_skill import write_skill
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.index import as_document, as_text, index_with_progress, skipped_lines
from aurora_cli.render.words import one_line
from aurora_cli.starting_files import write_missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_cli.starting_files import StartingFile
    from aurora_core import IndexReport, Project
    from aurora_soar import Aurora
    from aurora_soar.doctor.enforcement import Enforcement

__all__ = ["command"]


@click.command(
    "init",
    cls=AurCommand,
    examples=(
        ("aur init", "Set up this folder and index it."),
        ("aur init ~/src/shop --no-index", "Set up another folder, and index it later."),
        ("aur init --no-index --skill", "Also write the skill that teaches agents `aur comm` and the like."),
    ),
)
@click.argument("path", required=False, type=ExistingPath("folder"), help="The folder (default: the current one).")
@click.option("--index/--no-index", "index", default=True, help="Index the folder's files (default), or not.")
@click.option("--skill", is_flag=True, help="Also write a skill that teaches agents the commands of Aurora.")
@json_option
def command(*, path: Path | None, index: bool, skill: bool, as_json: bool) -> int:
    """Set up a folder: configuration, policies, index.

    Creates .aurora/ with config.yaml and policies.yaml (all defaults, explained) and project.md, a description of the
    project for you to edit. Existing files are kept. Says which agents are there, what the policies enforce for each,
    and what to do next. With --skill, agents find a skill in .agents/skills/ and .claude/skills/ that teaches them
    `aur mem search`, `aur comm`, `aur ask` and `aur exec`.
    """
    aurora = wiring.open_new((path or Path.cwd()).absolute())
    aurora.set_up()
    files = (*write_missing(aurora.project), *(write_skill(aurora.project.root) if skill else ()))
    report = _index(aurora) if index else None
    agents = aurora.enforcement()
    if as_json:
        emit_json(
            {
                "root": str(aurora.project.root),
                "made": [_name(file, aurora.project) for file in files if file.made],
                "kept": [_name(file, aurora.project) for file in files if not file.made],
                "index": as_document(report) if report else None,
                "agents": {"gated": list(agents.gated), "ungated": dict(agents.ungated)},
            }
        )
        return ExitCode.DONE
    for file in files:
        emit(f"{'created' if file.made else 'kept':<7}  {file.path}")
    if report:
        emit(as_text(report))
    for line in _next_steps(agents):
        emit(line)
    return ExitCode.DONE


def _name(file: StartingFile, project: Project) -> str:
    """Returns the name of a file in `.aurora`, or the path in the project of another."""
    inside = file.path.parent == project.aurora_dir
    return file.path.name if inside else str(file.path.relative_to(project.root))


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
