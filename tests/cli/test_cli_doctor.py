"""`aur doctor` finds what is wrong, goes on past it, and says what to do."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from aurora_cli.exits import ExitCode

Aur = Callable[..., CompletedProcess[str]]


def findings(outcome: CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in json.loads(outcome.stdout)["findings"]}


def test_a_sound_project_is_all_ok(aur: Aur, shop: Path) -> None:
    aur("init")
    outcome = aur("doctor")
    assert outcome.returncode == ExitCode.DONE
    assert all(line.startswith("ok") for line in outcome.stdout.splitlines())
    found = findings(aur("doctor", "--json"))
    assert list(found) == [
        "python", "packages", "machine", "sandbox", "git", "providers", "project", "folder", "config", "agents",
        "policies", "gates", "interact", "memory", "journal",
    ]  # fmt: skip
    assert found["memory"]["says"].startswith("4 files in ")
    assert found["interact"]["says"].endswith("the extra `acp` is installed")


def test_no_project_is_a_warning_with_the_way_out(aur: Aur, shop: Path) -> None:
    outcome = aur("doctor")
    assert outcome.returncode == ExitCode.DONE
    assert "warn  project" in outcome.stdout
    assert "→ run `aur init` in its folder" in outcome.stdout
    assert not (shop / ".aurora").exists()


def test_an_unindexed_project_is_a_warning_and_stays_so(aur: Aur, shop: Path) -> None:
    aur("init", "--no-index")
    assert findings(aur("doctor", "--json"))["memory"]["level"] == "warn"
    assert not (shop / ".aurora" / "memory.db").exists()


@pytest.mark.parametrize(
    ("check", "file", "content"),
    [
        ("config", "config.yaml", b"tool: [\n"),
        ("policies", "policies.yaml", b"budget: {monthly: 1}\n"),
        ("memory", "memory.db", b"not a database, whatever its name says " * 200),
    ],
)
def test_a_broken_file_fails_and_the_other_checks_go_on(
    aur: Aur, shop: Path, check: str, file: str, content: bytes
) -> None:
    aur("init", "--no-index")
    (shop / ".aurora" / file).write_bytes(content)
    outcome = aur("doctor", "--json")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    found = findings(outcome)
    assert found[check]["level"] == "fail"
    assert file in found[check]["says"]
    assert found[check]["advice"]
    assert {"python", "folder", "policies", "memory", "journal"} <= set(found)


def test_a_machine_without_git_is_told_so(aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(shop))
    finding = findings(aur("doctor", "--json"))["git"]
    assert finding["level"] == "warn"
    assert "install git" in finding["advice"]
