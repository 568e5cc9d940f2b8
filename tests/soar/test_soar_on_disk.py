"""A name that stands in a file which the memory has not read yet is not said to be absent."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_core.git import run_git
from aurora_core.indexing import walk
from aurora_soar.local_agent.lookup import answer_directly
from aurora_soar.question.on_disk import names_on_disk

if TYPE_CHECKING:
    from pathlib import Path


def test_a_name_in_a_new_or_changed_file_is_told_from_an_absent_one(tmp_path: Path) -> None:
    (tmp_path / "limits.py").write_text("FLOOR = 1\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        (tmp_path / "limits.py").write_text("FLOOR = 1\nRETRY_CEILING = 5\n")
        (tmp_path / "table.py").write_text("\n\nSTATUS_COLOURS = {}\n")
        changed = answer_directly(memory, tmp_path, "Where is RETRY_CEILING set?").answer
        new = answer_directly(memory, tmp_path, "Where is STATUS_COLOURS defined?").answer
        absent = answer_directly(memory, tmp_path, "Where is RETRY_BASEMENT set?").answer
        memory.index()
        indexed = answer_directly(memory, tmp_path, "Where is RETRY_CEILING set?").answer
    assert changed.startswith(
        "Not in the index: `RETRY_CEILING` (`limits.py:2`); `aur mem index` brings it up to date."
    )
    assert new.startswith("Not in the index: `STATUS_COLOURS` (`table.py:3`)")
    assert absent.startswith("Not found in this project's code: `RETRY_BASEMENT`")
    assert indexed.startswith("`RETRY_CEILING` (`limits.py:2`)")


@pytest.mark.parametrize("with_git", [True, False])
def test_a_name_in_a_file_that_no_index_reads_is_not_promised_by_one(tmp_path: Path, *, with_git: bool) -> None:
    if with_git:
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "limits.py").write_text("\nRETRY_CEILING = 5\nSTATUS_COLOURS = {}\n")
    (tmp_path / "large.py").write_text("MAX_PARCELS = 1\n" + "# a long line of words\n" * 30_000)
    (tmp_path / "used.py").write_text("FLOOR = 1\n")
    with Memory.open(tmp_path, exclude=["old/"]) as memory:
        memory.index()
        excluded = answer_directly(memory, tmp_path, "Where is RETRY_CEILING set?").answer
        large = answer_directly(memory, tmp_path, "Where is MAX_PARCELS set?").answer
        (tmp_path / "used.py").write_text("FLOOR = 1\nRETRY_CEILING = 6\n")
        also_new = answer_directly(memory, tmp_path, "Where is RETRY_CEILING set?").answer
    assert excluded.startswith("Left out of the index: `RETRY_CEILING` (`old/limits.py:2`); `aur mem stats` says")
    assert large.startswith("Left out of the index: `MAX_PARCELS` (`large.py:1`)")
    assert "`aur mem index`" not in excluded + large
    assert also_new.startswith("Not in the index: `RETRY_CEILING` (`used.py:2`)")
    assert "Left out" not in also_new


def test_git_is_not_asked_about_each_file_that_has_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "sdk").mkdir()
    asked: list[str] = []

    def counted(folder: Path, *arguments: str, **limits: int) -> object:
        asked.append(arguments[0])
        return run_git(folder, *arguments, **limits)

    counts = []
    monkeypatch.setattr(walk, "run_git", counted)
    with Memory.open(tmp_path, exclude=["sdk/"]) as memory:
        for files in (2, 12):
            for number in range(files):
                (tmp_path / "sdk" / f"part_{number}.py").write_text("class Part(BaseParcel): ...\n")
            asked.clear()
            assert names_on_disk(memory, ["BaseParcel"]).left_out == {"BaseParcel": "sdk/part_0.py:1"}
            counts.append(len(asked))
    assert counts[0] == counts[1] > 0


def test_a_plural_is_found_by_its_singular(tmp_path: Path) -> None:
    (tmp_path / "table.py").write_text('STATUS_COLOURS = {"paid": "green"}\n')
    with Memory.open(tmp_path) as memory:
        memory.index()
        answer = answer_directly(memory, tmp_path, "Which colours do statuses have?").answer
    assert answer.startswith("`STATUS_COLOURS` (`table.py:1`)")


def test_a_change_goes_to_what_it_is_said_to_go_to(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "class ConnectError(Exception):\n    pass\n\n\nclass HTTPTransport:\n    def send(self):\n        pass\n"
    )
    with Memory.open(tmp_path) as memory:
        memory.index()
        answer = answer_directly(memory, tmp_path, "Add a retry for ConnectError to the HTTPTransport").answer
    assert answer.startswith("The place for it is `HTTPTransport` (`net.py:5`)")


def test_a_folder_of_one_file_without_words_of_its_own_names_it(tmp_path: Path) -> None:
    (tmp_path / "legacy").mkdir()
    (tmp_path / "legacy" / "payroll.cob").write_text("IDENTIFICATION DIVISION.\nPROGRAM-ID. PAYROLL.\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        answer = answer_directly(memory, tmp_path, "What does the folder legacy do?").answer
    assert answer.startswith("`legacy` holds 1 file.")
    assert "`legacy/payroll.cob`" in answer.splitlines()[0]
