"""Asks gitleaks, where the user has it, what keys and passwords the added lines of a task hold.

It sees copies of these lines in a folder of their own, under the paths of their files. So neither a configuration nor
a list of exceptions that the task brings along takes effect, and no comment in a line excuses it. Its report
has no keys.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from aurora_policies.diff import Leak, OtherSearch
from aurora_spawner.workspaces.children import Child
from aurora_spawner.workspaces.errors import LostStatusError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_policies.diff import ChangedFile

__all__ = ["search_with_gitleaks"]

PROGRAM: Final = "gitleaks"
LIMIT_S: Final = 60.0
"""The longest time for the diff of one task, which has at most 16 MB."""
REPORT_BYTES: Final = 16 << 20
"""The longest report, and the most that it may print."""
_SAID: Final = 300
_LOOK_S: Final = 0.2
"""The time between two looks at what it has written."""
_TREE: Final = "work"
_OPTIONS: Final = (
    *("detect", "--no-git", "--source", ".", "--redact", "--no-banner", "--ignore-gitleaks-allow"),
    *("--exit-code", "0", "--log-level", "error", "--report-format", "json"),
)
"""Known to all versions since 8.18.1; `dir`, the later name of `detect --no-git`, is not."""


class _Finding(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    rule: Annotated[str, Field(alias="RuleID")]
    file: Annotated[str, Field(alias="File")]
    line: Annotated[int, Field(alias="StartLine")]


_REPORT: Final = TypeAdapter(list[_Finding] | None)


class _SearchError(Exception):
    """Gitleaks gave no report; the message says why."""


def search_with_gitleaks(files: Sequence[ChangedFile]) -> OtherSearch:
    """Returns what gitleaks finds in added lines; nothing if it is not installed. A failure is told in the result."""
    program = shutil.which(PROGRAM)
    lines = {_place(each.path): each for each in files if each.added and not each.is_link}
    if program is None or not Path(program).is_absolute() or not lines:
        return OtherSearch(program=PROGRAM)
    try:
        with tempfile.TemporaryDirectory(prefix="aurora-") as name:
            found = _report(program, Path(name), lines)
    except _SearchError as error:
        return OtherSearch(program=PROGRAM, problem=str(error))
    except OSError as error:
        return OtherSearch(program=PROGRAM, problem=error.strerror or str(error))
    return OtherSearch(program=PROGRAM, leaks=tuple(_leak(each, lines) for each in found))


def _place(path: str) -> str:
    """Returns where the copy of a file lies; a path that leads upwards stays inside."""
    return "/".join("up" if part == ".." else part for part in PurePosixPath(_TREE, path.lstrip("/")).parts)


def _report(program: str, folder: Path, lines: Mapping[str, ChangedFile]) -> list[_Finding]:
    """Copies the lines, runs gitleaks on them, and reads its report.

    Raises:
        _SearchError: it failed, took too long, or gave no report.
        OSError: the lines could not be written, or it could not be started.
    """
    source, report = folder / "source", folder / "report.json"
    for place, file in lines.items():
        copy = source / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes("".join(f"{line}\n" for _number, line in file.added).encode("utf-8", "surrogateescape"))
    said = folder / "said"
    status = _run((program, *_OPTIONS, "--report-path", str(report)), source, said, report)
    if status != 0:
        words = " ".join(_end_of(said).split())[-_SAID:]
        raise _SearchError(f"it ended with exit status {status}" + (f": {words}" if words else ""))
    return _read(report)


def _read(report: Path) -> list[_Finding]:
    """Reads a report.

    Raises:
        _SearchError: it is not there, too long, or no report.
    """
    try:
        with report.open("rb") as written:
            content = written.read(REPORT_BYTES + 1)
    except FileNotFoundError as error:
        raise _SearchError("it wrote no report") from error
    if len(content) > REPORT_BYTES:
        raise _SearchError(f"its report is longer than {REPORT_BYTES >> 20} MB")
    try:
        return _REPORT.validate_json(content) or []
    except ValidationError as error:
        raise _SearchError("its report cannot be read") from error


def _end_of(said: Path) -> str:
    with said.open("rb") as printed:
        printed.seek(max(printed.seek(0, os.SEEK_END) - 4 * _SAID, 0))
        return printed.read().decode("utf-8", "replace")


def _run(command: tuple[str, ...], folder: Path, said: Path, report: Path) -> int:
    """Runs a program, and ends all that it has started if it takes too long or floods; returns its exit status.

    Raises:
        _SearchError: it took too long, or wrote too much, or its status is lost.
        OSError: it could not be started.
    """
    with (
        said.open("wb") as output,
        Child(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            return _ended(process, said, report)
        except BaseException:  # Ctrl-C of the terminal does not reach that session
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise


def _ended(process: Child, *written: Path) -> int:
    """Waits for the end of a program, and returns its exit status.

    Raises:
        _SearchError: it has to be ended, or its status is lost.
    """
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            return process.wait(max(min(_LOOK_S, end - time.monotonic()), 0))
        except subprocess.TimeoutExpired:
            problem = _too_much(end, *written)
        except LostStatusError as error:
            problem = error.problem
        if problem:
            raise _SearchError(problem)


def _too_much(end: float, *written: Path) -> str:
    """Returns why a program that still runs is ended; "" if it may go on."""
    if time.monotonic() >= end:
        return f"it took longer than {LIMIT_S:g} s"
    if any(each.exists() and each.stat().st_size > REPORT_BYTES for each in written):
        return f"it wrote more than {REPORT_BYTES >> 20} MB"
    return ""


def _leak(found: _Finding, lines: Mapping[str, ChangedFile]) -> Leak:
    """Returns a finding at its place in the work; of a place that is not known, at the one that the report has."""
    place = found.file.removeprefix("./")
    file = lines.get(place)
    if file is None:
        return Leak(path=place.removeprefix(f"{_TREE}/"), line=found.line, kind=found.rule)
    number, _line = file.added[min(max(found.line, 1), len(file.added)) - 1]
    return Leak(path=file.path, line=number, kind=found.rule)
