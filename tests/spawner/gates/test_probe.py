"""The probe of a gate: its real hook, with a harmless and a dangerous call."""

import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.spawner.gates.gated_coordinator import WordGate

from aurora_spawner.gates import probe
from aurora_spawner.gates.hook_command import HookCommand
from aurora_spawner.gates.probe import probe_gate
from aurora_spawner.gates.tool_calls import GateAction, ToolCall, Verdict


class RootGate:
    """Denies what names the root."""

    def hints(self, _agent: str, _text: str, _workspace: Path) -> tuple[str, ...]:
        return ()

    def judge(self, call: ToolCall) -> Verdict:
        """Returns the verdict."""
        return Verdict(action=GateAction.DENY if "/" in call.subject else GateAction.ALLOW, reason="deletes")


def test_a_gate_that_stops_the_dangerous_call_alone_is_right() -> None:
    assert probe_gate(RootGate()) == ""


def test_a_gate_that_lets_all_pass_is_found_out() -> None:
    assert probe_gate(WordGate()) == "its hook answers 'rm -rf /' with exit status 0, not 2"


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that has the process id of a hook, which stops itself before it asks."""
    program, started = tmp_path / "frozen.py", tmp_path / "pid"
    program.write_text(f"""\
import os, signal, socket, sys
asking = socket.socket(socket.AF_UNIX)
asking.connect(sys.argv[1])
open({str(started)!r}, "w").write(str(os.getpid()))
os.kill(os.getpid(), signal.SIGSTOP)
""")
    monkeypatch.setattr(probe, "HookCommand", partial(HookCommand, program=program))
    return started


def test_a_hook_that_hangs_is_found_out_and_nothing_of_it_is_left(
    frozen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LIMIT_S", 1.5)
    assert probe_gate(RootGate()) == "its hook cannot be tried: it gives no answer"
    wait_until(lambda: not is_alive(int(frozen.read_text())))


def test_nothing_is_left_of_a_hook_if_its_trial_is_interrupted(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        wait_until(lambda: frozen.exists() and frozen.read_text() != "")
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        probe_gate(RootGate())
    wait_until(lambda: not is_alive(int(frozen.read_text())))


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_folder_for_temporary_files_may_have_a_long_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the address of a socket may be."""
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert probe_gate(RootGate()) == ""
