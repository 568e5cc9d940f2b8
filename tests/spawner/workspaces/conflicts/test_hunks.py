"""What became of each hunk in conflict, by the texts alone."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner.tasks.resolved import HunkChoice
from aurora_spawner.workspaces.conflicts.hunks import choices, find_hunks, marker_lines

TEXT = """head
<<<<<<< aaa
ours
||||||| bbb
base
=======
theirs
>>>>>>> ccc
middle
<<<<<<< aaa
||||||| bbb
two
lines
=======
=======x
>>>>>>> ccc
tail"""
BOTH = TEXT.split("\n")


def with_texts(first: list[str], second: list[str]) -> list[str]:
    return ["head", *first, "middle", *second, "tail"]


def test_hunks_have_three_texts_and_empty_ones_count() -> None:
    first, second = find_hunks(BOTH)
    assert (first.ours, first.base, first.theirs) == (("ours",), ("base",), ("theirs",))
    assert (second.ours, second.base, second.theirs) == ((), ("two", "lines"), ("=======x",))
    assert (first.start, first.end, second.start, second.end) == (1, 8, 9, 16)


def test_each_choice_is_found_by_its_text() -> None:
    assert choices(BOTH, with_texts(["ours"], [])) == (HunkChoice.INTEGRATED, HunkChoice.INTEGRATED)
    assert choices(BOTH, with_texts(["theirs"], ["=======x"])) == (HunkChoice.TASK, HunkChoice.TASK)
    assert choices(BOTH, with_texts(["base"], ["two", "lines"])) == (HunkChoice.BASE, HunkChoice.BASE)
    assert choices(BOTH, with_texts(["ours", "theirs"], ["new"])) == (HunkChoice.COMBINED, HunkChoice.COMBINED)


def test_a_hunk_whose_surroundings_changed_is_combined_and_the_other_is_still_found() -> None:
    changed = ["HEAD", "ours", "middle", "two", "lines", "tail", "more"]
    assert choices(BOTH, changed) == (HunkChoice.COMBINED, HunkChoice.BASE)


def test_a_line_of_a_side_that_equals_one_outside_does_not_confuse() -> None:
    lines = ["x", "<<<<<<< a", "x", "||||||| b", "y", "=======", "x", "x", ">>>>>>> c", "x"]
    assert choices(lines, ["x", "x", "x"]) == (HunkChoice.INTEGRATED,)
    assert choices(lines, ["x", "x", "x", "x"]) == (HunkChoice.TASK,)


def test_a_file_that_was_deleted_or_is_very_long_and_changed_is_combined() -> None:
    assert choices(BOTH, []) == (HunkChoice.COMBINED, HunkChoice.COMBINED)
    long = [*BOTH, *map(str, range(6000))]
    assert choices(long, ["other", *long]) == (HunkChoice.COMBINED, HunkChoice.COMBINED)


def test_a_very_long_file_with_one_resolved_hunk_is_still_compared() -> None:
    more = [*map(str, range(6000))]
    assert choices([*BOTH, *more], [*with_texts(["ours"], ["two", "lines"]), *more]) == (
        HunkChoice.INTEGRATED, HunkChoice.BASE,
    )  # fmt: skip


def test_markers_are_told_from_text_that_looks_like_them() -> None:
    text = ["<<<<<<< x", "<<<<<<<x", "========", "=======", "======= x", ">>>>>>>\r", " >>>>>>> y", "||||||| z"]
    assert marker_lines(text) == ["<<<<<<< x", "=======", ">>>>>>>\r", "||||||| z"]


_LINE = st.sampled_from(["a", "b", "", "=======", "<<<<<<< m", ">>>>>>> m", "||||||| m", "<<<<<<<"])


@given(st.lists(_LINE, max_size=30), st.lists(_LINE, max_size=20))
def test_any_text_is_read(conflicted: list[str], resolved: list[str]) -> None:
    hunks = find_hunks(conflicted)
    assert len(choices(conflicted, resolved)) == len(hunks)
    assert all(a.end <= b.start for a, b in pairwise(hunks))


@given(st.lists(st.tuples(st.lists(st.text("xyz", min_size=1, max_size=2), max_size=3), st.booleans()), max_size=4))
def test_taking_a_side_everywhere_is_told_as_that_side(parts: list[tuple[list[str], bool]]) -> None:
    conflicted, ours = ["start"], ["start"]
    for number, (lines, _) in enumerate(parts):
        mine = [f"ours {number}", *lines]
        conflicted += ["<<<<<<< a", *mine, "||||||| b", "=======", *lines, ">>>>>>> c", f"between {number}"]
        ours += [*mine, f"between {number}"]
    assert choices(conflicted, ours) == (HunkChoice.INTEGRATED,) * len(parts)
