"""Each check finds its own trouble and says what to do about it."""

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

import pytest

from aurora_core import Memory, Project
from aurora_soar.doctor import checks
from aurora_soar.doctor.checks import CheckResult, Level, run_checks
from aurora_spawner.rate_limits.gate import utc_time
from aurora_spawner.rate_limits.gate_store import ProviderStore, default_state_dir
from aurora_spawner.tasks.usage_windows import UsageWindow

Aur = Callable[..., CompletedProcess[str]]


def found(start: Path, check: str) -> CheckResult:
    return next(result for result in run_checks(start, {"AURORA_TRUST": "1"}) if result.check == check)


def test_every_check_is_made_in_a_project_and_each_once(shop: Path) -> None:
    Project.init(shop)
    names = [result.check for result in run_checks(shop, {})]
    assert names == [
        "python", "packages", "machine", "sandbox", "git", "providers", "project", "folder", "config", "agents",
        "policies", "gates", "interact", "memory", "journal",
    ]  # fmt: skip


def test_without_a_project_its_files_are_not_looked_for(shop: Path) -> None:
    names = [result.check for result in run_checks(shop, {})]
    assert names == ["python", "packages", "machine", "sandbox", "git", "providers", "project", "folder"]


def test_providers_that_are_paused_or_stopped_are_named_with_the_file(shop: Path) -> None:
    assert found(shop, "providers").level is Level.OK
    assert not (default_state_dir() / "providers.db").exists(), "looking leaves nothing behind"
    with ProviderStore(default_state_dir()) as store:
        store.limited("slow", began=time.time(), retry_after_s=1e12, reason="429 Too Many Requests")
        store.limited("over", began=time.time(), retry_after_s=0.0, reason="429")
        store.refused("shut", reason="provider shut refuses")
    result = found(shop, "providers")
    assert result.level is Level.WARN
    assert result.message.startswith("shut is stopped: provider shut refuses; slow is paused until ")
    assert result.message.endswith(" UTC: 429 Too Many Requests")
    assert str(default_state_dir() / "providers.db") in result.advice


def test_a_usage_window_is_told_by_doctor_and_status_until_when_and_why(shop: Path, aur: Aur) -> None:
    Project.init(shop)
    window = UsageWindow(name="weekly", used_percent=97.0, resets_at=time.time() + 2 * 86_400)
    with ProviderStore(default_state_dir()) as store:
        store.report_windows("anthropic", [window], threshold=95.0)
        until = utc_time(store.gate("anthropic").until, time.time())
    says = f"anthropic is paused until {until}: weekly usage limit; 97 % used"
    assert found(shop, "providers").message == says
    assert f"provider {says}" in aur("status").stdout
    (told,) = json.loads(aur("status", "--json").stdout)["providers"]
    assert (told["provider"], told["state"], told["window"]) == ("anthropic", "paused", "weekly usage limit")


def test_a_gate_that_cannot_be_read_is_told(shop: Path) -> None:
    with ProviderStore(default_state_dir()) as store:
        store.refused("shut", reason="provider shut refuses")
    with closing(sqlite3.connect(default_state_dir() / "providers.db")) as connection, connection:
        connection.execute("UPDATE gates SET gate = '[]'")
    result = found(shop, "providers")
    assert result.level is Level.WARN
    assert "cannot be read" in result.message


def test_a_file_of_providers_that_cannot_be_read_is_named(shop: Path) -> None:
    default_state_dir().mkdir(parents=True, exist_ok=True)
    (default_state_dir() / "providers.db").write_text("certainly no database" * 100)
    result = found(shop, "providers")
    assert result.level is Level.WARN
    assert "providers.db" in result.message


def test_whatever_is_not_ok_comes_with_advice(shop: Path) -> None:
    Project.init(shop)
    (shop / ".aurora" / "config.yaml").write_text("tol: x\n", encoding="utf-8")
    for result in run_checks(shop, {}):
        assert (result.level is Level.OK) == (not result.advice)


def test_a_missing_package_is_named(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PACKAGES", ("aurora-aur", "aurora-that-is-not-there"))
    result = found(shop, "packages")
    assert result.level is Level.FAIL
    assert "aurora-that-is-not-there missing" in result.message


def test_packages_of_different_versions_do_not_belong_together(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PACKAGES", ("aurora-aur", "click"))
    result = found(shop, "packages")
    assert result.level is Level.FAIL
    assert "one version of all" in result.advice


def test_an_old_python_fails(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "OLDEST_PYTHON", (99, 0))
    assert found(shop, "python").level is Level.FAIL


def test_a_git_that_fails_is_a_warning(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "bin").mkdir()
    fake = shop / "bin" / "git"
    fake.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shop / 'bin'}:{os.environ['PATH']}")
    assert found(shop, "git").level is Level.WARN


class Usage(NamedTuple):
    """What `shutil.disk_usage` returns."""

    total: int
    used: int
    free: int


def test_a_disk_that_is_nearly_full_is_a_warning(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9 - 10**8, 10**8))
    result = found(shop, "folder")
    assert result.level is Level.WARN
    assert "100 MB free" in result.message


def test_a_folder_that_cannot_be_written_fails(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert found(shop, "folder").level is Level.FAIL


def test_defaults_are_called_defaults(shop: Path) -> None:
    Project.init(shop)
    assert "defaults" in found(shop, "config").message
    assert "defaults" in found(shop, "policies").message


def test_a_variable_that_makes_no_sense_fails_the_configuration(shop: Path) -> None:
    Project.init(shop)
    environ = {"AURORA_SPAWNER_MAX_CONCURRENT": "many"}
    result = next(result for result in run_checks(shop, environ) if result.check == "config")
    assert result.level is Level.FAIL
    assert "AURORA_SPAWNER_MAX_CONCURRENT" in result.message


def test_an_indexed_memory_is_counted(shop: Path) -> None:
    Project.init(shop)
    assert found(shop, "memory").level is Level.WARN
    with Memory.open(shop) as memory:
        memory.index()
    result = found(shop, "memory")
    assert result.level is Level.OK
    assert result.message.startswith("4 files in ")


def test_a_damaged_page_of_the_memory_fails(shop: Path) -> None:
    Project.init(shop)
    with Memory.open(shop) as memory:
        memory.index()
    database = shop / ".aurora" / "memory.db"
    content = bytearray(database.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 64] = b"\xff" * 64
    for file in database.parent.glob("memory.db-*"):
        file.unlink()
    database.write_bytes(content)
    result = found(shop, "memory")
    assert result.level is Level.FAIL
    assert "memory.db" in result.message


def test_agents_whose_program_is_missing_are_named(shop: Path) -> None:
    Project.init(shop)
    (shop / "tool.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (shop / "tool.sh").chmod(0o755)
    config = "backends:\n" + "".join(
        f'  {name}: {{kind: command, command: ["{program}"]}}\n'
        for name, program in {
            "here": "./tool.sh",
            "path": "sh",
            "gone": "no-such-program",
            "away": "./gone.sh",
        }.items()
    )
    (shop / ".aurora" / "config.yaml").write_text(config, encoding="utf-8")
    result = found(shop, "agents")
    assert result.level is Level.WARN
    assert result.message == "program not found for: gone, away"


def test_a_known_cli_is_looked_for_by_its_program_and_on_the_path_that_it_gets(shop: Path) -> None:
    project = Project.init(shop)
    for name in ("bin/codex", "agent"):
        (shop / name).parent.mkdir(exist_ok=True)
        (shop / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (shop / name).chmod(0o755)
    config = f"""\
backends:
  mine: {{kind: codex, env: {{PATH: "{shop}/bin"}}}}
  claude: {{kind: claude}}
  own: {{kind: gemini, command: [./agent]}}
  model: {{kind: model, model: gpt-5}}
"""
    project.config_file.write_text(config, encoding="utf-8")
    result = found(shop, "agents")
    assert result.message == "program not found for: claude"


def test_agents_are_not_looked_for_in_a_configuration_that_makes_no_sense(shop: Path) -> None:
    Project.init(shop)
    (shop / ".aurora" / "config.yaml").write_text("[", encoding="utf-8")
    assert "agents" not in [result.check for result in run_checks(shop, {})]


def test_an_unknown_kind_of_agent_fails(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project.init(shop)
    project.config_file.write_text("backends:\n  a: {kind: claud}\n")
    (finding,) = [each for each in run_checks(shop, {"AURORA_TRUST": "1"}) if each.check == "config"]
    assert finding.level is Level.FAIL
    assert "backends.a.kind: there is no 'claud'; did you mean claude?" in finding.message


def test_a_journal_that_is_none_fails(shop: Path) -> None:
    Project.init(shop)
    (shop / ".aurora" / "runs.db").write_bytes(b"no journal, whatever its name says " * 200)
    result = found(shop, "journal")
    assert result.level is Level.FAIL
    assert "runs.db" in result.message


@pytest.mark.parametrize(
    ("check", "part"), [("journal", "audit_journal"), ("memory", "Memory"), ("policies", "PoliciesEngine")]
)
def test_a_check_that_cannot_be_made_is_a_failure_and_not_the_end(
    shop: Path, monkeypatch: pytest.MonkeyPatch, check: str, part: str
) -> None:
    class Locked:
        def __call__(self, *_: object) -> object:
            raise PermissionError(13, "Permission denied", str(shop / ".aurora"))

        open = load = __call__

    Project.init(shop)
    with Memory.open(shop) as memory:
        memory.index()
    monkeypatch.setattr(checks, part, Locked())
    results = {result.check: result for result in run_checks(shop, {})}
    assert results[check].level is Level.FAIL
    assert "Permission denied" in results[check].message
    assert list(results)[-1] == "journal"
