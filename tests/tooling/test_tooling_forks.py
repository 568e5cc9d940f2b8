"""A program that the tests' fork server runs ends as its client does, and the client as the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.warm_python import WarmPopen, forker, warm_command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks of the fork server are used on Linux alone")

PROGRAM = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ["WORD"], sys.stdin.read(), os.getppid(), flush=True)
sys.stderr.write("said")
if sys.argv[1] == "killed":
    os.kill(os.getpid(), 9)
sys.exit(7)
"""


def start(folder: Path, address: str, word: str) -> subprocess.CompletedProcess[str]:
    (folder / "some_program.py").write_text(PROGRAM)
    command = list(warm_command(address, "runpy"))
    command[command.index("-c") + 1 :] = [f"import runpy; runpy.run_path({str(folder / 'some_program.py')!r})", word]
    environ = {**os.environ, "WORD": "ä b"}
    return subprocess.run(
        command, cwd=folder, env=environ, input="in", capture_output=True, text=True, timeout=50, check=False
    )


@pytest.mark.parametrize(("word", "status"), [("ends", 7), ("killed", -signal.SIGKILL)])
def test_a_fork_has_the_streams_folder_and_variables_of_its_client_and_gives_it_its_end(
    word: str, status: int, tmp_path: Path
) -> None:
    done = start(tmp_path, forker().address, word)
    parent = forker()._process.pid
    assert done.stdout == f"{[word]} {tmp_path} ä b in {parent}\n"
    assert (done.returncode, done.stderr) == (status, "said")


ENDS = {
    "at the end of its code": "print('done')",
    "with a number": "import sys; sys.exit(257)",
    "with words": "import sys; print('done'); sys.exit('not done')",
    "with an exception": "raise ValueError('mine')",
    "with a thread at work": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.05), print('late'))).start()",
    "with a file open and a function to call": "import atexit\nfile = open('written', 'w')\nfile.write('all of it')\n"
    "atexit.register(print, 'called')",
    "with no room for what it says": "import os\nprint('lost')\nos.dup2(os.open('/dev/full', os.O_WRONLY), 1)",
}


@pytest.mark.parametrize("how", ENDS)
def test_a_fork_ends_as_an_interpreter_does(how: str, tmp_path: Path) -> None:
    seen = []
    for popen in (subprocess.Popen, WarmPopen):
        with popen(
            [sys.executable, "-c", ENDS[how]],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            out, err = process.communicate(timeout=50)
        files = {path.name: path.read_text() for path in tmp_path.iterdir()}
        seen.append((process.returncode, out, err.splitlines()[-1:], files))
        for path in tmp_path.iterdir():
            path.unlink()
    assert seen[0] == seen[1]


def test_without_a_fork_server_the_program_is_started_as_it_is(tmp_path: Path) -> None:
    done = start(tmp_path, "nobody-listens-here", "ends")
    assert done.stdout == f"['ends'] {tmp_path} ä b in {os.getpid()}\n"
    assert done.returncode == 7


def test_a_fork_whose_client_is_killed_is_killed(tmp_path: Path) -> None:
    command = list(warm_command(forker().address, "time"))
    command[command.index("-c") + 1 :] = ["import os, time; print(os.getpid(), flush=True); time.sleep(300)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        fork = int(client.stdout.readline())
        assert fork != client.pid
        client.kill()
    end = time.monotonic() + 20
    while Path(f"/proc/{fork}").exists():
        assert time.monotonic() < end
        time.sleep(0.005)
