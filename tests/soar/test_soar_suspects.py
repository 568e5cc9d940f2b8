"""Suspects of a question about what goes wrong: what is not released, and what was changed lately."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_soar import Aurora
from aurora_soar.evidence.citations import CitationChecker
from aurora_soar.evidence.evidence import Aspect, Finding, FindingKind, LocalRequest
from aurora_soar.local_agent.extract import extract
from aurora_soar.local_agent.lookup import answer_directly

if TYPE_CHECKING:
    from pathlib import Path

DEFINITION = 'def read_prices(path, pool):\n    """Reads the prices."""\n'
LEAKS = {
    "a file": "    file = open(path)\n    text = file.read()\n    print(text)\n",
    "a socket": "    line = await socket.create_connection(path)\n    line.send(b'')\n",
    "a lock": "    pool.acquire()\n    print(path)\n",
}
KEPT = {
    "closed": "    file = open(path)\n    file.close()\n",
    "with": "    with open(path) as file:\n        print(file.read())\n",
    "returned": "    file = open(path)\n    return file\n",
    "given to a call": "    file = open(path)\n    pool.add(file)\n",
    "kept by an object": "    file = open(path)\n    pool.file = file\n",
    "released": "    pool.acquire()\n    try:\n        print(path)\n    finally:\n        pool.release()\n",
    "released whatever raises": (
        "    pool.acquire()\n    try:\n        raise OSError(path)\n    finally:\n        pool.release()\n"
    ),
    "another word": "    opened = reopen(path)\n    print(opened.text)\n",
}


def looked_for(root: Path, kind: FindingKind) -> list[Finding]:
    with Memory.open(root) as memory:
        memory.index()
        question = "Why does read_prices leak when prices are read?"
        found = extract(memory, LocalRequest(question=question, aspect=Aspect.ERRORS, focus="read prices")).findings
    assert CitationChecker(root).sound(found) == list(found)
    return [each for each in found if each.kind is kind]


def suspects(root: Path, body: str, *, definition: str = DEFINITION) -> list[tuple[int, str]]:
    (root / "prices.py").write_text(definition + body)
    return [(each.line, each.text) for each in looked_for(root, FindingKind.UNRELEASED)]


def commit(root: Path, subject: str, *, at: str = "") -> None:
    """Commits everything, now or at another time."""
    dates = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at} if at else {}
    who = ("-c", "user.name=Tess", "-c", "user.email=tess@example.invalid")
    for command in (("init", "-q"), ("add", "prices.py"), (*who, "commit", "-qm", subject)):
        subprocess.run(["git", *command], cwd=root, check=True, env=os.environ | dates)


@pytest.mark.parametrize("name", LEAKS)
def test_what_is_not_released_is_a_suspect(tmp_path: Path, name: str) -> None:
    assert suspects(tmp_path, LEAKS[name]) == [(3, LEAKS[name].split("\n")[0].strip())]


@pytest.mark.parametrize("name", KEPT)
def test_what_is_released_or_handed_on_is_none(tmp_path: Path, name: str) -> None:
    assert suspects(tmp_path, KEPT[name]) == []


def test_who_acquires_for_its_caller_is_none(tmp_path: Path) -> None:
    definition = 'def acquire_prices(path, pool):\n    """Holds what is needed to read prices."""\n'
    assert suspects(tmp_path, LEAKS["a lock"], definition=definition) == []


def test_the_answer_says_why_a_line_is_a_suspect(tmp_path: Path) -> None:
    (tmp_path / "prices.py").write_text(DEFINITION + LEAKS["a file"])
    with Aurora.open(tmp_path) as aurora:
        answer = aurora.ask("Why does read_prices leak files?").answer
    assert "`read_prices` does not release this: `file = open(path)` (`prices.py:3`)" in answer


def test_a_commit_of_the_last_weeks_is_a_suspect_and_an_old_one_is_none(tmp_path: Path) -> None:
    (tmp_path / "prices.py").write_text(DEFINITION + KEPT["closed"])
    assert looked_for(tmp_path, FindingKind.CHANGE) == [], "outside git"
    commit(tmp_path, "Add prices", at="2020-02-02T02:02:02")
    assert looked_for(tmp_path, FindingKind.CHANGE) == [], "it is old"
    (tmp_path / "prices.py").write_text(DEFINITION + LEAKS["a file"])
    commit(tmp_path, "Read \x1b[31mfaster")
    (found,) = looked_for(tmp_path, FindingKind.CHANGE)
    day, _, rest = found.text.partition(" ")
    assert (day, rest[7:]) == (f"{datetime.now(UTC):%Y-%m-%d}", ": Read [31mfaster")
    assert (found.about, found.line) == ("prices.py", 1)
    with Aurora.open(tmp_path) as aurora:
        answer = aurora.ask("Why does read_prices leak files?").answer
    assert f"`prices.py` was changed lately: {found.text} (`prices.py:1`)" in answer


def test_who_asks_for_a_leak_is_led_to_what_releases(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "class Session:\n"
        "    def __init__(self):\n        self.pool = []\n\n"
        "    def leaking_words(self, connections):\n"
        '        """Strips words of connections to avoid leaking them in the session."""\n'
        "        return connections\n\n"
        '    def close(self):\n        """Closes all connections."""\n        for each in self.pool:\n'
        "            each.close()\n"
    )
    (tmp_path / "disk.py").write_text("class Disk:\n    def close(self):\n        pass\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        answer = answer_directly(memory, tmp_path, "Why would a session leak connections?").answer
    assert answer.startswith("Start at `Session.close` (`net.py:9`)")
    assert "Disk" not in answer
