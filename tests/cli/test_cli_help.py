"""The help: every command has examples that parse, and reads as the files in `golden/` say.

After a wanted change: `UPDATE_GOLDEN=1 pytest tests/cli/test_cli_help.py`, then look at the diff.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from aurora_cli.catalogue import CATALOGUE
from aurora_cli.lazy import AurCommand, AurGroup
from aurora_cli.main import root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from subprocess import CompletedProcess

    from aurora_cli.catalogue import Entry

GOLDEN = Path(__file__).parent / "golden"
MANUAL = Path(__file__).parents[2] / "docs" / "cli.md"


def paths(entries: Sequence[Entry], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for entry in entries:
        yield (*above, entry.name)
        yield from paths(entry.entries, (*above, entry.name))


COMMANDS = [(), *paths(CATALOGUE)]
NAMES = [" ".join(("aur", *path)) for path in COMMANDS]


def load(path: tuple[str, ...]) -> AurCommand | AurGroup:
    command: click.Command = root
    for name in path:
        assert isinstance(command, AurGroup)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    assert isinstance(command, AurCommand | AurGroup)
    return command


def entry_of(path: tuple[str, ...]) -> Entry:
    entries = CATALOGUE
    for name in path:
        entry = next(entry for entry in entries if entry.name == name)
        entries = entry.entries
    return entry


@pytest.mark.parametrize("path", COMMANDS, ids=NAMES)
def test_help_reads_as_reviewed(
    path: tuple[str, ...], aur: Callable[..., CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    golden = GOLDEN / f"{'_'.join(('aur', *path))}.txt"
    text = aur(*path, "--help").stdout
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_no_golden_file_is_left_of_a_command_that_is_gone() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == {"_".join(("aur", *path)) for path in COMMANDS}


@pytest.mark.parametrize("path", COMMANDS[1:], ids=NAMES[1:])
def test_the_catalogue_and_the_command_say_the_same(path: tuple[str, ...]) -> None:
    command, entry = load(path), entry_of(path)
    assert command.name == entry.name
    assert command.help is not None
    assert (command.help.splitlines()[0]).startswith(entry.summary.rstrip("."))


@pytest.mark.parametrize("path", COMMANDS, ids=NAMES)
def test_every_command_has_examples_and_each_parses(path: tuple[str, ...]) -> None:
    examples = load(path).examples
    assert examples
    for line, meaning in examples:
        assert meaning.endswith(".")
        program, *words = shlex.split(line)
        assert program == "aur"
        assert_parses(words)


def assert_parses(words: list[str]) -> None:
    command: click.Command = root
    context = click.Context(root, info_name="aur", **root.context_settings)
    while isinstance(command, click.Group) and not (command.invoke_without_command and words[0].startswith("-")):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, parent=context)
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize("path", COMMANDS[1:], ids=NAMES[1:])
def test_every_option_has_a_help_text(path: tuple[str, ...]) -> None:
    for parameter in load(path).params:
        assert isinstance(parameter, click.Option | click.Argument)
        assert parameter.help, parameter.name


@pytest.mark.parametrize("path", COMMANDS[1:], ids=NAMES[1:])
def test_the_manual_describes_every_command_and_every_option(path: tuple[str, ...]) -> None:
    section = manual_section(" ".join(("aur", *path)))
    for parameter in load(path).params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            shown = name if name.startswith("-") else metavar(parameter)
            assert shown in section, f"docs/cli.md does not describe {shown} of {' '.join(path)}"


@pytest.mark.parametrize("path", COMMANDS[1:], ids=NAMES[1:])
def test_the_manual_names_no_option_that_does_not_exist(path: tuple[str, ...]) -> None:
    command = load(path)
    if isinstance(command, AurGroup):
        return
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    section = manual_section(" ".join(("aur", *path)))
    assert set(re.findall(r"^\| `(--?[a-z][\w-]*)", section, re.MULTILINE)) <= known


def test_no_more_commands_than_a_person_can_survey() -> None:
    assert len(CATALOGUE) <= 45


def metavar(parameter: click.Parameter) -> str:
    """An argument's name as usage lines have it, without the marks of an optional one."""
    shown = parameter.metavar or parameter.human_readable_name.upper()
    return shown.removeprefix("[").removesuffix("]") if shown.startswith("[") else shown


def manual_section(command: str) -> str:
    """The part of the manual below the heading of one command."""
    text = MANUAL.read_text(encoding="utf-8")
    found = re.search(rf"^##+ {re.escape(command)}$(.*?)(?=^##+ aur|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section for {command}"
    return found[1]
