"""Reads Jupyter notebooks: the sources of their cells, each line at its row in the file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Cell", "Notebook", "read_notebook"]

_SOURCE: Final = re.compile(r'\s*"source"\s*:\s*(\[?)')
_ENDINGS: Final = {
    "python": ".py",
    "javascript": ".js",
    "typescript": ".ts",
    "rust": ".rs",
    "java": ".java",
    "go": ".go",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell of a notebook.

    Attributes:
        suffix: suffix of a file with the same kind of text; `.md` for prose.
        first_row: first row in the notebook's text, counted from 0.
    """

    suffix: str
    first_row: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """A notebook without its outputs.

    Attributes:
        text: the sources of the cells. If the file is formatted like the notebook programs write it, each line is at
            its row of the file and all other rows are empty; otherwise the cells follow each other.
    """

    text: str
    cells: tuple[Cell, ...]


def read_notebook(text: str) -> Notebook | None:
    """Reads a notebook's file; returns None if it is not a notebook."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    sources = _sources(document)
    if sources is None:
        return None
    rows = _rows(text, [lines for _, lines in sources])
    cells: list[Cell] = []
    at = 0
    for place, (suffix, lines) in enumerate(sources):
        first = rows[place] if rows is not None else at
        cells.append(Cell(suffix=suffix, first_row=first, lines=lines))
        at = first + len(lines) + 1
    filled = [""] * max(text.count("\n") + 1 if rows is not None else 0, at)
    for cell in cells:
        filled[cell.first_row : cell.first_row + len(cell.lines)] = cell.lines
    return Notebook(text="\n".join(filled), cells=tuple(cells))


def _sources(document: Any) -> list[tuple[str, tuple[str, ...]]] | None:
    """Returns the type and the lines of each cell that is not empty."""
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        return None
    code = _ENDINGS.get(_language(document.get("metadata")), "")
    found: list[tuple[str, tuple[str, ...]]] = []
    for cell in document["cells"]:
        source = cell.get("source") if isinstance(cell, dict) else None
        parts = [source] if isinstance(source, str) else source
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            continue
        suffix = {"code": code, "markdown": ".md"}.get(str(cell.get("cell_type")), "")
        lines = "".join(parts).replace("\r", "").removesuffix("\n").split("\n")
        if any(lines):
            found.append((suffix, tuple(lines)))
    return found


def _language(metadata: Any) -> str:
    """Returns the language of the code, in lower case; Python if the notebook does not say."""
    about = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = about.get("name") if isinstance(about, dict) else None
    return name.lower() if isinstance(name, str) else "python"


def _rows(text: str, sources: list[tuple[str, ...]]) -> list[int] | None:
    """Returns the row of each cell's first line, if the file has a row for each line of each cell; otherwise None."""
    file_lines = text.split("\n")
    rows: list[int] = []
    wanted = iter(sources)
    for row, line in enumerate(file_lines):
        opened = _SOURCE.match(line)
        if opened is None or not _begins_array(line, opened):
            continue
        lines = _strings(file_lines, row + 1)
        if not any(lines):
            continue
        if lines != next(wanted, None):
            return None
        rows.append(row + 1)
    return rows if next(wanted, None) is None else None


def _begins_array(line: str, opened: re.Match[str]) -> bool:
    return opened.group(1) == "[" and not line[opened.end() :].strip()


def _strings(file_lines: list[str], row: int) -> tuple[str, ...]:
    """Returns the texts of the rows that are one JSON string each, without their line ends."""
    found: list[str] = []
    while row < len(file_lines):
        try:
            part = json.loads(file_lines[row].strip().removesuffix(","))
        except (ValueError, RecursionError):
            break
        if not isinstance(part, str) or "\n" in part[:-1]:
            break
        found.append(part.removesuffix("\n").removesuffix("\r"))
        row += 1
    return tuple(found)
