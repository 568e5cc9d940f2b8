"""The hook as its own process: what it lets pass, and that everything else denies."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aurora_spawner.gates.hook import CALL_LIMIT_BYTES, DENIED, request_of
from aurora_spawner.gates.hook_command import SOCKET_NAME, HookCommand
from aurora_spawner.gates.hook_request import BadRequestError, read_header
from aurora_spawner.storage.private_sockets import short_path

CALL = json.dumps({"tool_name": "Bash", "tool_input": {"command": "true"}, "cwd": "/"}).encode()


@contextmanager
def coordinator(folder: Path, *answers: bytes | Callable[[socket.socket], None]) -> Iterator[list[bytes]]:
    """Answers one hook after the other; yields what they sent."""
    heard: list[bytes] = []
    place = folder / SOCKET_NAME
    place.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    with short_path(folder) as short:
        server.bind(str(short / SOCKET_NAME))
    server.listen()

    def serve() -> None:
        for answer in answers:
            try:
                line, _ = server.accept()
            except OSError:  # the test is over
                return
            with line:
                with line.makefile("rb") as sent:
                    header = sent.readline()
                    heard.append(header + sent.read(read_header(header)[1]))
                if callable(answer):
                    answer(line)
                else:
                    line.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown(socket.SHUT_RDWR)  # ends a wait for another hook, which closing does not
        thread.join(timeout=30)
        server.close()


def run(folder: Path, call: bytes = CALL, **more: object) -> subprocess.CompletedProcess[bytes]:
    """Runs the hook as a CLI does: by a shell, with the call on stdin."""
    limits = {"answer_limit_s": 20.0, "reach_limit_s": 5.0, **more}
    hook = HookCommand(socket=folder / SOCKET_NAME, token="t-1", **limits)  # type: ignore[arg-type]
    return subprocess.run(["sh", "-c", hook.shell], input=call, capture_output=True, check=False, timeout=40)


def test_an_allowed_call_is_left_to_the_cli_and_the_coordinator_got_all_of_it(tmp_path: Path) -> None:
    call = json.dumps({"tool_name": "Write", "tool_input": {"content": "x" * 3_000_000}}).encode()
    with coordinator(tmp_path, b"allow\n") as heard:
        ended = run(tmp_path, call)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"{}\n", b"")
    assert heard == [b"t-1 %d\n%b" % (len(call), call)]


def test_a_request_is_read_as_it_was_written() -> None:
    header, newline, call = request_of("t-1", CALL).partition(b"\n")
    assert read_header(header + newline) == ("t-1", len(CALL))
    assert call == CALL


@pytest.mark.parametrize("line", [
    b"", b"\n", b"t\n", b"t \n", b"t -1\n", b"t 1.5\n", b"t 1 2\n", b"\xff 1\n", b"t \xc2\xb2\n",
    b"t %d\n" % (CALL_LIMIT_BYTES + 1), b"t " + b"9" * 900, b"t" * 2000 + b" 1\n",
])  # fmt: skip
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(BadRequestError):
        read_header(line)


def test_a_denied_call_ends_with_the_reason_on_stderr(tmp_path: Path) -> None:
    with coordinator(tmp_path, "deny\nit deletes „victim“\n".encode()):
        ended = run(tmp_path)
    assert ended.returncode == DENIED
    assert ended.stdout == b""
    assert "it deletes „victim“" in ended.stderr.decode()


@pytest.mark.parametrize("garbage", [b"allow", b"allow\nyes\n", b"ALLOW\n", b"{}\n", b"\xff\x00", b"deny", b"deny\n"])
def test_anything_but_the_exact_verdict_denies(tmp_path: Path, garbage: bytes) -> None:
    with coordinator(tmp_path, garbage):
        assert run(tmp_path).returncode == DENIED


def test_without_a_coordinator_it_waits_and_denies(tmp_path: Path) -> None:
    began = time.monotonic()
    ended = run(tmp_path, reach_limit_s=0.5)
    assert ended.returncode == DENIED
    assert time.monotonic() - began >= 0.5
    assert b"cannot be reached" in ended.stderr


def test_a_folder_that_is_gone_denies(tmp_path: Path) -> None:
    assert run(tmp_path / "gone").returncode == DENIED


def test_a_coordinator_that_never_answers_denies(tmp_path: Path) -> None:
    with coordinator(tmp_path, lambda line: time.sleep(5)):
        assert run(tmp_path, answer_limit_s=0.5).returncode == DENIED


def test_a_coordinator_that_dies_while_it_judges_is_followed_by_the_next(tmp_path: Path) -> None:
    ended: list[subprocess.CompletedProcess[bytes]] = []
    with coordinator(tmp_path, lambda line: None) as first:
        hook = threading.Thread(target=lambda: ended.append(run(tmp_path)))
        hook.start()
        while not first:
            time.sleep(0.01)
    with coordinator(tmp_path, b"allow\n") as second:
        hook.join()
    assert ended[0].returncode == 0
    assert first == second


def test_a_coordinator_that_always_hangs_up_denies(tmp_path: Path) -> None:
    with coordinator(tmp_path, *[lambda line: None] * 20):
        assert run(tmp_path).returncode == DENIED


@pytest.mark.parametrize(
    "program", ["import os; os.kill(os.getpid(), 9)", "raise SystemExit(1)", "syntax error", None]
)
def test_a_hook_that_is_killed_crashes_or_is_gone_denies(tmp_path: Path, program: str | None) -> None:
    broken = tmp_path / "hook.py"
    if program is not None:
        broken.write_text(program)
    assert run(tmp_path, program=broken).returncode == DENIED


def test_an_endless_call_denies(tmp_path: Path) -> None:
    with coordinator(tmp_path, b"allow\n"):
        assert run(tmp_path, b" " * (CALL_LIMIT_BYTES + 1)).returncode == DENIED


def test_files_of_the_working_folder_and_python_variables_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "time.py").write_text("raise SystemExit(0)")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit(0)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with coordinator(tmp_path, b"deny\nno\n"):
        assert run(tmp_path).returncode == DENIED
