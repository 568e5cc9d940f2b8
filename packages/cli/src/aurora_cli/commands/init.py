"""`aur init`: set up a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.agent_instructions import (
    has_instructions,
    instruction_files,
    remove_instructions,
    write_instructions,
)
from aurora_cli.agent_skill import remove_skill, write_skill
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.index import as_document, as_text, index_with_progress, skipped_lines
from aurora_cli.render.words import one_line
from aurora_cli.starting_files import remove_unchanged, write_missing
from aurora_cli.user_prompts import is_interactive
from aurora_core import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_cli.starting_files import StartingFile
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
        ("aur init --yes", "And tell agents about it in AGENTS.md, without a question."),
        ("aur init --no-index --skill", "Also write the skill that teaches agents `aur comm` and the like."),
        ("aur init --undo", "Remove what `aur init` wrote; files that you changed stay."),
    ),
)
@click.argument("path", required=False, type=ExistingPath("folder"), help="The folder (default: the current one).")
@click.option("--index/--no-index", "index", default=True, help="Index the folder's files (default), or not.")
@click.option(
    "--instructions/--no-instructions",
    "instructions",
    default=None,
    help="Write how to use `aur` into AGENTS.md (and CLAUDE.md, if there is one), or not; asked at a terminal.",
)
@click.option("--skill", is_flag=True, help="Also write a skill that teaches agents the commands of Aurora.")
@click.option("--yes", is_flag=True, help="The same as --instructions: agree to what would be asked.")
@click.option(
    "--undo",
    is_flag=True,
    help="Remove the lines that `aur init` wrote for agents, and its files and skills that you have not changed.",
)
@json_option
def command(
    *, path: Path | None, index: bool, instructions: bool | None, skill: bool, yes: bool, undo: bool, as_json: bool
) -> int:
    """Set up a folder: configuration, policies, index.

    Creates .aurora/ with config.yaml and policies.yaml (all defaults, explained) and project.md, a description of the
    project for you to edit. Existing files are kept. If you agree, AGENTS.md tells agents how to use `aur`, between
    two marked lines. Says which agents are there, what the policies enforce for each, and what to do next. With
    --skill, agents find a skill in .agents/skills/ and .claude/skills/ that teaches them commands such as
    `aur mem search`, `aur comm`, `aur ask` and `aur exec`.
    """
    folder = (path or Path.cwd()).absolute()
    if yes and instructions is False:
        raise click.UsageError("--yes agrees to the instructions, and --no-instructions does not; give one")
    if undo:
        if yes or skill or instructions is not None:
            raise click.UsageError("--undo takes back what --yes, --instructions and --skill write; leave them out")
        return _undo(Project.existing(folder), as_json=as_json)
    aurora = wiring.open_new(folder)
    aurora.set_up()
    files = (*write_missing(aurora.project), *(write_skill(aurora.project.root) if skill else ()))
    told = tuple(write_instructions(folder)) if _agreed(folder, instructions, yes=yes, as_json=as_json) else ()
    report = _index(aurora) if index else None
    agents = aurora.enforcement()
    if as_json:
        emit_json(
            Schema.INIT,
            {
                "root": str(aurora.project.root),
                "made": [_name(file, aurora.project) for file in files if file.made],
                "kept": [_name(file, aurora.project) for file in files if not file.made],
                "instructions": [{"path": str(file.path), "change": file.change} for file in told],
                "index": as_document(report) if report else None,
                "agents": {"gated": list(agents.gated), "ungated": dict(agents.ungated)},
            },
        )
        return ExitCode.DONE
    for file in files:
        emit(f"{'created' if file.made else 'kept':<7}  {file.path}")
    for each in told:
        emit(f"{each.change:<7}  {each.path}")
    if report:
        emit(as_text(report))
    for line in _next_steps(agents):
        emit(line)
    return ExitCode.DONE


def _name(file: StartingFile, project: Project) -> str:
    """Returns the name of a file in `.aurora`, or the path in the project of another."""
    inside = file.path.parent == project.aurora_dir
    return file.path.name if inside else str(file.path.relative_to(project.root))


def _agreed(folder: Path, instructions: bool | None, *, yes: bool, as_json: bool) -> bool:
    """Returns True if the instructions for agents are to be written; only a terminal is asked, and nothing twice."""
    if instructions is not None or yes:
        return yes or bool(instructions)
    if as_json or not is_interactive() or has_instructions(folder):
        return False
    names = " and ".join(file.name for file in instruction_files(folder))
    return click.confirm(f"Tell agents how to use aur, in {names}?", default=False, err=True)


def _undo(project: Project, *, as_json: bool) -> int:
    """Takes back what `aur init` has written, and says what stays."""
    told = tuple(remove_instructions(project.root))
    files = (*remove_unchanged(project), *remove_skill(project.root))
    if as_json:
        emit_json(
            Schema.INIT_UNDONE,
            {
                "root": str(project.root),
                "removed": [_name(file, project) for file in files if file.made],
                "kept": [_name(file, project) for file in files if not file.made],
                "instructions": [{"path": str(file.path), "change": file.change} for file in told],
            },
        )
        return ExitCode.DONE
    for file in told:
        emit(f"{file.change:<7}  {file.path}")
    for starting in files:
        emit(f"{'removed' if starting.made else 'kept':<7}  {starting.path}{'' if starting.made else ' (changed)'}")
    note(f"the memory and the record of runs stay; without them: rm -r {project.aurora_dir}")
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
    if agents.sentences:
        yield '  aur exec "…"          give an agent a task'


def _index(aurora: Aurora) -> IndexReport:
    with aurora.open_memory() as memory:
        report = index_with_progress(memory)
    for line in skipped_lines(report):
        note(line)
    return report
