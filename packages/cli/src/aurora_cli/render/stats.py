"""Text and JSON of the counts of a memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.index import kinds
from aurora_cli.render.moments import to_the_second
from aurora_cli.render.words import one_line, size
from aurora_core.report import JUDGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_core import LeftOutGroup, MemoryStats

__all__ = ["as_document", "as_text"]

_KINDS: Final = {"kb": "documents", "doc": "other text", "reas": "earlier answers"}


def as_text(stats: MemoryStats) -> str:
    """Returns the counts, one per line."""
    rows = (
        ("files", f"{stats.files:,}"),
        ("chunks", f"{stats.chunks:,}{_parts(_in_words(stats.by_kind))}"),
        ("languages", _parts(stats.languages).strip(" ()") or "none"),
        ("database", f"{size(stats.database_bytes)}, schema {stats.schema_version}"),
        ("last indexed", "never" if stats.last_indexed_at is None else to_the_second(stats.last_indexed_at)),
    )
    lines = [f"{name:<13} {value}" for name, value in rows]
    return "\n".join([*lines, *_left_out(stats.left_out)])


def _in_words(by_kind: Mapping[str, int]) -> dict[str, int]:
    return {_KINDS.get(kind, kind): number for kind, number in by_kind.items()}


def _left_out(groups: Sequence[LeftOutGroup]) -> Iterator[str]:
    """Yields a line for each reason why files or folders are left out, with their kinds if there are several."""
    if groups:
        yield "left out"
    for group in groups:
        names = ", ".join(one_line(example) for example in group.examples)
        more = ", …" if group.count > len(group.examples) else ""
        told = f" ({kinds(group)})" if group.reason in JUDGED and more else ""
        yield f"  {group.count:>9,}  {group.reason}{told}: {names}{more}"


def as_document(stats: MemoryStats) -> dict[str, object]:
    """Returns the counts as data for `--json`."""
    return {
        "files": stats.files,
        "chunks": stats.chunks,
        "by_kind": dict(stats.by_kind),
        "languages": dict(stats.languages),
        "database_bytes": stats.database_bytes,
        "schema_version": stats.schema_version,
        "last_indexed_at": stats.last_indexed_at,
        "left_out": [
            {
                "reason": group.reason,
                "count": group.count,
                "examples": list(group.examples),
                "kinds": dict(group.kinds),
            }
            for group in stats.left_out
        ],
    }


def _parts(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return f" ({', '.join(f'{name} {number:,}' for name, number in ranked)})" if ranked else ""
