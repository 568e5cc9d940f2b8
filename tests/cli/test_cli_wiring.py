"""Wiring opens the project of a command, and shows its notices."""

from pathlib import Path

import pytest

from aurora_cli import wiring
from aurora_cli.errors import MissingPathError
from aurora_core import Project
from aurora_soar import NoProjectError, Notice


def test_a_project_is_found_from_a_folder_inside_it(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Project.init(shop)
    monkeypatch.chdir(shop / "src" / "shop")
    assert wiring.open_existing().project.root == shop


def test_where_there_is_none_the_error_says_how_to_make_one(shop: Path) -> None:
    with pytest.raises(NoProjectError) as raised:
        wiring.open_existing()
    assert raised.value.start == shop
    assert "aur init" in raised.value.hint


def test_a_prospect_makes_nothing_until_it_is_set_up(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    aurora = wiring.open_folder(shop)
    assert aurora.project.root == shop
    assert not aurora.project.aurora_dir.exists()
    aurora.set_up()
    assert aurora.project.aurora_dir.is_dir()
    assert "setting up a project" in capsys.readouterr().err
    aurora.set_up()
    assert capsys.readouterr().err == ""


def test_a_notice_is_shown_without_steering_characters(capsys: pytest.CaptureFixture[str]) -> None:
    wiring.show_notice(Notice(message="a\x1b[31mb", warning=True))
    assert capsys.readouterr().err == "warning: a\\x1b[31mb\n"


def test_a_missing_path_names_the_nearest_beside_it(tmp_path: Path) -> None:
    (tmp_path / "tasks.md").touch()
    error = MissingPathError(tmp_path / "taks.md", "file")
    assert str(error) == f"no such file: {tmp_path / 'taks.md'}"
    assert error.hint == f"did you mean {tmp_path / 'tasks.md'}?"


def test_a_missing_path_with_nothing_near_has_no_hint(tmp_path: Path) -> None:
    assert MissingPathError(tmp_path / "zebra", "file").hint == ""
    assert MissingPathError(tmp_path / "no" / "folder", "file").hint == ""
