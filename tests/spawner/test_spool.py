"""The folder of an attempt, whatever lies in it."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aurora_spawner.attempts.attempt_folder import AttemptFolder, attempt_folder, read_output
from aurora_spawner.attempts.executor import AttemptEnd, RunningAttempt
from aurora_spawner.attempts.process_identity import ProcessIdentity, identify, own_identity, start_time_of
from aurora_spawner.backends.base import Reply
from aurora_spawner.errors import AttemptRecordError
from aurora_spawner.runs.evidence import judge
from aurora_spawner.supervision.local_executor import LocalExecutor

RECORD = {
    "version": 1,
    "token": "t",
    "reason": "exited",
    "exit_code": 0,
    "exec_errno": 0,
    "started_at": 1.0,
    "ended_at": 2.0,
    "duration_s": 1.0,
    "stdout_bytes": 3,
    "stderr_bytes": 0,
    "lost_bytes": 0,
    "cap_bytes": 100,
    "strays_killed": 0,
    "survivors": [],
    "cpu_s": 0.1,
    "max_rss_kib": 100,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*RECORD, "x"]), inner),
)
slow_fixture_is_fine = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@slow_fixture_is_fine
@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_exit_record_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    folder = AttemptFolder(path=tmp_path)
    folder.exit.write_bytes(content)
    with pytest.raises(AttemptRecordError):
        folder.read_exit()


@pytest.mark.parametrize("change", [{"cap_bytes": 0}, {"cap_bytes": 1}, {"exit_code": "0"}, None])
def test_a_record_that_nobody_wrote_so_is_refused(tmp_path: Path, change: dict[str, object] | None) -> None:
    folder = AttemptFolder(path=tmp_path)
    record = {name: value for name, value in RECORD.items() if change is not None or name != "exit_code"}
    folder.exit.write_text(json.dumps({**record, **(change or {})}))
    with pytest.raises(AttemptRecordError, match="exit_code" if not change else next(iter(change))):
        folder.read_exit()


@slow_fixture_is_fine
@given(st.sampled_from([name for name in RECORD if name != "version"]), JSON)
def test_a_record_with_one_wrong_value_is_read_or_refused(tmp_path: Path, name: str, value: object) -> None:
    folder = AttemptFolder(path=tmp_path)
    folder.exit.write_text(json.dumps({**RECORD, name: value}))
    try:
        record = folder.read_exit()
    except AttemptRecordError:
        return
    assert record is not None
    assert isinstance(record.stdout_bytes, int)
    assert isinstance(record.reason, str)


@slow_fixture_is_fine
@given(st.sampled_from([name for name in RECORD if name != "version"]))
def test_a_record_that_lacks_something_is_refused(tmp_path: Path, name: str) -> None:
    folder = AttemptFolder(path=tmp_path)
    folder.exit.write_text(json.dumps({key: value for key, value in RECORD.items() if key != name}))
    with pytest.raises(AttemptRecordError, match=name):
        folder.read_exit()


ODD: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, -1, 1, 2**31, 2**64, -(2**64), 1e308, float("nan"), float("inf"), "", "exited", []]
)
MUTATED = st.fixed_dictionaries({}, optional=dict.fromkeys(RECORD, ODD)).map(
    lambda odd: json.dumps({**RECORD, **odd}).encode()
)
FLIPPED = st.tuples(st.integers(0, len(json.dumps(RECORD)) - 1), st.integers(1, 255)).map(
    lambda flip: bytes(byte ^ flip[1] * (at == flip[0]) for at, byte in enumerate(json.dumps(RECORD).encode()))
)


@slow_fixture_is_fine
@given(
    MUTATED | FLIPPED | st.binary(max_size=40),
    st.binary(max_size=40),
    st.binary(max_size=40) | st.sampled_from([b"9" * 5000, b"-1", b"0", b"99999999999999999999999999"]),
    st.binary(max_size=40) | st.sampled_from([b"1 1\n", b"-1 5\n", b"0 0\n", b"9" * 5000 + b" 1\n", b"1 2 3\n\n"]),
    st.binary(max_size=200),
)
def test_whatever_an_attempt_left_gives_an_end(
    tmp_path: Path, record: bytes, claim: bytes, agent: bytes, left: bytes, output: bytes
) -> None:
    """Damaged, or written by an agent that reached into its folder."""
    folder = AttemptFolder(path=tmp_path)
    for path, content in (
        (folder.exit, record),
        (folder.claim, claim),
        (folder.agent, agent),
        (folder.left, left),
        (folder.stdout, output),
    ):
        path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:  # reading all processes takes 20 ms, killing some is for other tests
        patch.setattr("aurora_spawner.supervision.local_executor.end_orphans", lambda *_given, **_more: [])
        end = adopt(tmp_path, None)
    assert isinstance(end, AttemptEnd)
    judge(end, Reply(text=end.stdout), outputs=(), cwd=tmp_path)


@pytest.mark.parametrize("name", ["exit", "claim", "agent", "left", "stdout", "stderr"])
@pytest.mark.parametrize("what", ["pipe", "device", "folder", "loop"])
def test_what_is_no_file_holds_nobody_up(tmp_path: Path, name: str, what: str) -> None:
    path = tmp_path / name
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if what == "device" else path)
    end = adopt(tmp_path, None)
    assert isinstance(end, AttemptEnd)
    assert end.stdout == ""


def test_there_is_no_record_before_the_end(tmp_path: Path) -> None:
    assert AttemptFolder(path=tmp_path).read_exit() is None


def test_a_folder_is_named_for_people_and_unique(tmp_path: Path) -> None:
    names = [
        attempt_folder(tmp_path, position=position, task_id=task_id, number=1).path.name
        for position, task_id in enumerate(["1.2", "a/b", "a_b", "../../etc", "ü" * 100, ""])
    ]
    assert names[:4] == ["00000-1.2-1", "00001-a_b-1", "00002-a_b-1", "00003-.._.._etc-1"]
    assert len(set(names)) == len(names)
    assert all(len(name) < 60 and "/" not in name for name in names)


def test_the_middle_of_a_long_output_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a" * 60 + b"b" * 40)
    text = read_output(tmp_path / "out", total=100, cap=1000, limit=20)
    assert text == "a" * 10 + "\n[… 80 of 100 bytes left out …]\n" + "b" * 10


def adopt(folder: Path, supervisor: ProcessIdentity | None) -> RunningAttempt | AttemptEnd:
    return asyncio.run(LocalExecutor().adopt(token="t", folder=folder, supervisor=supervisor))


def test_an_attempt_that_never_began_is_voided_for_good(tmp_path: Path) -> None:
    found = adopt(tmp_path / "attempt", None)
    assert isinstance(found, AttemptEnd)
    assert found.reason == "voided"
    assert AttemptFolder(path=tmp_path / "attempt").void("t")
    again = adopt(tmp_path / "attempt", None)
    assert isinstance(again, AttemptEnd)
    assert again.reason in ("voided", "supervisor_lost")


def test_an_attempt_that_ended_is_harvested(tmp_path: Path) -> None:
    folder = AttemptFolder(path=tmp_path)
    folder.stdout.write_bytes(b"abc")
    folder.claim.write_text('{"pid": 1, "start_time": 1, "boot_id": "other", "token": "t"}')
    folder.exit.write_text(json.dumps(RECORD))
    found = adopt(tmp_path, None)
    assert isinstance(found, AttemptEnd)
    assert (found.reason, found.stdout) == ("exited", "abc")


@pytest.mark.parametrize("record", [b"", b"   ", b"{", b"\xff", b"[]", b"{}"])
def test_a_record_that_a_power_cut_has_damaged_counts_as_none(tmp_path: Path, record: bytes) -> None:
    folder = AttemptFolder(path=tmp_path)
    folder.stdout.write_bytes(b"partial")
    folder.claim.write_bytes(record)
    folder.exit.write_bytes(record)
    found = adopt(tmp_path, None)
    assert isinstance(found, AttemptEnd)
    assert (found.reason, found.stdout) == ("supervisor_lost", "partial")


@slow_fixture_is_fine
@given(JSON, JSON)
def test_any_claim_is_understood_or_counts_as_nobodys(tmp_path: Path, pid: object, start_time: object) -> None:
    folder = AttemptFolder(path=tmp_path)
    folder.claim.write_text(json.dumps({"pid": pid, "start_time": start_time, "boot_id": "x", "token": "t"}))
    assert LocalExecutor()._claimed_by(folder) is None


def test_a_living_process_is_known_and_its_pid_alone_is_not_enough() -> None:
    me = own_identity()
    assert me.alive()
    assert not ProcessIdentity(**{**me.to_json(), "start_time": me.start_time + 1}).alive()  # type: ignore[arg-type]
    assert not ProcessIdentity(**{**me.to_json(), "boot_id": "other"}).alive()  # type: ignore[arg-type]
    assert identify(2**22 + 1) is None
    assert start_time_of(2**22 + 1) is None
