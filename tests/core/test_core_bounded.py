"""A bounded read takes regular files only, never waits, and never takes more than its limit."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from aurora_core.bounded import NotRegularError, TooLargeError, open_regular, read_regular, read_start

READERS = [lambda path: read_regular(path, 10), lambda path: read_start(path, 10)]


@pytest.mark.parametrize("read", READERS)
def test_a_file_up_to_its_limit_is_read_whole(tmp_path: Path, read: object) -> None:
    file = tmp_path / "file"
    for content in (b"", b"x", b"0123456789"):
        file.write_bytes(content)
        assert read(file) == content  # type: ignore[operator]


def test_one_byte_more_than_the_limit_is_an_error_that_says_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789X")
    with pytest.raises(TooLargeError, match="larger than 10 bytes") as raised:
        read_regular(file, 10)
    assert (raised.value.limit, raised.value.filename) == (10, str(file))
    assert read_start(file, 10) == b"0123456789"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device"])
def test_anything_but_a_regular_file_is_refused_at_once(tmp_path: Path, read: object, kind: str) -> None:
    path = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "socket":
            listener.bind(os.path.relpath(path))
        with pytest.raises(OSError, match=r"regular|No such device|not supported"):
            read(path)  # type: ignore[operator]


def test_a_link_is_followed_by_one_reader_and_refused_by_the_other(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 10) == b"text"
    with pytest.raises(OSError, match="symbolic links"):
        read_regular(tmp_path / "link", 10, follow=False)
    with pytest.raises(OSError, match="symbolic links"):
        read_start(tmp_path / "link", 10)


@pytest.mark.parametrize("name", ["missing", "dangling", "circle", "a\0b", "x" * 300])
def test_a_name_without_a_file_is_an_error_of_the_system(tmp_path: Path, name: str) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match=r"No such file|symbolic links|not a valid file name|name too long"):
        read_regular(tmp_path / name, 10)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts descriptors in /proc")
def test_refused_files_leave_no_descriptor_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 11)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - descriptors, not files
    for _ in range(20):
        with pytest.raises(NotRegularError):
            open_regular(tmp_path / "pipe")
        with pytest.raises(TooLargeError):
            read_regular(tmp_path / "large", 10)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - descriptors, not files


def test_a_descriptor_is_not_inherited_by_programs(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    descriptor = open_regular(tmp_path / "file")
    try:
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)
