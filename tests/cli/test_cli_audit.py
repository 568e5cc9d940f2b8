"""Audits of the journal: exports that are sealed, their verification, and retention that the chain survives."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_spawner import SpawnTask
from aurora_spawner.control.audit_export import Selection, exported_lines, line_of, seal_of
from aurora_spawner.control.audit_file import verify_file
from aurora_spawner.journal.chain import link, payload_digest
from aurora_spawner.journal.entries import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from tests.cli.finished_runs import Shed

    Aur = Callable[..., CompletedProcess[str]]

Lines = list[dict[str, Any]]


def exported(shed: Shed, **wanted: Any) -> bytes:
    return "".join(exported_lines(shed.journal, Selection(**wanted), keep_days=None)).encode("ascii")


def problem_of(content: bytes, folder: Path, **more: Any) -> str | None:
    file = folder / "audit.jsonl"
    file.write_bytes(content)
    return verify_file(file, **more).problem


def test_an_export_is_verified_and_names_what_it_has(aur: Aur, shed: Shed, tmp_path: Path) -> None:
    shed.run(SpawnTask("# Größe \x7f\necho done", id="1"))
    second = shed.run(SpawnTask("exit 3", id="2")).run_id
    whole = aur("audit", "export")
    manifest = json.loads(whole.stdout.splitlines()[-1])
    assert f"{manifest['events']} events; seal: {manifest['seal']}" in whole.stderr
    assert (manifest["first"]["seq"], manifest["unbroken"], manifest["emptied"]) == (1, True, 0)
    assert manifest["last"] == manifest["head"]
    file = tmp_path / "audit.jsonl"
    file.write_bytes(whole.stdout.encode())
    verified = aur("audit", "verify", str(file), "--seal", manifest["seal"], "--in-journal")
    assert verified.returncode == ExitCode.DONE, verified.stdout
    assert f"{manifest['events']} events, none changed" in verified.stdout
    assert json.loads(aur("audit", "verify", str(file), "--json").stdout)["head"] == manifest["head"]["hash"]
    for arguments in ((second,), ("--decisions",), ("--since", "2020-01-01"), ("--until", "2020-01-01")):
        file.write_text(aur("audit", "export", *arguments).stdout)
        assert aur("audit", "verify", str(file)).returncode == ExitCode.DONE, arguments
    assert json.loads(file.read_text())["events"] == 0  # before 2020 there was none, and the manifest says so


def test_a_range_has_the_events_of_its_time_alone(shed: Shed, tmp_path: Path) -> None:
    shed.run(SpawnTask("true", id="1"))
    events = [json.loads(each) for each in exported(shed).splitlines()][:-1]
    middle = round(events[len(events) // 2]["unix_time"], 6)  # as exact as a moment that a user gives
    early = [json.loads(each) for each in exported(shed, until=middle).splitlines()]
    late = [json.loads(each) for each in exported(shed, since=middle).splitlines()]
    assert early[:-1] + late[:-1] == events
    assert early[-1]["last"]["hash"] == late[0]["before"]
    assert early[-1]["head"] == late[-1]["last"]
    for wanted in ({"since": middle}, {"until": middle}, {"decisions": True}, {"run_id": events[0]["run_id"]}):
        content = exported(shed, **wanted)
        shed.run(SpawnTask("true", id="1"))  # what the journal has since then is no part of it
        assert problem_of(content, tmp_path, journal=shed.journal) is None, wanted


def test_any_changed_byte_of_a_file_is_found(shed: Shed, tmp_path: Path) -> None:
    shed.run(SpawnTask("true", id="1"))
    content = exported(shed)
    assert problem_of(content, tmp_path) is None
    ends = [at for at, byte in enumerate(content) if byte == 10]
    manifest_at = ends[-2] + 1
    for place in (*range(0, manifest_at, 211), *range(manifest_at, len(content), 17), *ends):
        changed = bytearray(content)
        changed[place] ^= 1
        assert problem_of(bytes(changed), tmp_path), (place, content[place - 20 : place + 20])
    for end in (*ends[:-1], len(content) - 1):
        assert problem_of(content[:end], tmp_path), end
    assert "manifest" in str(problem_of(content[: ends[3] + 1], tmp_path))
    assert problem_of(content + content, tmp_path)
    assert problem_of(b"", tmp_path)


def rewritten(lines: Lines) -> bytes:
    """A file with these lines whose manifest fits them: what a forger can do without the hashes of events."""
    *events, manifest = lines
    body = "".join(map(line_of, events)).encode("ascii")
    ends = [{"seq": each["seq"], "hash": each["hash"]} for each in (events[0], events[-1])]
    pairs = pairwise(events)
    unbroken = all(one["hash"] == other["before"] for one, other in pairs)
    manifest |= {"events": len(events), "first": ends[0], "last": ends[1], "unbroken": unbroken}
    manifest |= {"sha256": hashlib.sha256(body).hexdigest()}
    return body + line_of({**manifest, "seal": seal_of(manifest)}).encode("ascii")


def _with_hash(event: dict[str, Any]) -> None:
    event["hash"] = link(
        bytes.fromhex(event["before"]),
        seq=event["seq"],
        at=event["unix_time"],
        run_id=event["run_id"],
        task_id=event["task"],
        kind=event["kind"],
        payload_hash=payload_digest(canonical_json(event["fields"])),
    ).hex()


def forge_a_field(lines: Lines) -> None:
    lines[0]["fields"]["cwd"] = "/elsewhere"


def forge_a_time(lines: Lines) -> None:
    lines[2]["unix_time"] += 1


def forge_and_hash_anew(lines: Lines) -> None:
    lines[-2]["fields"] = {**lines[-2]["fields"], "state": "succeeded"}
    _with_hash(lines[-2])


def forge_the_time_that_is_shown(lines: Lines) -> None:
    lines[2]["at"] = "2020-01-01T00:00:00.000+00:00"


def hide_a_content(lines: Lines) -> None:
    payload = canonical_json(lines[2]["fields"])
    keys = {"fields": None, "fields_hash": payload_digest(payload).hex()}
    lines[2] = {
        name: each for key in lines[2] for name, each in (keys if key == "fields" else {key: lines[2][key]}).items()
    }
    lines[-1]["emptied"] = 1


def leave_one_out(lines: Lines) -> None:
    del lines[3]


def swap_two(lines: Lines) -> None:
    lines[2], lines[3] = lines[3], lines[2]


def add_one(lines: Lines) -> None:
    lines[1:1] = [{**lines[0], "more": 1}]


FORGERIES: dict[str, tuple[Callable[[Lines], None], str, str]] = {
    "a field": (forge_a_field, "does not match its hash", ""),
    "a time": (forge_a_time, "does not match its hash", ""),
    "the time that is shown": (forge_the_time_that_is_shown, "its time does not match its unix_time", ""),
    "an order": (swap_two, "does not follow", ""),
    "one line more": (add_one, "does not have the members", ""),
    "one line less": (leave_one_out, "not the one given", "are not exactly those that it selects"),
    "a content less": (hide_a_content, "not the one given", "has no fields, though"),
    "all hashes": (forge_and_hash_anew, "not the one given", "is not in the journal"),
}
"""What was forged, what is said of it, and what the journal says of it if the file by itself is in order."""


@pytest.mark.parametrize("name", few(FORGERIES, 3))
def test_a_file_that_was_written_anew_is_found(shed: Shed, tmp_path: Path, name: str) -> None:
    """By the hashes of its events; one that is forged with its hashes, by the seal or the journal."""
    forge, said, by_journal = FORGERIES[name]
    shed.run(SpawnTask("exit 3", id="1"))
    content = exported(shed)
    seal = json.loads(content.splitlines()[-1])["seal"]
    lines = [json.loads(each) for each in content.splitlines()]
    forge(lines)
    forged = rewritten(lines)
    assert (problem_of(forged, tmp_path) is None) == bool(by_journal)
    assert said in str(problem_of(forged, tmp_path, seal=seal))
    assert (by_journal or said) in str(problem_of(forged, tmp_path, journal=shed.journal))


def test_what_is_no_export_is_refused(aur: Aur, shed: Shed, tmp_path: Path) -> None:
    for content in (b"{}\n", b"[1]\n", b"null\n", b'{"kind": 1}\n', b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"\n"):
        assert "line 1 " in str(problem_of(content, tmp_path)), content[:20]
    shed.run(SpawnTask("true", id="1"))
    assert aur("audit", "verify", "--seal", "0").returncode == ExitCode.USAGE
    assert aur("audit", "verify", str(tmp_path)).returncode == ExitCode.USAGE
    assert aur("audit", "verify", str(tmp_path / "audit.jsonl")).returncode == ExitCode.ENVIRONMENT
    assert "neither a day" in aur("audit", "export", "--since", "yesterday").stderr


def test_retention_empties_old_runs_says_so_and_keeps_the_chain(
    aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shed.run(SpawnTask("echo secret words", id="1"))
    assert "no minimum age of runs is given" in aur("runs", "clean").stderr
    own = Path.home() / ".config/aurora/config.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("audit: {keep_days: 30}\n")
    refused = aur("runs", "clean", "--older-than", "29")
    assert (refused.returncode, "keeps the contents of runs for 30 days" in refused.stderr) == (
        ExitCode.REFUSED,
        True,
    )
    before = exported(shed)
    assert aur("runs", "clean").returncode == ExitCode.DONE  # the run is of today
    assert exported(shed).splitlines()[:-1] == before.splitlines()[:-1]
    own.write_text("audit: {keep_days: 1}\n")
    with sqlite3.connect(shed.journal) as journal:  # the chain does not cover this table, and the events are of today
        journal.execute("UPDATE runs SET ended_at = NULL, started_at = 1, created_at = 1")
    assert "removed 0 runs" in aur("runs", "clean").stdout
    later = SimpleNamespace(time=lambda: time.time() + 200_000)
    monkeypatch.setattr("aurora_spawner.control.checkpoints.time", later)
    assert "removed 1 run" in aur("runs", "clean").stdout
    lines = [json.loads(each) for each in aur("audit", "export").stdout.splitlines()]
    assert {each["fields"] is None for each in lines[:-2]} == {True}
    assert (lines[-2]["kind"], lines[-2]["fields"]) == ("run_cleaned", {"events": len(lines) - 2, "keep_days": 1})
    assert (lines[-1]["keep_days"], lines[-1]["emptied"]) == (1, len(lines) - 2)
    assert "secret words" not in str(lines)
    assert aur("audit", "verify").returncode == ExitCode.DONE
    file = tmp_path / "audit.jsonl"
    file.write_text(aur("audit", "export").stdout)
    assert aur("audit", "verify", str(file), "--in-journal").returncode == ExitCode.DONE
    assert problem_of(before, tmp_path, journal=shed.journal) is None  # what was exported before still proves it


def test_a_project_says_neither_who_may_act_nor_what_is_forgotten(aur: Aur, shed: Shed) -> None:
    for line in ("audit: {keep_days: 1}", "dashboard: {password: keys:x}"):
        (shed.path / ".aurora/config.yaml").write_text(f"merge: ask\n{line}\n")
        refused = aur("config", "list")
        assert refused.returncode != ExitCode.DONE
        assert f"config.yaml:2: {line.partition(':')[0]}: belongs in your own configuration" in refused.stderr
    (shed.path / ".aurora/config.yaml").unlink()
    for name, value in (("audit.keep_days", "30"), ("dashboard.address", "https://page.example")):
        refused = aur("config", "set", name, value)
        assert (refused.returncode != ExitCode.DONE, "belongs in your own" in refused.stderr) == (True, True)
        assert aur("config", "set", name, value, "--user").returncode == ExitCode.DONE
        assert value in aur("config", "get", name).stdout
