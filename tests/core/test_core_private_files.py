"""What Aurora makes is for its owner alone; a folder that others use is left to them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from aurora_core.private_files import private_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_others_use_stays_open_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    assert private_folder(tmp_path) == tmp_path
    assert mode(tmp_path) == 0o1777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_folders_that_are_missing_are_made_for_their_owner(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        private_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700


def test_an_aurora_folder_is_closed_to_others_unless_it_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine" / ".aurora").mkdir(mode=0o755, parents=True)
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / ".aurora").symlink_to(tmp_path / "elsewhere")
    assert mode(private_folder(tmp_path / "mine" / ".aurora")) == 0o700
    assert mode(private_folder(tmp_path / "linked" / ".aurora")) == 0o755
