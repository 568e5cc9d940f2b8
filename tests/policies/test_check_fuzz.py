"""Whatever a command is, the answer is a result, and it comes soon."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exhaustive import few
from tests.fuzz.bounded import bounded
from tests.policies.commands import ask
from tests.policies.fuzzed_commands import GLUE, fuzzed

from aurora_policies.check import ANALYSIS_FAILED

PIECES = st.sampled_from(
    [*GLUE, "rm", "-rf", "/", "x", "$X", "git push", "psql -c", "${", "[[", "((", "EOF", "*", "~", "="]
)


def check_answered(command: str) -> None:
    found = ask(command)
    assert found.action in {"allow", "prompt", "deny"}
    assert ANALYSIS_FAILED not in found.reason, command


@pytest.mark.parametrize("seed", range(3))
def test_fuzzed_commands_are_answered(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        for command in fuzzed(seed, 300):
            check_answered(command)
    assert caplog.records == []


def test_a_hundred_thousand_fuzzed_commands_are_answered(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        for command in fuzzed(seed=3, count=100_000):
            check_answered(command)
    assert caplog.records == []


@given(st.text(max_size=80) | st.lists(PIECES, max_size=25).map("".join))
def test_any_text_is_answered(command: str) -> None:
    check_answered(command)


LARGE = {
    "1 MB": "echo " + "a" * 1_000_000,
    "deep parentheses": "(" * 5000 + "ls" + ")" * 5000,
    "deep substitutions": "$(" * 500 + "ls" + ")" * 500,
    "10,000 pipes": "|".join(["cat"] * 10_000),
    "loops in loops": "for a in 1 2 3 4 5 6; do " * 12 + "rm $a;" + " done;" * 12,
    "functions that double": "".join(f"f{i}() {{ f{i + 1}; f{i + 1}; }};" for i in range(30)) + "f30() { ls; }; f0",
    "wrappers": "sudo " * 2000 + "ls",
    "many files": "touch " + " ".join(map(str, range(5000))),
    "many redirections": " ".join(f">>{number}" for number in range(5000)),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_is_a_prompt(name: str) -> None:
    assert ask(LARGE[name]).action == "prompt"


PUMPED = {
    "a test of variables": "[[ '" + "-v [" * 8_000 + "' = x ]]",
    "a command that tests variables": "test '" + "-v [" * 60_000 + "'",
    "an arithmetic": "let '" + "a[" * 100_000 + "'",
    "a program that opens files": "node -e '" + "open(," * 40_000 + "'",
    "a program that loads modules": "node -e 'require" + " " * 200_000 + "'",
    "a program with a text that does not end": "node -e '\"" + '\\"' * 100_000 + "'",
    "Perl that opens files": "perl -e '" + "open " * 40_000 + "'",
    "Ruby that opens files": "ruby -e '" + "open " * 40_000 + "'",
    "Ruby that prints": "ruby -e 'puts" + " " * 200_000 + "'",
    "awk that prints": "awk '" + "print " * 40_000 + "'",
    "Perl with a pattern that does not end": "perl -e '=" + r"\/" * 100_000 + "'",
    "sed with much white space": "sed '," + " " * 200_000 + "'",
    "sed with many lines": "sed '" + "\n" * 200_000 + "'",
    "a program with a long number": "1" * 200_000 + "x",
    "a forge that is asked": "gh " + "api " * 40_000,
    "SQL with comments that do not end": "sqlite3 a.db '" + "/* " * 40_000 + "'",
}


@pytest.mark.parametrize("name", few(PUMPED, 5))
def test_a_command_takes_time_in_proportion_to_its_length(name: str) -> None:
    bounded(check_answered, PUMPED[name])


def test_what_is_large_and_plain_is_allowed() -> None:
    assert ask("&&".join(["ls"] * 500)).action == "allow"
    assert ask("cat <<'EOF' > a.md\n" + "never rm -rf / here\n" * 8000 + "EOF").action == "allow"


def test_a_variable_that_grows_without_end_takes_no_memory() -> None:
    assert ask("a=xxxxxxxxxx;" + "a=$a$a;" * 60 + "echo $a").action == "allow"


_AT_ONCE = """
import threading
from aurora_policies.shell.parse import parse
text = "echo one two three | cat\\n" * 400
begin = threading.Barrier(4)
def read():
    begin.wait()
    for _ in range(100):
        assert parse(text).child_count >= 400
threads = [threading.Thread(target=read) for _ in range(4)]
[each.start() for each in threads]
[each.join() for each in threads]
"""


def test_commands_are_read_in_several_threads_at_once() -> None:
    """In a process of its own: two threads in one parser end it with a segmentation fault."""
    subprocess.run([sys.executable, "-c", _AT_ONCE], check=True, timeout=100)
