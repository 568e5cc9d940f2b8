"""A name, a file, a line and a name in a file each find their chunks, or say what is wrong with the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_core import AuroraCoreError, Memory, NotInMemoryError, ProjectError
from aurora_core.lookup import look_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TILL = '''\
"""A till."""

from shop.stock import price_of


class Till:
    """Adds prices."""

    total = 0

    def scan(self, article: str) -> None:
        self.total += price_of(article)

    def close(self) -> int:
        return self.total


def main() -> None:
    Till().scan("tea")
'''
STOCK = "def price_of(article: str) -> int:\n    return len(article)\n\n\n\n\ndef close() -> None:\n    pass\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    odd = "def odd() -> int:\n    return 12\n"
    files = {"src/till.py": TILL, "src/stock.py": STOCK, "empty.py": "", "odd:12.py": odd}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "binary.py").write_bytes(b"x\0\0" * 9)
    return tmp_path


@pytest.fixture
def memory(project: Path) -> Iterator[Memory]:
    with Memory.open(project) as opened:
        opened.index()
        yield opened


def names(memory: Memory, target: str, limit: int = 10) -> list[str]:
    return [hit.name for hit in look_up(memory, target, limit).chunks]


@pytest.mark.parametrize("target", ["Till.scan", "src/till.py:scan", "src/till.py:Till.scan", "src/till.py:12"])
def test_a_name_a_line_and_a_name_in_a_file_find_one_definition_and_its_callers(memory: Memory, target: str) -> None:
    found = look_up(memory, target)
    assert [hit.name for hit in found.chunks] == ["Till.scan"]
    assert [(caller.file, caller.line, caller.name) for caller in found.callers] == [("src/till.py", 19, "main")]


@pytest.mark.parametrize("pasted", ["src/till.py:12:9", "src/till.py:12:9:", "src/till.py:12:", "src/till.py:11-12"])
def test_places_as_compilers_and_search_print_them_are_understood(memory: Memory, pasted: str) -> None:
    assert names(memory, pasted) == ["Till.scan"]


def test_a_range_finds_every_chunk_that_shares_a_line_with_it(memory: Memory) -> None:
    assert names(memory, "src/till.py:12-14") == ["Till.scan", "Till.close"]


def test_a_file_shows_its_chunks_in_order_and_no_callers(memory: Memory) -> None:
    found = look_up(memory, "src/till.py")
    starts = [hit.line_start for hit in found.chunks]
    assert starts == sorted(starts)
    assert {"Till.scan", "Till.close", "main"} <= {hit.name for hit in found.chunks}
    assert found.callers == ()
    assert names(memory, "src/till.py", 2) == [hit.name for hit in found.chunks[:2]]


def test_a_name_in_a_file_leaves_out_the_same_name_elsewhere(memory: Memory) -> None:
    assert {hit.file for hit in look_up(memory, "close").chunks} == {"src/till.py", "src/stock.py"}
    assert {hit.file for hit in look_up(memory, "src/stock.py:close").chunks} == {"src/stock.py"}


def test_a_blank_line_belongs_to_the_chunk_before_it(memory: Memory) -> None:
    assert names(memory, "src/stock.py:5") == ["price_of"]


def test_a_file_whose_name_looks_like_a_place_is_a_file(memory: Memory) -> None:
    assert {hit.file for hit in look_up(memory, "odd:12.py").chunks} == {"odd:12.py"}
    assert {hit.file for hit in look_up(memory, "odd:12.py:1").chunks} == {"odd:12.py"}


def test_paths_start_from_the_given_folder_or_the_root_or_are_absolute(memory: Memory, project: Path) -> None:
    wanted = look_up(memory, "src/stock.py").chunks
    assert look_up(memory, "stock.py", folder=project / "src").chunks == wanted
    assert look_up(memory, "src/stock.py", folder=project / "src").chunks == wanted
    assert look_up(memory, str(project / "src" / "stock.py")).chunks == wanted
    assert look_up(memory, "../stock.py", folder=project / "src" / "deep").chunks == wanted


def test_lines_are_those_of_the_file_as_it_is_now(memory: Memory, project: Path) -> None:
    (project / "src" / "till.py").write_text("# one\n# two\n# three\n" + TILL, encoding="utf-8")
    assert names(memory, "src/till.py:15") == ["Till.scan"]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("src/till.py:0", "has no line 0: its lines are 1 to 19"),
        ("src/till.py:20", "has no line 20: its lines are 1 to 19"),
        ("src/till.py:99-100", "has no lines 99-100"),
        ("src/till.py:12-3", "has no lines 12-3"),
        ("src/till.py:skan", "has nothing named 'skan': did you mean"),
        ("src/stock.py:qqqqqq", "has nothing named 'qqqqqq': it has price_of, close"),
        ("src/nowhere.py", "there is no such file"),
        ("nowhere.py:3", "there is no such file"),
        ("src", "is a folder: name one of its files"),
        ("src/", "is a folder"),
        ("", "is a folder"),
        ("empty.py", "has no chunks in the memory: it has no code or text"),
        ("binary.py", "has no chunks in the memory: it is binary"),
    ],
)
def test_a_place_that_is_not_there_is_named_with_what_is_wrong(memory: Memory, target: str, says: str) -> None:
    with pytest.raises(NotInMemoryError, match=says) as raised:
        look_up(memory, target)
    assert raised.value.path.is_absolute()


def test_a_new_file_is_not_in_the_memory_until_it_is_indexed(memory: Memory, project: Path) -> None:
    (project / "new.py").write_text("def fresh() -> None: ...\n", encoding="utf-8")
    with pytest.raises(NotInMemoryError, match=r"is not in the memory: `aur mem index` adds new files"):
        look_up(memory, "new.py:fresh")
    with pytest.raises(NotInMemoryError, match=r"new\.py: is not in the memory"):
        look_up(memory, f"{project}/new.py:1")
    memory.update(["new.py"])
    assert names(memory, "new.py:fresh") == ["fresh"]


@pytest.mark.parametrize("target", ["../outside.py", "/etc/passwd", "/etc/passwd:1", "../../x.py:3"])
def test_a_file_outside_of_the_project_is_refused(memory: Memory, target: str) -> None:
    with pytest.raises(ProjectError, match="is not in the project"):
        look_up(memory, target)


def test_a_link_out_of_the_project_is_refused(memory: Memory, project: Path) -> None:
    secret = project.parent / f"{project.name}-secret.py"
    secret.write_text("KEY = 1\n", encoding="utf-8")
    (project / "link.py").symlink_to(secret)
    with pytest.raises(ProjectError, match="is not in the project"):
        look_up(memory, "link.py")


@pytest.mark.parametrize("target", ["zebra", "ns::zebra", "a.b.c", "x" * 5000, "\0", "a\0b:3x", ":" * 3000, "é:b"])
def test_a_name_that_nothing_defines_gives_nothing(memory: Memory, target: str) -> None:
    found = look_up(memory, target)
    assert (found.chunks, found.callers) == ((), ())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60))
@given(place=st.text(max_size=40))
def test_any_text_after_a_file_finds_chunks_of_it_or_is_a_typed_error(memory: Memory, place: str) -> None:
    try:
        found = look_up(memory, f"src/till.py:{place}")
    except AuroraCoreError:
        return
    assert {hit.file for hit in found.chunks} == {"src/till.py"}
