"""Groups know their commands by the catalogue and import one only when it is asked for."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import click
import pytest
from tests.exhaustive import few

from aurora_cli.catalogue import CATALOGUE, Entry
from aurora_cli.lazy import AurCommand, AurGroup
from aurora_cli.main import root


def leaves(entries: Sequence[Entry]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        yield from leaves(entry.entries)


ENTRIES = list(leaves(CATALOGUE))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.module)
def test_every_entry_has_its_module_and_the_command_its_name(entry: Entry) -> None:
    command = import_module(f"aurora_cli.commands.{entry.module}").command
    assert isinstance(command, AurGroup if entry.entries else AurCommand)
    assert command.name == entry.name


def test_every_module_of_a_command_is_in_the_catalogue() -> None:
    import pkgutil

    import aurora_cli.commands

    prefix = f"{aurora_cli.commands.__name__}."
    found = pkgutil.walk_packages(aurora_cli.commands.__path__, prefix)
    modules = {module.name.removeprefix(prefix) for module in found}
    assert modules == {entry.module for entry in ENTRIES}


def test_summaries_fit_a_line_and_end_as_sentences() -> None:
    for entry in ENTRIES:
        assert len(entry.summary) <= 60
        assert entry.summary.endswith(".")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["mem", "--help"], ["spwn"]])
def test_what_needs_no_library_imports_none(words: list[str]) -> None:
    code = (
        "import sys; from aurora_cli.main import run; run(sys.argv[1:]);"
        "heavy = {'aurora_core', 'aurora_soar', 'aurora_spawner', 'aurora_policies', 'numpy', 'pydantic', 'rich'};"
        "sys.exit(len(heavy & set(sys.modules)) + 50)"
    )
    outcome = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert outcome.returncode == 50, outcome.stderr


def test_a_command_that_searches_nothing_imports_no_search(shop: Path) -> None:
    (shop / ".aurora").mkdir()
    code = (
        "import sys; from aurora_cli.main import run; status = run(sys.argv[1:]);"
        "print(status, 'aurora_spawner.journal' in sys.modules, *{'aurora_core.memory', 'numpy'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, "runs", "list"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.stdout.splitlines()[-1] == "0 True", outcome


def test_a_search_in_a_project_imports_nothing_of_runs(shop: Path) -> None:
    (shop / ".aurora").mkdir()
    code = (
        "import sys; from aurora_cli.main import run; status = run(['mem', 'search', 'price']);"
        "sys.exit(status or 'aurora_spawner' in sys.modules)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome


def test_only_the_live_view_imports_its_toolkit(tmp_path: Path) -> None:
    (tmp_path / ".aurora").mkdir()
    code = (
        "import sys; from aurora_cli.main import run; status = run(['status']);"
        "loaded = {'textual', 'aurora_cli.watch'} & set(sys.modules); sys.exit(status or len(loaded) + 50)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome.returncode == 50, outcome.stderr


NOT_NEEDED = {
    "status": {
        "aurora_core.memory",
        "aurora_policies",
        "aurora_spawner.runs.run",
        "aurora_spawner.workspaces.git",
        "asyncio",
        "numpy",
        "pydantic",
        "rich",
    },
    "runs.list": {"aurora_core.memory", "aurora_spawner.runs.coordinator", "numpy", "rich"},
    "logs": {"aurora_core.memory", "aurora_policies", "numpy", "pydantic", "rich"},
    "mem.search": {"aurora_policies", "aurora_spawner", "asyncio", "pydantic", "rich", "tree_sitter"},
    "mem.show": {"aurora_policies", "aurora_spawner", "pydantic", "rich"},
    "config.get": {"aurora_core.memory", "aurora_policies", "aurora_spawner.runs", "numpy", "pydantic", "rich"},
    "completion": {"aurora_core", "aurora_policies", "aurora_soar", "aurora_spawner", "rich"},
    "approvals": {"aurora_core.memory", "aurora_policies", "numpy", "pydantic", "rich"},
}
"""Modules that make a start slow, by the command that must not import them."""


@pytest.mark.parametrize("module", few(NOT_NEEDED, 3))
def test_a_command_imports_nothing_that_only_others_need(module: str) -> None:
    code = f"import sys, aurora_cli.commands.{module}; print(*sorted({NOT_NEEDED[module]!r} & set(sys.modules)))"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert outcome.stdout.split() == []


def test_a_question_that_is_looked_up_imports_no_coordinator_and_no_reader_of_shell(shop: Path) -> None:
    code = (
        "import sys; from aurora_cli.main import run; run(['soar', 'Where is the price of an article?']);"
        "found = {'aurora_spawner.runs.run', 'aurora_policies.check', 'aurora_policies.diff'} & set(sys.modules);"
        "sys.exit(len(found) + 50)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (outcome.returncode, "price_of" in outcome.stdout) == (50, True), outcome


def test_sections_stand_together() -> None:
    sections = [entry.section for entry in CATALOGUE]
    assert [s for i, s in enumerate(sections) if i == 0 or sections[i - 1] != s] == list(dict.fromkeys(sections))


@pytest.mark.parametrize(
    ("typed", "nearest"), [("inti", "init"), ("doctr", "doctor"), ("index", "mem index"), ("verify", "audit verify")]
)
def test_a_slip_finds_the_nearest_at_any_depth(typed: str, nearest: str) -> None:
    with pytest.raises(click.NoSuchCommand) as raised:
        root.resolve_command(click.Context(root, info_name="aur", **root.context_settings), [typed])
    assert nearest in (raised.value.possibilities or [])


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("discrad", True), ("forget", True), ("cancle", True), ("canal", False), ("discuss", False)],
)
def test_what_destroys_is_offered_only_for_a_slip(typed: str, offered: bool) -> None:
    with pytest.raises(click.NoSuchCommand) as raised:
        root.resolve_command(click.Context(root, info_name="aur", **root.context_settings), [typed])
    assert bool({"discard", "mem forget", "cancel"} & set(raised.value.possibilities or [])) is offered


def test_nothing_near_is_nothing_suggested() -> None:
    with pytest.raises(click.NoSuchCommand) as raised:
        root.resolve_command(click.Context(root, info_name="aur", **root.context_settings), ["xyzzy"])
    assert raised.value.possibilities == []


def test_python_m_is_the_same_as_aur() -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "aurora_cli", "--version"], capture_output=True, text=True, check=False
    )
    assert (outcome.returncode, outcome.stdout) == (0, "aur 0.1.0\n")


def test_at_its_end_no_time_goes_into_collections_of_what_it_imported() -> None:
    code = (
        "import atexit, gc, sys; sys.argv = ['aur', '--version'];"
        "atexit.register(lambda: print(gc.get_freeze_count() > 1000));"
        "from aurora_cli.entry import main; sys.exit(main())"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stdout) == (0, "aur 0.1.0\nTrue\n")
