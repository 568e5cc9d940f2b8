"""What Aurora makes is for its owner alone; a folder that others use is left to them."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from aurora_core.private_files import create_private, private_folder, write_private


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


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_a_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        create_private(tmp_path / "made", b"x")
        write_private(tmp_path / "written", b"y")
    finally:
        os.umask(before)
    assert [(path.name, mode(path), path.read_bytes()) for path in sorted(tmp_path.iterdir())] == [
        ("made", 0o600, b"x"),
        ("written", 0o600, b"y"),
    ]


def test_a_file_that_is_there_is_not_made_again_and_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first")
    path.chmod(0o644)
    with pytest.raises(FileExistsError):
        create_private(path, b"second")
    assert (path.read_bytes(), mode(path)) == (b"first", 0o644)
    write_private(path, b"third")
    assert (path.read_bytes(), mode(path)) == (b"third", 0o600)


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(FileExistsError):
        create_private(tmp_path / "link", b"other")
    write_private(tmp_path / "link", b"new")
    assert ((tmp_path / "target").read_bytes(), (tmp_path / "link").is_symlink()) == (b"mine", False)


def test_a_replacement_that_fails_leaves_the_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_private(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"old")]
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "missing" / "file", b"new")


def test_two_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path, contents = tmp_path / "file", [bytes([65 + number]) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write_private, args=(path, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
