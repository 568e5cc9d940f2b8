"""`aur mem search`: search code, documents and earlier answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.hits import as_document, as_lines
from aurora_cli.render.index import not_indexed
from aurora_core.report import JUDGED

if TYPE_CHECKING:
    from aurora_core import MemoryStats

__all__ = ["command"]


@click.command(
    "search",
    cls=AurCommand,
    examples=(
        ("aur mem search retry backoff", "The ten best matches."),
        ("aur mem search Scheduler.tick --show-content", "The matches with their text."),
        ("aur mem search install --kind kb --limit 3", "The three best matches in Markdown."),
        ("aur mem search parse --min-score 0.5 --show-scores", "Good matches only, with the parts of their scores."),
    ),
)
@click.argument("query", nargs=-1, required=True, help="Words, names or a path; no quotes needed.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Maximum number of chunks."
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["code", "kb", "doc", "reas"]),
    help="Only chunks of this kind: source, Markdown, other text and data, earlier answers. Repeatable.",
)
@click.option("--min-score", type=float, default=0.0, help="Leave out chunks with a lower score.")
@click.option("--show-scores", is_flag=True, help="Show the parts of each score.")
@click.option("--show-content", is_flag=True, help="Show the text of each chunk.")
@json_option
def command(
    *,
    query: tuple[str, ...],
    limit: int,
    kinds: tuple[str, ...],
    min_score: float,
    show_scores: bool,
    show_content: bool,
    as_json: bool,
) -> int:
    """Search code, documents and earlier answers; the best chunks come first.

    A file that changed since it was indexed is indexed again before it is shown; a deleted file is left out.
    """
    words = " ".join(query).strip()
    if not words:
        raise click.UsageError("the query is empty; give words, names or a path")
    with wiring.open_memory_of_agent().open_memory() as memory:
        hits = memory.search(words, limit, kinds=kinds or None, min_score=min_score)
        missing = "" if hits else _why_nothing(memory.stats(), words)
    if as_json:
        emit_json(Schema.HITS, as_document(words, hits))
    else:
        for line in as_lines(hits, scores=show_scores, content=show_content):
            emit(line)
    if missing:
        note(missing)
    return ExitCode.DONE


def _why_nothing(stats: MemoryStats, words: str) -> str:
    if stats.chunks:
        return f"nothing found for {words!r}"
    if stats.last_indexed_at is None:
        return "the index is empty; run `aur mem index` first"
    judged = [group for group in stats.left_out if group.reason in JUDGED]
    return f"no file of this project is indexed; {not_indexed(judged)}" if judged else "this project has no text"
