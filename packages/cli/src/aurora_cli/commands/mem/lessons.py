"""`aur mem lessons`: list what was learned from work that had to be corrected."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.lessons import as_documents, as_lines

__all__ = ["command"]


@click.command(
    "lessons",
    cls=AurCommand,
    examples=(
        ("aur mem lessons", "All lessons, the newest last."),
        ("aur mem lessons --json", "With provenance and counts, as JSON."),
        ("aur config set memory.lessons true --user", "Consent to it, in all of your projects."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """List what was learned from work that had to be corrected.

    A lesson quotes the journal: work failed a check, was sent back or got a comment, and was then corrected. With
    your consent (memory.lessons), lessons are kept in your own folder, and agents of the same persona get them as
    data in similar tasks.

    The state is new, promoted (after three successes in a row), dropped (it did not help, and is not given any more),
    or stale: the code that it cites is not in the project.
    """
    with wiring.open_existing() as aurora:
        store, root, consent = aurora.lesson_store, aurora.project.root, aurora.config.lessons
    lessons = store.all() if store else ()
    if as_json:
        emit_json(Schema.LESSONS, {"consent": consent, "lessons": as_documents(lessons, root)})
        return ExitCode.DONE
    for line in as_lines(lessons, root):
        emit(line)
    if not lessons:
        note("no lessons")
    if not consent:
        note("lessons are kept and given only with your consent: aur config set memory.lessons true --user")
    return ExitCode.DONE
