"""Comments on the lines of a patch: each has the place that it is about, and nothing else may be changed."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_spawner.control.comment_file import CommentFileError, LineComment, comment_file, read_comments

DIFF = """\
diff --git a/app.py b/app.py
index 1..2 100644
--- a/app.py
+++ b/app.py
@@ -1,3 +1,4 @@ def f():
 one
-two
+zwei
+--- dashes
 three
@@ -20 +20 @@
-old
+new
\\ No newline at end of file
diff --git a/gone.py b/gone.py
--- a/gone.py
+++ /dev/null
@@ -1,2 +0,0 @@
-first
-second
diff --git a/was.py b/is.py
similarity index 100%
rename from was.py
rename to is.py
"""
FILE = comment_file(DIFF, run_id="run-1", task_id="1.2")


def commented(*below: tuple[str, str]) -> list[LineComment]:
    """Return what is read of comments, each below the first line that begins with a text."""
    lines = FILE.split("\n")
    for start, comment in below:
        at = next(number for number, line in enumerate(lines) if line.startswith(start))
        lines[at + 1 : at + 1] = comment.split("\n")
    return read_comments("\n".join(lines), FILE)


@pytest.mark.parametrize(("line", "file", "number", "text", "removed"), [
    (" one", "app.py", 1, "one", False),
    ("-two", "app.py", 2, "two", True),
    ("+zwei", "app.py", 2, "zwei", False),
    ("+--- dashes", "app.py", 3, "--- dashes", False),
    (" three", "app.py", 4, "three", False),
    ("-old", "app.py", 20, "old", True),
    ("+new", "app.py", 20, "new", False),
    ("\\ No", "app.py", None, "", False),
    ("@@ -1,3", "app.py", None, "", False),
    ("diff --git a/app", "app.py", None, "", False),
    ("-second", "gone.py", 2, "second", True),
    ("+++ /dev/null", "gone.py", None, "", False),
    ("rename to", "is.py", None, "", False),
    ("# A comment", None, None, "", False),
])  # fmt: skip
def test_a_comment_is_about_the_line_above_it(
    line: str, file: str | None, number: int | None, text: str, removed: bool
) -> None:
    expected = LineComment(comment="why?", file=file, line=number, text=text, removed=removed)
    assert commented((line, "> why?")) == [expected]


def test_lines_in_a_row_are_one_comment_and_places_have_several() -> None:
    found = commented(("+zwei", "> not so\n>\n>  at all"), ("+new", ">no"))
    assert [each.comment for each in found] == ["not so\n\n at all", "no"]
    assert str(found[0]) == "app.py:2:\n    zwei\nnot so\n\n at all"


def test_the_file_as_it_was_and_empty_comments_are_no_comments() -> None:
    assert read_comments(FILE, FILE) == []
    assert read_comments("\n".join(line.rstrip() for line in FILE.split("\n")) + "\n\n", FILE) == []
    assert commented(("+zwei", ">\n> ")) == []
    assert read_comments("> all of it is fine\n" + FILE, FILE)[0].file is None


@pytest.mark.parametrize(("old", "new", "named"), [
    ("+zwei\n", "+drei\n", "'+drei', in place of '+zwei'"),
    ("+zwei\n", "", "'+--- dashes', in place of '+zwei'"),
    ("+zwei\n", "+zwei\nwhy?\n", "'why?', in place of '+--- dashes'"),
    ("rename to is.py\n", "", "the end of the file, in place of 'rename to is.py'"),
    ("rename to is.py\n", "rename to is.py\n# no\n", "'# no', in place of the end of the file"),
    ("# A comment", "# My comment", "# My comment"),
])  # fmt: skip
def test_any_other_change_is_refused_with_its_line(old: str, new: str, named: str) -> None:
    with pytest.raises(CommentFileError) as caught:
        read_comments(FILE.replace(old, new, 1), FILE)
    assert named in str(caught.value)
    assert str(caught.value).startswith("line ")


def test_a_carriage_return_ends_no_line() -> None:
    diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1,2 @@\n+a\rb\n+crlf\r\n"
    original = comment_file(diff, run_id="r", task_id="t")
    (found,) = read_comments(original.replace("+crlf", "> why?\n+crlf"), original)
    assert (found.line, found.text) == (1, "a\rb")


def test_an_emptied_file_is_refused() -> None:
    with pytest.raises(CommentFileError):
        read_comments("", FILE)


@pytest.mark.parametrize("name", ["plain.txt", "with space.txt", 'qu"ote\ttab.txt', "grüße.txt", "back\\slash"])
def test_names_are_those_of_git(tmp_path: Path, name: str) -> None:
    git = ("git", "-c", "core.quotePath=false", "-c", "user.name=a", "-c", "user.email=b")
    subprocess.run(("git", "init", "-q"), cwd=tmp_path, check=True)
    (tmp_path / name).write_text("text\n")
    subprocess.run(("git", "add", "-A"), cwd=tmp_path, check=True)
    subprocess.run((*git, "commit", "-qm", "x"), cwd=tmp_path, check=True)
    shown = subprocess.run((*git, "show", "--format="), cwd=tmp_path, check=True, capture_output=True).stdout.decode()
    original = comment_file(shown, run_id="r", task_id="t")
    (found,) = read_comments(original.rstrip() + "\n> why?\n", original)
    assert (found.file, found.line, found.text) == (name, 1, "text")


@settings(max_examples=examples(60))
@given(st.text(), st.text())
def test_any_file_is_read_or_refused(diff: str, more: str) -> None:
    original = comment_file(diff, run_id="r", task_id="t")
    for text in (original, original + more, more):
        try:
            read_comments(text, original)
        except CommentFileError:
            assert text != original
