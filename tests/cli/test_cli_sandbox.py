"""`--sandbox`, `sandbox:` and `limits:` of the policies: from the command line to real processes and the journal."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.finished_runs import Shed, writes
from tests.exhaustive import few
from tests.spawner.sandbox.mechanism import force

from aurora_cli.exits import ExitCode
from aurora_soar.taskruns import confinement
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

HOG = "a = []\nwhile True: a.append(b'x' * (2 << 20)); __import__('time').sleep(0.005)"


@pytest.fixture(scope="session")
def tmp_path_factory(factory_on_disk: pytest.TempPathFactory) -> pytest.TempPathFactory:
    """On disk, because a sandbox has a /dev of its own."""
    return factory_on_disk


@pytest.fixture(autouse=True)
def _probed_anew() -> Iterator[None]:
    """A process keeps what its probe has shown; these tests change the mechanism."""
    confinement.probed.cache_clear()
    yield
    confinement.probed.cache_clear()


@pytest.fixture
def yard(shop: Path) -> Path:
    """A project with an agent that writes in it and outside."""
    script = f"cat > /dev/null; echo in > inside.txt; echo out > {shop.parent}/outside.txt; echo done"
    (shop / ".aurora").mkdir()
    (shop / ".aurora/config.yaml").write_text(
        "tool: writer\nbackends:\n"
        f"  writer: {{kind: command, command: [sh, -c, {json.dumps(script)}]}}\n"
        f"  hog: {{kind: command, command: [{sys.executable}, -c, {json.dumps(HOG)}]}}\n"
    )
    policies(shop)
    (shop / "tasks.md").write_text("- [ ] 1 Write\n")
    return shop


def policies(shop: Path, text: str = "") -> None:
    recovery = "agent_recovery: {max_retries: 0, fallback_to_llm: false}\n"
    (shop / ".aurora/policies.yaml").write_text(f"{recovery}{text}\n")


def shown(aur: Aur, run_id: str) -> dict[str, Any]:
    (task,) = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]
    return dict(task)


def test_the_option_puts_agents_into_a_sandbox_and_the_journal_says_so(
    aur: Aur, yard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, "landlock")
    outcome = aur("spawn", "tasks.md", "--sandbox", "require", "--json")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert "sandbox for writer: sandboxed by landlock (a write outside: EACCES)" in outcome.stderr
    outside = yard.parent / "outside.txt"
    assert ((yard / "inside.txt").exists(), outside.exists()) == (True, False)
    assert f"task 1: the sandbox denied changes of {outside}" in outcome.stderr
    run_id = json.loads(outcome.stdout)["run_id"]
    assert shown(aur, run_id)["sandbox"] == {
        "sandboxed": True,
        "mechanism": "landlock",
        "write_outside": "EACCES",
        "closed_port": None,
        "problem": "",
        "denied": [str(outside)],
    }
    lines = aur("runs", "show", run_id).stdout.splitlines()
    assert lines[1].endswith(" concurrent, sandboxed")
    assert f"      the sandbox denied changes of {outside}" in lines


@pytest.mark.parametrize("asked", [["--sandbox", "off"], []])
def test_by_default_there_is_none_and_the_header_says_so(aur: Aur, yard: Path, asked: list[str]) -> None:
    outcome = aur("spawn", "tasks.md", *asked)
    assert "sandbox for writer: unsandboxed: no sandbox is configured" in outcome.stderr
    assert (yard.parent / "outside.txt").exists()


@pytest.mark.parametrize("by", ["option", "policies", "section"])
def test_where_none_holds_and_one_is_required_nothing_starts(
    aur: Aur, yard: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command cannot loosen what the policies require."""
    force(monkeypatch, "none")
    required = "sandbox: {mode: require}"
    policies(yard, {"policies": required, "section": f"agents: {{writer: {{{required}}}}}"}.get(by, ""))
    outcome = aur("spawn", "tasks.md", "--sandbox", "require" if by == "option" else "off")
    assert outcome.returncode == ExitCode.REFUSED
    assert "a sandbox is required, and does not hold here: " in outcome.stderr
    assert "install bubblewrap" in outcome.stderr
    assert not (yard / "inside.txt").exists()
    assert json.loads(aur("runs", "list", "--json").stdout)["runs"] == []


def test_auto_without_a_sandbox_runs_and_says_so(aur: Aur, yard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, "none")
    outcome = aur("exec", "Write", "--sandbox", "auto", "--json")
    assert outcome.returncode == ExitCode.DONE
    assert "sandbox for writer: unsandboxed: nothing that could be one is installed" in outcome.stderr
    run_id = json.loads(outcome.stdout)["run_id"]
    assert shown(aur, run_id)["sandbox"]["sandboxed"] is False
    assert aur("runs", "show", run_id).stdout.splitlines()[1].endswith(" concurrent, unsandboxed")


def test_a_resume_keeps_the_sandbox_that_the_command_asked_for(
    aur: Aur, yard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try fails without a trace outside; the second, after a resume, cannot leave one either."""
    force(monkeypatch, "landlock")
    config = (yard / ".aurora/config.yaml").read_text()
    (yard / ".aurora/config.yaml").write_text(config.replace("echo done", "test -e again && echo done"))
    outcome = aur("spawn", "tasks.md", "--sandbox", "auto", "--json")
    run_id = json.loads(outcome.stdout)["run_id"]
    (yard / "again").touch()
    again = aur("resume", run_id, "--retry-failed", "--json")
    assert again.returncode == ExitCode.DONE, again.stderr
    assert not (yard.parent / "outside.txt").exists()
    assert shown(aur, run_id)["sandbox"]["sandboxed"] is True


@pytest.mark.parametrize(
    ("change", "command"),
    [
        ("UPDATE runs SET options = replace(options, '\"auto\"', '\"loose\"')", ("resume",)),
        ('UPDATE events SET payload = replace(payload, \'"sandboxed":true\', \'"sandboxed":"x"\')', ("runs", "show")),
        ('UPDATE events SET payload = replace(payload, \'"denied":[\', \'"denied":3,"x":[\')', ("runs", "show")),
    ],
)
def test_a_journal_that_was_changed_is_an_error_that_names_it(
    aur: Aur, yard: Path, monkeypatch: pytest.MonkeyPatch, change: str, command: tuple[str, ...]
) -> None:
    force(monkeypatch, "landlock")
    run_id = json.loads(aur("exec", "Write", "--sandbox", "auto", "--json").stdout)["run_id"]
    with closing(sqlite3.connect(yard / ".aurora" / "runs.db", isolation_level=None)) as connection:
        assert connection.execute(change).rowcount
    outcome = aur(*command, run_id)
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "runs.db" in outcome.stderr
    assert "it was changed from outside" in outcome.stderr


@pytest.mark.parametrize("by", ["limits: {memory_mib: 60}", "agents: {hog: {limits: {memory_mib: 60}}}"])
def test_an_agent_that_takes_too_much_memory_is_ended_with_the_exact_reason(aur: Aur, yard: Path, by: str) -> None:
    policies(yard, by)
    (yard / "tasks.md").write_text("- [ ] 1 Grow\n  - Agent: hog\n")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "unsandboxed: no sandbox is configured; limits: 60 MiB of memory" in outcome.stderr
    document = json.loads(outcome.stdout)
    (task,) = document["tasks"]
    assert task["error"].startswith("memory limit 60 MiB exceeded (peak ")
    assert task["termination_reason"] == "over_limit"
    assert "memory limit 60 MiB exceeded (peak " in aur("runs", "show", document["run_id"]).stdout
    report = json.loads(aur("runs", "show", document["run_id"], "--recovery", "--json").stdout)
    assert '"resource"' in json.dumps(report)


def test_the_doctors_say_what_is_there_and_what_is_enforced(
    aur: Aur, yard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, "landlock")
    policies(yard, "sandbox: {mode: auto, network: [443]}\nlimits: {processes: 99, cpu_seconds: 5}")
    (line,) = (each for each in aur("doctor").stdout.splitlines() if each.split()[1] == "sandbox")
    assert "made by landlock: tried here, a write outside of it fails (EACCES)" in line
    assert "and so does a closed network (EACCES)" in line
    checks = json.loads(aur("agents", "doctor", "--json").stdout)["agents"]
    (writer,) = (each for each in checks if each["name"] == "writer")
    assert writer["sandbox"] == (
        "sandboxed by landlock (a write outside: EACCES, to a closed port EACCES); "
        "limits: 99 processes, 5 s of processor time"
    )
    force(monkeypatch, "none")
    (line,) = (each for each in aur("doctor").stdout.splitlines() if each.split()[1] == "sandbox")
    assert line.startswith("warn")
    assert "unsandboxed" in line


@pytest.mark.parametrize(
    ("setting", "status"),
    [("", ExitCode.NOT_REACHED), (", checks: outside", ExitCode.DONE)],
    ids=["inside", "outside"],
)
def test_the_checks_of_a_task_run_in_the_sandbox_of_its_agent(
    aur: Aur, yard: Path, monkeypatch: pytest.MonkeyPatch, setting: str, status: ExitCode
) -> None:
    """The agent can write a test that does what it may not."""
    force(monkeypatch, "landlock")
    policies(yard, f"sandbox: {{mode: require{setting}}}")
    outcome = aur("exec", "Write", "--check", f"touch {yard.parent}/by-check.txt", "--json")
    assert outcome.returncode == status, outcome.stderr
    assert (yard.parent / "by-check.txt").exists() is (status is ExitCode.DONE)


@pytest.mark.parametrize("mode", few(["require", "off"], 1))
def test_the_commands_of_a_merge_run_in_the_sandbox_of_the_agents(
    aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """`aur merge` asks the policies again, long after the run."""
    force(monkeypatch, "landlock")
    run_id = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.ASK).run_id
    shed.repository("branch", "-D", f"aurora/{run_id}/integration")
    own, by_check = tmp_path / "own" / "aurora", tmp_path / "by-check.txt"
    own.mkdir(parents=True)
    (own / "config.yaml").write_text(f'check: ["touch {by_check}"]\n')
    (own / "policies.yaml").write_text(
        f"sandbox: {{mode: {mode}}}\ndestructive: {{git_merge_main: {{action: allow}}}}\n"
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    outcome = aur("merge", run_id, "--yes")
    assert outcome.returncode == (ExitCode.DONE if mode == "off" else ExitCode.NOT_REACHED), outcome.stdout
    assert by_check.exists() is (mode == "off")
    assert (shed.path / "a.txt").exists() is (mode == "off")
