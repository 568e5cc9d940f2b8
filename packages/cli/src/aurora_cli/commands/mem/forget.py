"""`aur mem forget`: forget earlier answers, the turns of a session, or lessons."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.words import count

__all__ = ["command"]


@click.command(
    "forget",
    cls=AurCommand,
    examples=(
        ("aur mem search scheduler --kind reas", "Find earlier answers and their chunk numbers."),
        ("aur mem forget 4711", "Forget one of them."),
        ("aur mem forget --session login", "Forget the turns of a session of questions."),
        ("aur mem forget --lesson 3f2a91c07d", "Forget a lesson that `aur mem lessons` lists."),
    ),
)
@click.argument("chunk_ids", nargs=-1, metavar="[CHUNK...]", help="Chunk numbers of earlier answers.")
@click.option("--session", "session_id", metavar="NAME", help="Forget the turns of this session instead.")
@click.option("--lesson", "lessons", multiple=True, metavar="ID", help="Forget this lesson instead; repeatable.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    chunk_ids: tuple[str, ...],
    session_id: str | None,
    lessons: tuple[str, ...],
    as_json: bool,
) -> int:
    """Forget earlier answers, or lessons.

    Code and documents cannot be forgotten, because the next index run would add them again; exclude them with
    memory.exclude in .aurora/config.yaml. The exit status is 1 if a number does not belong to an earlier answer.

    --session removes the turns of a session of `aur soar`, so that nothing of them is context any more. Its
    conversation logs stay in .aurora/logs.
    """
    if sum((bool(chunk_ids), session_id is not None, bool(lessons))) != 1:
        raise click.UsageError("give chunk numbers, --session NAME or --lesson ID", ctx)
    if lessons:
        return _forget_lessons(lessons, as_json=as_json)
    if session_id is not None:
        return _forget_session(session_id, as_json=as_json)
    with wiring.open_existing().open_memory() as memory:
        forgotten = {chunk_id: memory.forget(chunk_id) for chunk_id in chunk_ids}
    unknown = [chunk_id for chunk_id, gone in forgotten.items() if not gone]
    if as_json:
        emit_json(
            Schema.MEMORY_FORGOTTEN,
            {"forgotten": [chunk_id for chunk_id, gone in forgotten.items() if gone], "unknown": unknown},
        )
    else:
        emit(f"forgot {len(forgotten) - len(unknown)} of {len(forgotten)}")
    for chunk_id in unknown:
        note(f"chunk {chunk_id} is not an earlier answer; find answers with: aur mem search WORDS --kind reas")
    return ExitCode.NOT_REACHED if unknown else ExitCode.DONE


def _forget_session(session_id: str, *, as_json: bool) -> ExitCode:
    with wiring.open_existing() as aurora:
        turns = aurora.sessions.forget(session_id)
    if as_json:
        emit_json(Schema.SESSION_FORGOTTEN, {"session": session_id, "turns_forgotten": turns})
    elif turns:
        emit(f"forgot session {session_id}: {count(turns, 'turn')}")
    if not turns:
        note(f"there is no session {session_id!r}; list them with: aur soar --sessions")
    return ExitCode.DONE if turns else ExitCode.NOT_REACHED


def _forget_lessons(lessons: tuple[str, ...], *, as_json: bool) -> ExitCode:
    with wiring.open_existing() as aurora:
        store = aurora.lesson_store
    gone = store.forget(lessons) if store else ()
    unknown = [each for each in dict.fromkeys(lessons) if each not in gone]
    if as_json:
        emit_json(Schema.LESSONS_FORGOTTEN, {"forgotten": list(gone), "unknown": unknown})
    else:
        emit(f"forgot {count(len(gone), 'lesson')}")
    for each in unknown:
        note(f"there is no lesson {each!r}; list them with: aur mem lessons")
    return ExitCode.NOT_REACHED if unknown else ExitCode.DONE
