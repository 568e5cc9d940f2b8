"""The list of workspaces: private, atomic, typed when damaged; and what stands in the place of a folder now."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core import Project, ProjectError
from aurora_core.errors import UnknownWorkspaceError, WorkspaceListError, WorkspaceNameError
from aurora_core.workspaces import Workspace, WorkspaceList, WorkspaceState, look_at


def make(folder: Path) -> Project:
    folder.mkdir(parents=True)
    return Project.init(folder)


@pytest.fixture
def listed(tmp_path: Path) -> WorkspaceList:
    return WorkspaceList.of({"HOME": str(tmp_path)})


def written(listed: WorkspaceList, content: bytes) -> WorkspaceList:
    assert listed.path is not None
    listed.path.parent.mkdir(exist_ok=True)
    listed.path.write_bytes(content)
    return listed


def test_a_workspace_is_added_renamed_and_forgotten_and_its_folder_stays(
    listed: WorkspaceList, tmp_path: Path
) -> None:
    shop = make(tmp_path / "my shop!")
    added = listed.add(shop)
    assert (added.name, added.root) == ("my-shop", shop.root)
    assert listed.path is not None
    assert stat.S_IMODE(listed.path.stat().st_mode) == 0o600
    listed.add(shop, "till")
    assert [each.name for each in listed.all()] == ["till"], "one project is in the list once"
    with pytest.raises(UnknownWorkspaceError, match="did you mean 'till'"):
        listed.remove("tll")
    assert listed.remove("till").root == shop.root
    assert (listed.all(), shop.aurora_dir.is_dir()) == ((), True)


@pytest.mark.parametrize(
    ("name", "problem"),
    [("", "it takes"), ("a:b", "it takes"), ("../x", "it takes"), ("shop", "has it; give another one: --name")],
)
def test_a_name_that_cannot_be_used_changes_nothing(
    listed: WorkspaceList, tmp_path: Path, name: str, problem: str
) -> None:
    listed.add(make(tmp_path / "shop"))
    with pytest.raises(WorkspaceNameError, match=problem):
        listed.add(make(tmp_path / "other"), name)
    assert [each.name for each in listed.all()] == ["shop"]


def test_two_that_add_at_once_are_both_kept(listed: WorkspaceList, tmp_path: Path) -> None:
    projects = [make(tmp_path / f"p{number}") for number in range(12)]
    threads = [threading.Thread(target=listed.add, args=(each,)) for each in projects]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {each.root for each in listed.all()} == {each.root for each in projects}


def entry(**changed: object) -> bytes:
    fields = {"name": "shop", "root": "/shop", "added_at": "2026", "inode": 1, **changed}
    return json.dumps({"version": 1, "workspaces": [fields]}).encode()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "`version`"),
        (b'{"version": 2, "workspaces": []}', "`version`"),
        (b'{"version": 1}', "`workspaces`"),
        (entry(name="a:b"), r"workspaces\[0\].name"),
        (entry(root="shop"), r"workspaces\[0\].root"),
        (entry(root="/a/../b"), r"workspaces\[0\].root"),
        (entry(inode=True), r"workspaces\[0\].inode"),
        (entry(added_at=None), r"workspaces\[0\].added_at"),
        (b" " * 1_000_001, "larger than"),
    ],
)
def test_a_damaged_list_is_named_with_its_field_and_stays_as_it_is(
    listed: WorkspaceList, tmp_path: Path, content: bytes, problem: str
) -> None:
    written(listed, content)
    project = make(tmp_path / "new")
    for call in (listed.all, lambda: listed.add(project), lambda: listed.remove("shop")):
        with pytest.raises(WorkspaceListError, match=problem) as refused:
            call()
        assert str(refused.value).startswith(str(listed.path))
    assert listed.path is not None
    assert listed.path.read_bytes() == content


@given(st.one_of(st.binary(max_size=200), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr)))
def test_any_content_is_a_list_or_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    listed = WorkspaceList(path=tmp_path_factory.getbasetemp() / "any-list" / "workspaces.json")
    written(listed, content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
    try:
        listed.all()
    except WorkspaceListError:
        return


def test_a_folder_that_is_gone_moved_or_foreign_is_told_and_one_that_is_there_is_not(
    listed: WorkspaceList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "shop"
    shop = listed.add(make(root))

    def state(of: Workspace = shop) -> WorkspaceState:
        found = look_at(of)
        assert bool(found.problem) is bool(found.project is None)
        return found.state

    assert state() is WorkspaceState.THERE
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert state() is WorkspaceState.FOREIGN
    assert "12345" not in look_at(shop).problem
    monkeypatch.undo()
    root.rename(tmp_path / "elsewhere")
    assert state() is WorkspaceState.GONE
    root.symlink_to(tmp_path / "elsewhere")
    assert state() is WorkspaceState.MOVED, "a link to it may point elsewhere tomorrow"
    advice = f"`aur workspace remove shop`, then `aur workspace add {tmp_path / 'elsewhere'} --name shop`"
    assert look_at(shop).problem.endswith(advice), "the name is taken until then"
    root.unlink()
    make(root)
    assert state() is WorkspaceState.MOVED, "another folder of that name"
    assert look_at(shop).problem.endswith(f"run `aur workspace add {root} --name shop`")
    shutil.rmtree(root)
    (tmp_path / "elsewhere").rename(root)
    assert state() is WorkspaceState.THERE
    shutil.rmtree(root / ".aurora")
    assert state() is WorkspaceState.GONE
    (tmp_path / "evil" / ".aurora").mkdir(parents=True)
    (root / ".aurora").symlink_to(tmp_path / "evil" / ".aurora")
    assert state() is WorkspaceState.FOREIGN
    with pytest.raises(ProjectError):
        Project.existing(root)
