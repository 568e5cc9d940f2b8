"""`aur mem lessons`: list what mended work has shown."""

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
        ("aur mem lessons", "What is kept, the newest last."),
        ("aur mem lessons --json", "With provenance and counts, as JSON."),
        ("aur config set memory.lessons true --user", "Consent to it, in all of your projects."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """List what mended work has shown, for like tasks of the same persona.

    A lesson is what the journal has of work that failed a check, was sent back or commented on, and was mended. With
    your consent (memory.lessons) it is kept in your own folder, and agents with like tasks are told it as data.

    The state is new, promoted (three recalls in a row went with a success), dropped (no recall since a success
    helped: it is not given any more), or stale: the code that it cites is not in the project.
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
        note("none are kept or given without your consent: aur config set memory.lessons true --user")
    return ExitCode.DONE
