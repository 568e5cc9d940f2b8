"""Results and notes reach their streams; a stream that is closed, full or not read is no fault."""

import io
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_cli.documents import Schema
from aurora_cli.output import emit, emit_json, note, silence, tolerate_odd_streams
from aurora_cli.render.logs import emit_bytes

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(document=st.dictionaries(st.text(), ANYTHING, max_size=4), encoding=st.sampled_from(["utf-8", "ascii"]))
def test_every_document_can_be_read_back(document: dict[str, object], encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        emit_json(Schema.RUNS, document)
        stream.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == {"schema": "aur.runs/1", **document}


def test_results_and_notes_go_to_their_own_streams(capsys: pytest.CaptureFixture[str]) -> None:
    emit("result")
    note("note")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("result\n", "note\n")


class Unread(io.TextIOWrapper):
    """A stream whose reader has gone away."""

    def __init__(self, target: Path) -> None:
        super().__init__(target.open("wb"))

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_result_that_nobody_reads_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Unread(tmp_path / "out") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        emit("result")


def test_a_note_that_nobody_reads_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Unread(tmp_path / "err") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        note("note")


def test_a_silenced_stream_takes_everything(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as stream:
        silence(stream)
        stream.write("gone")
    assert (tmp_path / "file").read_text(encoding="utf-8") == ""


def test_odd_characters_come_out_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    tolerate_odd_streams()
    emit("grün \udcff")
    sys.stdout.flush()
    assert raw.getvalue() == b"gr\\xfcn \\udcff\n"


def test_an_agents_bytes_pass_unchanged_into_a_pipe(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    emit_bytes([b"a\xff\x1b[31m", b"\r\nb"])
    assert capfdbinary.readouterr().out == b"a\xff\x1b[31m\r\nb"


def test_an_agents_bytes_cannot_steer_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, its = os.openpty()
    with os.fdopen(its, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        emit_bytes([b"a\x1b[2J \xe2\x82", b"\xac \xff\n"])
        terminal.flush()
        written = b""
        while not written.endswith(b"\n"):
            written += os.read(ours, 1000)
    os.close(ours)
    assert written.decode() == "a\\x1b[2J € \\xff\r\n"
