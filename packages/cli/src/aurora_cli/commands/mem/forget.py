"""`aur mem forget`: forget earlier answers."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note

__all__ = ["command"]


@click.command(
    "forget",
    cls=AurCommand,
    examples=(
        ("aur mem search scheduler --kind reas", "Find earlier answers and their chunk numbers."),
        ("aur mem forget 4711", "Forget one of them."),
    ),
)
@click.argument("chunk_ids", nargs=-1, required=True, metavar="CHUNK...", help="Chunk numbers of earlier answers.")
@json_option
def command(*, chunk_ids: tuple[str, ...], as_json: bool) -> int:
    """Forget earlier answers.

    Code and documents cannot be forgotten, because the next index run would add them again; exclude them with
    memory.exclude in .aurora/config.yaml. The exit status is 1 if a number does not belong to an earlier answer.
    """
    with wiring.open_existing().open_memory() as memory:
        forgotten = {chunk_id: memory.forget(chunk_id) for chunk_id in chunk_ids}
    unknown = [chunk_id for chunk_id, gone in forgotten.items() if not gone]
    if as_json:
        emit_json({"forgotten": [chunk_id for chunk_id, gone in forgotten.items() if gone], "unknown": unknown})
    else:
        emit(f"forgot {len(forgotten) - len(unknown)} of {len(forgotten)}")
    for chunk_id in unknown:
        note(f"chunk {chunk_id} is not an earlier answer; find answers with: aur mem search WORDS --kind reas")
    return ExitCode.NOT_REACHED if unknown else ExitCode.DONE
