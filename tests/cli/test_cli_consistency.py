"""Every command: its help on narrow terminals, no colour off a terminal, slips, exit statuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest
from tests.cli.test_cli_help import COMMANDS, NAMES, load
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurGroup
from aurora_cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

ESCAPE = re.compile(r"\x1b")
WITHOUT_JSON = {
    *(
        "completion",
        "dashboard",
        "diff",
        "audit export",
        "keys set",
        "keys remove",
        "mcp install",
        "mcp agent",
        "mcp serve",
        "worker drain",
        "worker remove",
        "worker ssh",
    ),
}
"""Commands whose output is no data, or is data in a form of its own."""
LEAVES = [path for path in COMMANDS[1:] if not isinstance(load(path), AurGroup)]


def ids(paths: list[tuple[str, ...]]) -> list[str]:
    return [" ".join(path) for path in paths]


@pytest.mark.parametrize("path", COMMANDS, ids=NAMES)
@pytest.mark.parametrize("columns", few([40, 80], 1))
def test_the_help_fits_a_narrow_terminal(
    path: tuple[str, ...], columns: int, aur: Aur, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    outcome = aur(*path, "--help")
    assert (outcome.returncode, outcome.stderr) == (ExitCode.DONE, "")
    assert not ESCAPE.search(outcome.stdout)
    prose, _, _examples = outcome.stdout.partition("Examples:")
    wide = [line for line in prose.splitlines() if len(line) > columns and " " in line.strip()]
    assert [line for line in wide if columns == 80 or not line.lstrip().startswith(("Usage", "-"))] == []


@pytest.mark.parametrize("path", COMMANDS[1:], ids=NAMES[1:])
def test_a_mistyped_option_is_a_usage_error_with_the_nearest_name(path: tuple[str, ...], aur: Aur) -> None:
    command = load(path)
    names = [name for each in command.params for name in each.opts if name.startswith("--") and len(name) > 5]
    wrong = f"{names[0]}x" if names else "--hepl"
    outcome = aur(*path, wrong)
    assert (outcome.returncode, outcome.stdout) == (ExitCode.USAGE, "")
    assert "aur: No such option" in outcome.stderr
    assert f"try: aur {' '.join(path)} --help" in outcome.stderr
    if names:
        assert "Did you mean" in outcome.stderr


@pytest.mark.parametrize("path", [path for path in COMMANDS if isinstance(load(path), AurGroup)])
def test_a_mistyped_command_of_a_group_is_never_run(path: tuple[str, ...], aur: Aur) -> None:
    group = load(path)
    assert isinstance(group, AurGroup)
    first = next(iter(group.entries))
    outcome = aur(*path, f"{first}x")
    assert (outcome.returncode, outcome.stdout) == (ExitCode.USAGE, "")
    assert first in outcome.stderr


@pytest.mark.parametrize("path", LEAVES, ids=ids(LEAVES))
def test_a_command_that_prints_data_has_json(path: tuple[str, ...]) -> None:
    has = any("--json" in each.opts for each in load(path).params)
    assert has is (" ".join(path) not in WITHOUT_JSON)


def test_no_command_prints_colour_or_a_spinner_off_a_terminal(
    aur: Aur, shop: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "")
    for words in (
        ("init",),
        ("mem", "search", "price"),
        ("mem", "stats"),
        ("doctor",),
        ("status",),
        ("runs", "list"),
        ("agents", "list"),
        ("config", "list"),
        ("budget", "show"),
        ("policies", "show"),
        ("soar", "Where is the price of an article?"),
        ("status", "nosuch"),
    ):
        outcome = aur(*words)
        assert not re.search(r"[\x1b\r\u2800-\u28ff]", outcome.stdout + outcome.stderr), words


def test_an_interruption_has_its_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_words: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(click.Command, "invoke", interrupted)
    assert run(["config", "path"]) == ExitCode.INTERRUPTED
