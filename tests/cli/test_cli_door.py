"""The door: whatever happens inside becomes lines on standard error and an exit status."""

from __future__ import annotations

import errno
import io
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import click
import pytest

from aurora_cli.catalogue import Entry
from aurora_cli.documents import Schema
from aurora_cli.errors import CliError
from aurora_cli.exits import ExitCode
from aurora_cli.main import root, run
from aurora_cli.output import colour_setting, emit_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]
    Boom = Callable[[BaseException], None]


@pytest.fixture
def boom(monkeypatch: pytest.MonkeyPatch) -> Boom:
    """Add a command `aur boom` that raises what it is given."""

    def add(error: BaseException) -> None:
        @click.command("boom")
        def command() -> None:
            raise error

        monkeypatch.setitem(sys.modules, "aurora_cli.commands.boom", SimpleNamespace(command=command))
        monkeypatch.setitem(root.entries, "boom", Entry(name="boom", module="boom", summary="Raise."))

    return add


def test_the_version_is_one_line_on_standard_output(aur: Aur) -> None:
    outcome = aur("--version")
    assert outcome.returncode == ExitCode.DONE
    assert outcome.stdout == "aur 0.1.0\n"
    assert outcome.stderr == ""


def test_aur_alone_shows_the_help_on_standard_error_as_a_usage_error(aur: Aur) -> None:
    outcome = aur()
    assert outcome.returncode == ExitCode.USAGE
    assert outcome.stdout == ""
    assert "Ask and work:" in outcome.stderr


def test_a_mistyped_command_is_an_error_that_names_the_nearest(aur: Aur) -> None:
    outcome = aur("sopwn", "tasks.md")
    assert outcome.returncode == ExitCode.USAGE
    assert "'spawn'" in outcome.stderr
    assert "try: aur --help" in outcome.stderr
    assert outcome.stdout == ""


def test_a_command_of_a_group_is_found_from_the_top(aur: Aur) -> None:
    assert "'mem search'" in aur("search", "x").stderr


def test_a_mistyped_command_of_a_group_names_the_nearest(aur: Aur) -> None:
    assert "'stats'" in aur("mem", "stat").stderr


def test_a_mistyped_option_is_an_error_that_names_the_nearest(aur: Aur) -> None:
    outcome = aur("doctor", "--jsn")
    assert outcome.returncode == ExitCode.USAGE
    assert "--json" in outcome.stderr
    assert "try: aur doctor --help" in outcome.stderr


@pytest.mark.parametrize("word", ["./tasks.md", "fix the bug", ""])
def test_what_is_no_command_is_never_run_as_a_prompt(aur: Aur, word: str) -> None:
    outcome = aur(word)
    assert outcome.returncode == ExitCode.USAGE
    assert "No such command" in outcome.stderr


def test_a_file_in_a_commands_place_is_not_run_but_said_how_to(aur: Aur, shop: Path) -> None:
    outcome = aur("README.md")
    assert outcome.returncode == ExitCode.USAGE
    assert "README.md is a file, not a command; run its tasks with: aur spawn README.md" in outcome.stderr


def test_an_error_of_ours_is_one_line_and_its_hint(aur: Aur, boom: Boom) -> None:
    error = CliError("the till is \x1b[31mempty")
    error.hint = "fill it"
    boom(error)
    outcome = aur("boom")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert outcome.stderr == "aur: the till is \\x1b[31mempty\n  hint: fill it\n"


@pytest.mark.parametrize(
    ("number", "hint"), [(errno.ENOSPC, "free some space"), (errno.EACCES, "permissions"), (errno.EROFS, "read-only")]
)
def test_an_error_of_the_system_names_its_path_and_a_way_out(aur: Aur, boom: Boom, number: int, hint: str) -> None:
    boom(OSError(number, "no luck", "/some/where"))
    outcome = aur("boom")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "/some/where" in outcome.stderr
    assert hint in outcome.stderr


def test_a_defect_is_told_as_one_without_a_traceback(aur: Aur, boom: Boom) -> None:
    boom(KeyError("till"))
    outcome = aur("boom")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "KeyError" in outcome.stderr
    assert "AURORA_DEBUG=1" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_debugging_shows_the_traceback(aur: Aur, boom: Boom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURORA_DEBUG", "1")
    boom(KeyError("till"))
    assert "Traceback" in aur("boom").stderr


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_ends_with_its_own_status(aur: Aur, boom: Boom, error: BaseException) -> None:
    boom(error)
    outcome = aur("boom")
    assert outcome.returncode == ExitCode.INTERRUPTED
    assert outcome.stderr == "interrupted\n"


def test_json_is_ascii_where_the_stream_is_not_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    emit_json(Schema.RUNS, {"name": "Zoë → \udcff"})
    stream.flush()
    assert stream.buffer.getvalue() == b'{\n  "schema": "aur.runs/1",\n  "name": "Zo\\u00eb \\u2192 \\udcff"\n}\n'


def test_colour_is_forbidden_by_no_color_and_dumb_terminals_and_else_left_to_the_stream() -> None:
    assert colour_setting({"NO_COLOR": "1"}) is False
    assert colour_setting({"TERM": "dumb"}) is False
    assert colour_setting({"NO_COLOR": "", "TERM": "xterm"}) is None


def test_help_of_the_top_imports_no_command_and_no_library() -> None:
    before = {name for name in sys.modules if name.startswith("aurora_cli.commands")}
    assert run(["--help"]) == ExitCode.DONE
    assert {name for name in sys.modules if name.startswith("aurora_cli.commands")} == before
