"""Part of aspect `errors`: the commits that changed the files of suspects lately, for what is new is suspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_core.git import run_git
from aurora_soar.evidence.evidence import Finding, FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aurora_core import Hit

__all__ = ["find_changes"]

LATELY: Final = "90.days"
FILES: Final = 2
EACH: Final = 2
TIMEOUT_S: Final = 2.0
MAX_BYTES: Final = 100_000


def find_changes(root: Path, suspects: Sequence[Hit]) -> Iterator[Finding]:
    """Yields the last commits of the first files of suspects, newest first; nothing outside git, or of old code."""
    first = {hit.file: hit for hit in reversed(suspects)}
    for file in list(dict.fromkeys(hit.file for hit in suspects))[:FILES]:
        hit = first[file]
        for commit in _commits(root, file):
            yield Finding(
                kind=FindingKind.CHANGE,
                file=file,
                line=hit.line_start,
                line_end=hit.line_start,
                symbol=hit.name,
                text=commit,
                about=file,
                chunk_id=hit.chunk_id,
            )


def _commits(root: Path, file: str) -> Iterator[str]:
    answer = run_git(
        root,
        *("log", f"-n{EACH}", "--no-merges", f"--since={LATELY}", "--format=%cs %h: %s", "--", file),
        timeout_s=TIMEOUT_S,
        max_bytes=MAX_BYTES,
    )
    for line in answer.data.decode("utf-8", "replace").split("\n") if answer and answer.complete else ():
        if said := "".join(each for each in line.strip() if each.isprintable()):
            yield said
