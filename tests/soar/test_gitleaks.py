"""Gitleaks beside our own search: what it finds counts, its absence is silent, and its failure is a question.

The real program is on no package registry that we use; a stand-in takes its options and writes its report.
"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from aurora_policies import PoliciesEngine
from aurora_soar.taskruns import gitleaks
from aurora_soar.taskruns.diff_gate import PolicyDiffGate
from aurora_spawner.tasks.diff_gate import FileDiff, WorkDiff

STAND_IN = Path(__file__).with_name("stand_in_gitleaks.py")
PRIVATE = "-----BEGIN " + "RSA PRIVATE KEY-----"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of PATH that has gitleaks."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = shutil.copy(STAND_IN, folder / "stand_in.py")
    program = folder / "gitleaks"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{script}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def changed(path: str, *lines: str, first: int = 1, is_link: bool = False) -> FileDiff:
    added = tuple(enumerate(lines, first))
    return FileDiff(path=path, kind="A", lines=len(lines), added=added, is_link=is_link)


def judged(*files: FileDiff) -> list[tuple[str, str, str]]:
    diff = WorkDiff(task_id="1", agent="claude", planned=(), files=files)
    found = PolicyDiffGate(policies=PoliciesEngine.load(None)).judge(diff)
    assert not any(each.denied for each in found)
    return [(each.rule, each.reason, each.subject) for each in found]


FOUND = "adds what gitleaks takes for a secret (generic-api-key)"


@pytest.mark.usefixtures("installed")
def test_what_gitleaks_finds_counts_at_its_place_in_the_work() -> None:
    files = (changed("src/a.py", "x", "LEAK", first=40), changed("../other/b.py", "LEAK"), changed("c.py", "fine"))
    assert judged(*files) == [("secrets", FOUND, "src/a.py:41, ../other/b.py:1")]


@pytest.mark.usefixtures("installed")
def test_what_we_have_found_is_told_once() -> None:
    assert judged(changed("a.py", f"{PRIVATE} LEAK", "LEAK")) == [
        ("secrets", "adds a private key", "a.py:1"),
        ("secrets", FOUND, "a.py:2"),
    ]


@pytest.mark.usefixtures("installed")
def test_the_work_cannot_configure_the_search() -> None:
    files = (changed(".gitleaks.toml", "[allowlist]"), changed(".gitleaksignore", "x"), changed("a.py", "LEAK"))
    assert judged(*files) == [("secrets", FOUND, "a.py:1")]


@pytest.mark.parametrize(
    ("mark", "why"),
    [
        ("fail", "it ended with exit status 1: FTL Failed to load config: toml: line 3"),
        ("garbage", "its report cannot be read"),
        ("nothing", "it wrote no report"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_a_failure_is_a_question(mark: str, why: str) -> None:
    (found,) = judged(changed("a.py", f"LEAK {mark}"))
    assert found == (
        "undecidable",
        f"could not be searched by gitleaks, which is installed: {why}",
        "the added lines",
    )


def test_a_search_that_hangs_is_ended_with_all_that_it_has_started(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gitleaks, "LIMIT_S", 1.0)
    (found,) = judged(changed("a.py", "LEAK hang"))
    assert found[:2] == (
        "undecidable",
        "could not be searched by gitleaks, which is installed: it took longer than 1 s",
    )
    assert_ended(installed / "child")


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), KeyboardInterrupt()])
def test_a_search_that_cannot_be_watched_is_ended_with_all_that_it_has_started(
    installed: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    child = installed / "child"

    def look(*_: object) -> str:
        if child.exists() and child.read_text():
            raise error
        return ""

    monkeypatch.setattr(gitleaks, "_too_much", look)
    with suppress(KeyboardInterrupt):
        ((rule, reason, _subject),) = judged(changed("a.py", "LEAK hang"))
        assert (rule, reason.rpartition(": ")[2]) == ("undecidable", "Permission denied")
    assert_ended(child)


def assert_ended(child: Path) -> None:
    stat = Path("/proc", child.read_text(), "stat")
    end = time.monotonic() + 5
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z" and time.monotonic() < end:
        time.sleep(0.01)
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.usefixtures("installed")
def test_a_status_that_somebody_else_takes_is_a_question() -> None:
    handler = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        ((rule, reason, _subject),) = judged(changed("a.py", "LEAK"))
    finally:
        signal.signal(signal.SIGCHLD, handler)
    assert (rule, "status" in reason) == ("undecidable", True)


@pytest.mark.usefixtures("installed")
def test_a_search_that_floods_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitleaks, "REPORT_BYTES", 1 << 20)
    ((rule, reason, _subject),) = judged(changed("a.py", "LEAK flood"))
    assert (rule, reason.rpartition(": ")[2]) == ("undecidable", "it wrote more than 1 MB")


@pytest.mark.usefixtures("installed")
def test_of_much_that_gitleaks_prints_the_end_is_told() -> None:
    ((_rule, reason, _subject),) = judged(changed("a.py", "LEAK chatter"))
    assert reason.endswith("the end")
    assert len(reason) < 500


@pytest.mark.parametrize("what", ["absent", "not executable", "relative"])
def test_without_gitleaks_nothing_is_said(installed: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    program = installed / "gitleaks"
    match what:
        case "absent":
            program.unlink()
        case "not executable":
            program.chmod(0o644)
        case _:  # a folder of the work, perhaps, that stands in PATH
            monkeypatch.chdir(installed.parent)
            monkeypatch.setenv("PATH", "bin:/usr/bin:/bin")
    assert judged(changed("a.py", "LEAK")) == []


def test_gitleaks_is_not_started_for_work_without_lines(installed: Path) -> None:
    (installed / "gitleaks").write_text("#!/bin/sh\nexit 3\n")
    assert judged(changed("a.py"), changed("link", "c.py", is_link=True)) == []


def test_gitleaks_that_cannot_be_started_is_a_question(installed: Path) -> None:
    (installed / "gitleaks").write_text("#!/no/such/interpreter\n")
    ((rule, reason, _subject),) = judged(changed("a.py", "x"))
    assert rule == "undecidable"
    assert reason.endswith(": No such file or directory")
