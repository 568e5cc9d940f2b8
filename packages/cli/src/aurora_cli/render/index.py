"""Progress of indexing, and its counts at the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from aurora_cli.render.progress import progress
from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from aurora_core import IndexProgress, IndexReport, LeftOutGroup, Memory
    from aurora_core.watch import Watched

__all__ = [
    "as_document",
    "as_text",
    "changed_line",
    "index_progress",
    "index_with_progress",
    "kinds",
    "not_indexed",
    "skipped_lines",
]

MAX_SKIPPED: Final = 5
MAX_KINDS: Final = 5


@contextmanager
def index_progress() -> Iterator[Callable[[IndexProgress], None]]:
    """Shows the progress of indexing while the block runs."""
    with progress() as report:
        yield lambda step: report(step.phase, step.done, step.total)


def index_with_progress(memory: Memory, path: Path | None = None) -> IndexReport:
    """Indexes a project, or one path of it, and shows the progress."""
    with progress() as report:
        done = memory.index(path, on_progress=lambda step: report(step.phase, step.done, step.total))
        memory.encode(on_progress=lambda encoded, total: report("encode", encoded, total))
    return done


def as_text(report: IndexReport) -> str:
    """Returns one line with the counts of the index and the changes of this run."""
    changed = f"{report.files_indexed} read, {report.files_unchanged} unchanged, {report.files_removed} removed"
    return (
        f"{count(report.files_seen, 'file')} ({changed}), {count(report.chunks_total, 'chunk')} "
        f"(+{report.chunks_added} -{report.chunks_removed}) in {report.duration_s:.1f} s"
    )


def changed_line(change: Watched) -> str:
    """Returns one line with the changed files and the changes of the index."""
    first = ", ".join(one_line(path) for path in change.paths[:MAX_SKIPPED])
    more = f" and {len(change.paths) - MAX_SKIPPED} more" if len(change.paths) > MAX_SKIPPED else ""
    report = change.report
    done = f"+{report.chunks_added} -{report.chunks_removed} chunks in {report.duration_s * 1e3:.0f} ms"
    return f"{first}{more}: {report.files_indexed} read, {report.files_removed} removed, {done}"


def skipped_lines(report: IndexReport) -> Iterator[str]:
    """Yields a line for each of the first files that could not be indexed, and the number of the others."""
    for skipped in report.files_skipped[:MAX_SKIPPED]:
        yield f"skipped {one_line(str(skipped.path))}: {one_line(skipped.reason)}"
    rest = len(report.files_skipped) - MAX_SKIPPED
    if rest > 0:
        yield f"skipped {rest} more files (--json lists all)"


def not_indexed(groups: Sequence[LeftOutGroup]) -> str:
    """Returns one line with the files that are not indexed for what they are: by reason, and by suffix."""
    parts = (f"{group.count:,} {group.reason.removeprefix('is ')} ({kinds(group)})" for group in groups)
    return f"not indexed: {', '.join(parts)}"


def kinds(group: LeftOutGroup) -> str:
    """Returns the most frequent suffixes of a group with their counts."""
    shown = [f"{one_line(kind)} {number:,}" for kind, number in group.kinds[:MAX_KINDS]]
    more = sum(number for _, number in group.kinds[:MAX_KINDS]) < group.count
    return ", ".join([*shown, "…"] if more else shown)


def as_document(report: IndexReport) -> dict[str, object]:
    """Returns the counts as data for `--json`."""
    return {
        "files_seen": report.files_seen,
        "files_indexed": report.files_indexed,
        "files_unchanged": report.files_unchanged,
        "files_removed": report.files_removed,
        "files_skipped": [{"path": str(skipped.path), "reason": skipped.reason} for skipped in report.files_skipped],
        "chunks_added": report.chunks_added,
        "chunks_removed": report.chunks_removed,
        "chunks_total": report.chunks_total,
        "duration_s": round(report.duration_s, 3),
        "left_out": [
            {"reason": group.reason, "count": group.count, "kinds": dict(group.kinds)} for group in report.left_out
        ],
    }
