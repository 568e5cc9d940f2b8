"""Setting up from a fresh clone: once, one at a time, never half; with a uv that only notes what it was asked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dev
import pytest
from tests.exhaustive import few
from tools import lock

ROOT = Path(__file__).parents[2]
VERSION, _ = dev.pinned_uv()
# Notes its arguments; waits in `pip sync` while the file `hold` exists; fails at what the file `fail` names.
FAKE_UV = f"""#!{sys.executable}
import os, pathlib, sys, time
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
if (here / "fail").exists() and (here / "fail").read_text() in sys.argv:
    sys.exit(2)
if sys.argv[1] == "venv":
    programs = pathlib.Path(sys.argv[-1]) / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "python").unlink(missing_ok=True)
    (programs / "python").symlink_to({sys.executable!r})
while "sync" in sys.argv and (here / "hold").exists():
    time.sleep(0.01)
with (here / "calls").open("a") as file:
    file.write("ended\\n")
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for uv is a POSIX script")


class Clone:
    """A copy of what dev.py reads, with the stand-in for uv in its place."""

    def __init__(self, root: Path) -> None:
        self.root = root
        lock.copy_metadata(ROOT, root)
        shutil.copy2(ROOT / "dev.py", root)
        self.uv = root / ".tools" / f"uv-{VERSION}" / "uv"
        self.uv.parent.mkdir(parents=True)
        self.uv.write_text(FAKE_UV)
        self.uv.chmod(0o755)
        self.stamp = root / ".venv" / "aurora-set-up"

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, self.root / "dev.py", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self.root), **environ},
        )

    def dev(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environ)
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def calls(self) -> list[str]:
        """What uv was asked since the last look: the first words."""
        path = self.uv.with_name("calls")
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line.partition(" --")[0] for line in lines if line != "ended"]

    def until_syncing(self) -> None:
        path = self.uv.with_name("calls")
        while not path.exists() or "pip sync" not in path.read_text():
            time.sleep(0.01)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


WHOLE = ["venv", "pip sync", "pip install"]


def test_the_first_call_sets_up_and_the_second_only_starts(clone: Clone) -> None:
    assert clone.dev("run", "python", "-c", "print('here')").stdout == "here\n"
    asked = clone.uv.with_name("calls").read_text()
    assert clone.calls() == WHOLE
    assert "pip sync --quiet --require-hashes --compile-bytecode" in asked
    assert "pip install --quiet --no-deps" in asked
    assert asked.count(" -e ") == 5
    assert clone.dev("run", "python", "-c", "print('here')").stderr == ""
    assert clone.calls() == []


def test_a_failed_step_is_not_ready_and_the_next_call_starts_over(clone: Clone) -> None:
    (clone.uv.parent / "fail").write_text("sync")
    done = clone.dev("sync")
    assert done.returncode != 0
    assert "uv pip failed" in done.stderr.splitlines()[-1]
    assert not clone.stamp.exists()
    (clone.uv.parent / "fail").unlink()
    clone.calls()
    assert clone.dev("sync").returncode == 0
    assert clone.calls() == WHOLE


def test_an_environment_that_somebody_else_made_is_not_adopted(clone: Clone) -> None:
    (clone.root / ".venv" / "bin").mkdir(parents=True)
    (clone.root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    clone.dev("sync")
    assert clone.calls() == WHOLE


@pytest.mark.parametrize("changed", few(["requirements.lock", "packages/core/pyproject.toml"], 1))
def test_changed_pins_or_metadata_are_brought_in_without_starting_over(clone: Clone, changed: str) -> None:
    clone.dev("sync")
    clone.calls()
    with (clone.root / changed).open("a") as file:
        file.write("\n")
    clone.dev("sync")
    assert clone.calls() == ["pip sync", "pip install"]


def test_an_environment_whose_interpreter_is_gone_is_made_anew(clone: Clone) -> None:
    clone.dev("sync")
    clone.calls()
    (clone.root / ".venv" / "bin" / "python").unlink()
    with (clone.root / "requirements.lock").open("a") as file:
        file.write("\n")
    clone.dev("sync")
    assert clone.calls() == WHOLE


def test_an_environment_of_another_python_is_made_anew(clone: Clone) -> None:
    clone.dev("sync")
    clone.calls()
    clone.stamp.write_text("CPython 3.11.0 /elsewhere\n" + clone.stamp.read_text().partition("\n")[2])
    clone.dev("sync")
    assert clone.calls() == WHOLE


def test_two_at_once_set_up_once(clone: Clone) -> None:
    processes = [clone.start("run", "python", "-c", "print('here')") for _ in range(3)]
    assert [process.communicate(timeout=30)[0] for process in processes] == ["here\n"] * 3
    assert clone.calls() == WHOLE


def test_a_killed_set_up_is_waited_for_and_then_done_over(clone: Clone) -> None:
    """What the killed one started still writes into .venv; the next must not do so beside it."""
    hold = clone.uv.with_name("hold")
    hold.touch()
    first = clone.start("sync")
    clone.until_syncing()
    first.send_signal(signal.SIGKILL)
    second = clone.start("sync")
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(timeout=0.5)
    assert not clone.stamp.exists()
    hold.unlink()
    first.communicate(timeout=30)
    second.communicate(timeout=30)
    lines = clone.uv.with_name("calls").read_text().splitlines()
    assert [line.partition(" --")[0] for line in lines] == [
        "venv", "ended", "pip sync", "ended",
        "venv", "ended", "pip sync", "ended", "pip install", "ended",
    ]  # fmt: skip
    assert clone.stamp.exists()


def test_an_interruption_ends_quietly_and_is_not_ready(clone: Clone) -> None:
    clone.uv.with_name("hold").touch()
    process = clone.start("sync")
    clone.until_syncing()
    process.send_signal(signal.SIGINT)
    clone.uv.with_name("hold").unlink()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not clone.stamp.exists()


def test_nothing_of_an_active_environment_comes_in(clone: Clone, tmp_path: Path) -> None:
    code = "import os; print(sorted({'VIRTUAL_ENV', 'PYTHONPATH', 'UV_PYTHON_DOWNLOADS'} & set(os.environ)))"
    done = clone.dev("run", "python", "-c", code, VIRTUAL_ENV="elsewhere", PYTHONPATH=str(tmp_path))
    assert done.stdout == "[]\n"


def test_the_exit_status_of_the_program_is_passed_on(clone: Clone) -> None:
    assert clone.dev("run", "python", "-c", "raise SystemExit(7)").returncode == 7


def test_a_program_runs_in_the_folder_of_the_caller(clone: Clone, tmp_path: Path) -> None:
    folder = tmp_path / "somewhere"
    folder.mkdir()
    code = "import os; print(os.getcwd())"
    clone.dev("sync")
    done = subprocess.run(
        [sys.executable, clone.root / "dev.py", "run", "python", "-c", code],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == f"{folder.resolve()}\n"


def test_a_program_runs_with_a_closed_output(clone: Clone) -> None:
    clone.dev("sync")
    words = [sys.executable, str(clone.root / "dev.py"), "run", "python", "-c", "raise SystemExit(7)"]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *words], check=False, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (7, "")


def test_a_program_that_is_not_there_is_named(clone: Clone) -> None:
    done = clone.dev("run", "pythn")
    assert (done.returncode, done.stderr.splitlines()[-1].partition(" is ")[0]) == (1, "pythn")


@pytest.mark.parametrize("arguments", [(), ("tset",), ("run",)])
def test_without_a_known_command_the_commands_are_shown(clone: Clone, arguments: tuple[str, ...]) -> None:
    done = clone.dev(*arguments)
    assert done.returncode == 1
    assert "python3 dev.py test" in done.stderr
    assert clone.calls() == []


def test_a_lock_without_uv_is_told(clone: Clone) -> None:
    (clone.root / "requirements.lock").write_text("click==8\n")
    done = clone.dev("sync")
    assert (done.returncode, done.stderr) == (
        1,
        "requirements.lock pins no uv; restore the file: git checkout requirements.lock\n",
    )


def run_patched(clone: Clone, patch: str) -> subprocess.CompletedProcess[str]:
    """Run `dev.py sync` in an interpreter that was changed first."""
    code = f"import runpy, sys; {patch}; sys.argv = ['dev.py', 'sync']; runpy.run_path('dev.py', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=clone.root, check=False, capture_output=True, text=True, timeout=30
    )


def test_an_old_python_is_told_what_is_needed(clone: Clone) -> None:
    done = run_patched(clone, "sys.version_info = (3, 10, 1)")
    assert done.returncode == 1
    assert done.stderr.startswith("Aurora needs Python 3.11 or newer; this is ")
    assert done.stderr.count("\n") == 1


def test_an_interpreter_without_pip_is_told_in_one_line(clone: Clone) -> None:
    clone.uv.unlink()
    done = run_patched(clone, "import importlib.util; importlib.util.find_spec = lambda name: None")
    assert done.returncode == 1
    assert "has no venv or no pip; install them" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_uv_is_pinned_with_every_hash() -> None:
    version, requirement = dev.pinned_uv()
    lines = requirement.splitlines()
    assert lines[0].startswith(f"uv=={version} ")
    assert len(lines) > 10
    assert all("--hash=sha256:" in line for line in lines[1:])
