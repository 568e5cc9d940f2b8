"""Added lines are read for what they would run later, whatever is in them, and within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples
from tests.fuzz.bounded import bounded

from aurora_policies import Policies
from aurora_policies.edits.commands import commands_in
from aurora_policies.edits.judgement import Objection, added_lines

FILES = ("a.py", "a.yml", "Makefile", "crontab", "package.json", ".github/workflows/a.yml", "a.sh", "a.js", "x.md")


def objections(path: str, line: str) -> list[Objection]:
    return list(added_lines(path, ((1, line),), Policies()))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a.py", 'run("' + "\\" * 60),
        ("a.py", "run" + " " * 60_000 + "x"),
        ("server.js", "spawn(" + " " * 60_000 + "x"),
        ("a.yml", " " * 200_000 + "x"),
        ("a.yml", "run" + " " * 200_000),
        ("package.json", '"a' + '\\"' * 60_000),
        (".github/workflows/a.yml", "run: " + "${{ " * 60_000),
        ("crontab", "* " * 60_000),
    ],
    ids=lambda each: each[:24].strip(),
)
def test_no_line_keeps_the_gate_at_work(path: str, line: str) -> None:
    bounded(objections, path, line)


@settings(max_examples=examples(200))
@given(st.sampled_from(FILES), st.text(alphabet="run(\"'\\ \t$;:{}[]-|&rmf~/* eéx\0", max_size=80))
def test_no_line_breaks_the_reader(path: str, line: str) -> None:
    objections(path, line)


@pytest.mark.parametrize(
    ("path", "line", "command"),
    [
        ("a.py", "subprocess.run(  [  'rm',   '-rf', '/' ] )", "rm -rf /"),
        ("a.py", r'os.system("echo \"a\" && rm x")', r"echo \"a\" && rm x"),
        ("Makefile", "\t@rm -rf   /", "rm -rf /"),
        (".github/workflows/a.yml", "  - run: echo ${{ a }} ${{ secrets.T }}", "echo value $(cat .env)"),
    ],
)
def test_the_command_of_a_line_is_found(path: str, line: str, command: str) -> None:
    assert [text for _, text in commands_in(path, ((1, line),))] == [command]
