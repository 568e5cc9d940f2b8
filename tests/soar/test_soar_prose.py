"""Prose inside code is found with the line that it stands on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_soar.evidence.code_prose import docstring, sentences

PYTHON = '''@decorated
def tick(self):
    """Run one iteration of the scheduler.

    Executes one due task per call. The
    delay is returned.
    """
    # Peek at the heap first.
    x = 1  # trailing remarks are not sentences of their own
    # noqa: this is for tools
    return x
'''

GO = """// Next picks the task that runs next.
// Ties are broken by priority.
func Next() *Task {
	/* The heap is never empty here. */
	return heap.Pop()
}
"""

MARKDOWN = """# Title

The scheduler picks the next task. It never sleeps
longer than needed.

- Every tick looks at the heap.

```python
This is code. Not prose at all.
```
"""


def test_python_docstrings_and_comments_are_read_with_their_lines() -> None:
    found = [(s.line, s.text) for s in sentences(PYTHON, "beat.py")]
    assert found == [
        (2, "Run one iteration of the scheduler."),
        (4, "Executes one due task per call."),
        (4, "The delay is returned."),
        (7, "Peek at the heap first."),
    ]


def test_c_like_comments_are_read() -> None:
    found = [(s.line, s.text) for s in sentences(GO, "next.go")]
    assert found == [
        (0, "Next picks the task that runs next."),
        (1, "Ties are broken by priority."),
        (3, "The heap is never empty here."),
    ]


def test_markdown_leaves_headings_and_code_out() -> None:
    found = [(s.line, s.text) for s in sentences(MARKDOWN, "guide.md")]
    assert found == [
        (2, "The scheduler picks the next task."),
        (2, "It never sleeps longer than needed."),
        (5, "Every tick looks at the heap."),
    ]


def test_the_first_sentence_documents_a_definition() -> None:
    assert docstring(PYTHON, "beat.py") == "Run one iteration of the scheduler."
    assert docstring(GO, "next.go") == "Next picks the task that runs next."


def test_a_comment_in_a_body_does_not_document_the_definition() -> None:
    assert docstring("func f() {\n\t// only for the inside of it\n}\n", "f.go") == ""
    assert docstring("def f():\n    # only for the inside of it\n    return 1\n", "f.py") == ""


@given(st.text(max_size=500), st.sampled_from(["a.py", "a.md", "a.rs", "a.txt", "noext"]))
def test_any_text_gives_sentences_on_lines_that_exist(text: str, file: str) -> None:
    count = len(text.splitlines())
    for sentence in sentences(text, file):
        assert 0 <= sentence.line < count
        assert sentence.text.strip() == sentence.text


def test_a_string_that_documents_an_attribute_is_no_docstring_of_its_function() -> None:
    code = 'def f(self):\n    self.x = 1\n    """What x is."""\n'
    assert docstring(code, "a.py") == ""
    assert (
        docstring('def f(\n    a,\n) -> int:  # why\n    # a note\n    """What f does."""\n', "a.py")
        == "What f does."
    )
    assert docstring('"""What this module is good for."""\nx = 1\n', "a.py") == "What this module is good for."


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("a.go", "// Package till counts coins.\npackage till\n", ["Package till counts coins."]),
        ("a.rs", "/// Counts the coins.\nfn count() {}\n", ["Counts the coins."]),
        ("a.js", "/**\n * Counts the coins.\n * @param {number} n\n */\n", ["Counts the coins."]),
        ("a.c", "/* Counts the\n   coins. */ int n;\n", ["Counts the coins."]),
        ("a.py", "# type: ignore\n# Counts the coins.\n", ["Counts the coins."]),
        ("a.py", '"""Counts the coins.\n\n>>> count()\n"""\n', ["Counts the coins."]),
        ("a.py", "'''Counts the coins.'''\n", ["Counts the coins."]),
        ("a.py", 'r"""Counts the coins."""\n', ["Counts the coins."]),
        ("a.py", "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n", []),
        ("a.py", "#########\n# Too short.\n", []),
        ("a.md", "| Counts the | coins. |\n\n    Counts in code.\n\nCounts the coins.\n", ["Counts the coins."]),
        ("a.md", "~~~\nCounts in a fence.\n~~~\nCounts the coins.\n", ["Counts the coins."]),
        ("a.md", "- Counts the coins.\n- Counts the notes.\n", ["Counts the coins.", "Counts the notes."]),
        (
            "a.md",
            "- [ ] Count the notes\n  - and the small coins\n\n  too.\n\nCounts the coins.\n",
            ["Counts the coins."],
        ),
        (
            "a.md",
            "1. [-] Count the notes\n- [ ]* Count the cents\n- [1] Counts the coins.\n",
            ["[1] Counts the coins."],
        ),
    ],
)
def test_prose_is_told_from_code_in_each_language(file: str, text: str, found: list[str]) -> None:
    assert [sentence.text for sentence in sentences(text, file)] == found


def test_a_sentence_longer_than_anybody_writes_is_left_out() -> None:
    assert sentences(f"# {'very ' * 200}long. A short sentence follows.\n", "a.py")[-1].text == (
        "A short sentence follows."
    )
    assert all(len(each.text) <= 400 for each in sentences(f"# {'very ' * 200}long.\n", "a.py"))


def test_a_sentence_over_lines_starts_on_the_line_of_its_first_word() -> None:
    text = "# The first one ends here. The second\n# goes on below.\n#\n# After a blank line\n# comes a third.\n"
    assert [(each.line, each.text) for each in sentences(text, "a.py")] == [
        (0, "The first one ends here."),
        (0, "The second goes on below."),
        (3, "After a blank line comes a third."),
    ]
