"""Python programs that start without their imports: each is a fork of one process that has made them already.

A new interpreter with all that `aur` imports is half a second of work, a fork some milliseconds. Otherwise it is a
process like every other, with its own id, streams, signals and end. A program that the product starts is given one by
`warm_command`, whose process is a small client of it. Where the start itself is the subject, as in
tests/cli/test_cli_installed.py, tests/faults/test_early_signals.py and tests/e2e, real ones are started.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import importlib.util
import io
import json
import marshal
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, AnyStr, Final

from aurora_soar import registry
from aurora_spawner.backends.model import backend as model_backend
from aurora_spawner.supervision.interpreter import python_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

ROOT: Final = Path(__file__).resolve().parents[1]
AUR: Final = str(Path(sys.executable).with_name("aur"))
IMPORTED: Final = (
    "argparse",
    "httpx",
    "numpy.ma",
    "runpy",
    "tenacity",
    "aurora_cli.entry",
    "aurora_cli.main",
    "aurora_cli.run_progress",
    "aurora_core.memory",
    "aurora_policies.engine",
    "aurora_policies.diff",
    "aurora_soar.local_agent.extract",
    "aurora_soar.local_agent.lookup",
    "aurora_soar.aurora.root",
    "aurora_soar.orchestrator",
    "aurora_soar.taskruns.execute",
    "aurora_soar.taskruns.diff_gate",
    "aurora_spawner.backends.model.apis",
    "aurora_spawner.backends.model.limit_headers",
    "aurora_spawner.backends.model.sse",
    "aurora_spawner.conversations.transports",
    "aurora_spawner.shortcuts",
    "aurora_spawner.workspaces.isolation",
)
OWN_AGENTS: Final = (registry, model_backend)
"""The modules that start agents of our own."""
CLIENT: Final = Path(__file__).with_name("warm_client.py")
MESSAGE_BYTES: Final = 1 << 20
FOLLOWED: Final = frozenset({"PYTHONPATH", "PYTHONUNBUFFERED"})
LOCALE: Final = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE")


class WarmPopen(subprocess.Popen[AnyStr]):
    """Starts `[sys.executable, …]` or `[AUR, …]` as `subprocess.Popen` does, by a fork if that is the same.

    It is the same on Linux, without options of the interpreter, descriptors to pass, or variables that change it.
    """

    _ended: socket.socket | None = None

    def _execute_child(self, *given: Any) -> None:
        args, executable, preexec_fn, _, pass_fds, cwd, env, _, _, shell = given[:10]
        pipes, (gid, gids, uid, umask, session, group) = given[10:16], given[17:]
        words = [args] if isinstance(args, str) else [os.fspath(word) for word in args]
        environ = dict(os.environ if env is None else env)
        special = any((executable, preexec_fn, pass_fds, shell)) or (gid, gids, uid, umask) != (None, None, None, -1)
        if special or not _can_be_forked(words, environ):
            super()._execute_child(*given)  # type: ignore[misc]
            return
        order = {
            "words": words[1:] if words[0] == sys.executable else words,
            "cwd": os.fspath(cwd or Path.cwd()),
            "environ": environ,
            "session": session,
            "group": group,
            "client": False,
        }
        ends: tuple[int, ...] = (pipes[0], pipes[3], pipes[5])
        streams: list[int] = [number if end == -1 else end for number, end in enumerate(ends)]
        self._ended, theirs = socket.socketpair()
        with theirs:
            self.pid = forker().start(order, [*streams, theirs.fileno()])
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._ended is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc, no-any-return]
        if wait_flags & os.WNOHANG and not select.select([self._ended], [], [], 0)[0]:
            return 0, 0
        with self._ended:
            return self.pid, int(self._ended.recv(64) or signal.SIGKILL)

    def _internal_poll(self, *given: Any, **others: Any) -> int | None:
        if self._ended is None:
            return super()._internal_poll(*given, **others)  # type: ignore[misc, no-any-return]
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def run_warm(
    args: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    capture_output: bool = False,
    check: bool = False,
    timeout: float = 55.0,
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, as `subprocess.run` does with text and no input."""
    output = subprocess.PIPE if capture_output else None
    null = subprocess.DEVNULL
    with WarmPopen(args, cwd=cwd, env=env, stdin=null, stdout=output, stderr=output, text=True) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def warm_command(address: str, module: str, *arguments: str) -> tuple[str, ...]:
    """Returns the command of `python_command` as a fork; it lives as long as the process that this command starts."""
    return (sys.executable, "-I", "-S", str(CLIENT), address, *python_command(module, *arguments))


def fork_own_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the local agent and the program that asks a model started as forks while a test runs."""
    if sys.platform == "linux":
        for module in OWN_AGENTS:
            monkeypatch.setattr(module, "python_command", functools.partial(warm_command, forker().address))


def _can_be_forked(words: list[str], environ: dict[str, str]) -> bool:
    first = words[1] if words[0] == sys.executable and len(words) > 1 else words[0]
    program = first in (AUR, "-c", "-m") or first.endswith(".py")
    same = not any(name.startswith("PYTHON") and name not in FOLLOWED for name in environ)
    return sys.platform == "linux" and program and same and _locale(environ) == forker().locale


def _locale(environ: dict[str, str]) -> list[str | None]:
    return [environ.get(name) for name in LOCALE]


class Forker:
    """The process that has made the imports, and forks on request."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("AURORA_", "PYTHON"))}
        self.locale = _locale(environ)
        self.address = f"aurora-tests-{os.getpid()}-{id(self)}"
        clients = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        clients.bind(f"\0{self.address}")
        clients.listen(64)
        with theirs, clients:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), str(clients.fileno()), self.address],
                cwd=ROOT,
                env={**environ, "OPENBLAS_NUM_THREADS": "1"},  # a process that forks must have no threads
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), clients.fileno()],
            )

    def start(self, order: dict[str, object], descriptors: list[int]) -> int:
        with self._turn:
            socket.send_fds(self._control, [json.dumps(order).encode()], descriptors)
            return int(self._control.recv(64))

    def close(self) -> None:
        self._control.close()
        self._process.wait()


@functools.cache
def forker() -> Forker:
    made = Forker()
    atexit.register(made.close)
    return made


def serve(control: socket.socket, clients: socket.socket) -> list[str]:
    """Forks for each order until nobody can give one; returns in the forks, with the words of their command."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one from the keyboard is for those who read the tests
    followers: dict[int, int] = {}
    of_clients: set[int] = set()
    while True:
        lines = (followers[pid] for pid in of_clients)
        readable = select.select([control.fileno(), clients.fileno(), woken, *lines], [], [])[0]
        if woken in readable:
            os.read(woken, 4096)
        report_ends(followers)
        of_clients &= followers.keys()
        for pid in [pid for pid in of_clients if followers[pid] in readable]:  # its client was killed
            os.kill(pid, signal.SIGKILL)
            of_clients.remove(pid)
        order, descriptors = next_order(control, clients, readable)
        if order is None:
            continue
        pid = os.fork()
        if pid == 0:
            return become(order, descriptors, control, clients)
        followers[pid] = descriptors.pop()
        if order["client"]:
            of_clients.add(pid)
        for each in descriptors:
            os.close(each)


def next_order(
    control: socket.socket, clients: socket.socket, readable: list[int]
) -> tuple[dict[str, Any] | None, list[int]]:
    """Returns an order and its descriptors, the last one to report the end to; None if there is none now."""
    if clients.fileno() in readable:
        return order_of_client(clients)
    if control.fileno() not in readable:
        return None, []
    content, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 4)
    if not content:
        os._exit(0)
    return json.loads(content), descriptors


def order_of_client(clients: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Returns the order of tests/warm_client.py, and its streams with the line to it; None if it is gone already."""
    client, _ = clients.accept()
    content, descriptors, _, _ = socket.recv_fds(client, MESSAGE_BYTES, 3)
    if not content:
        client.close()
        return None, descriptors
    return {**marshal.loads(content), "client": True, "session": True, "group": -1}, [*descriptors, client.detach()]


def report_ends(followers: dict[int, int]) -> None:
    while followers:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        follower = followers.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # of a client that was killed
            os.write(follower, b"%d" % status)
        os.close(follower)


def become(
    order: dict[str, Any], descriptors: list[int], control: socket.socket, clients: socket.socket
) -> list[str]:
    """Makes this fork what a new process would be, and tells its id."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if order["session"]:
        os.setsid()
    if order["group"] >= 0:
        os.setpgid(0, order["group"])
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environ"])
    if not order["client"]:
        control.send(b"%d" % os.getpid())
    control.detach()
    clients.detach()
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        setattr(sys, name, text_stream(name, number))
        setattr(sys, f"__{name}__", getattr(sys, name))
    return list(order["words"])


def text_stream(name: str, number: int) -> io.TextIOWrapper:
    old = getattr(sys, name)
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED")) and number > 0
    binary = open(number, "wb" if number else "rb", buffering=0 if unbuffered else -1, closefd=False)  # noqa: SIM115
    lines = name == "stderr" or binary.isatty()
    return io.TextIOWrapper(binary, old.encoding, old.errors, "\n", line_buffering=lines, write_through=unbuffered)


def run_as_main(words: list[str]) -> None:
    """Runs the code that a command names as an interpreter would."""
    main = ModuleType("__main__")
    isolated = words[0] == "-I"
    words = words[isolated:]
    first = os.path.dirname(os.path.abspath(words[0]))  # noqa: PTH100, PTH120 - what Python itself does
    if words[0] == "-c":
        first, source, name = "", words[1], "<string>"
        sys.argv = ["-c", *words[2:]]
    elif words[0] == "-m":
        first = str(Path.cwd())
    named = [first, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path[:1] = [] if isolated else named
    if words[0] == "-m":
        main.__spec__ = importlib.util.find_spec(words[1])
        if main.__spec__ is not None and main.__spec__.submodule_search_locations is not None:
            main.__spec__ = importlib.util.find_spec(f"{words[1]}.__main__")
        assert main.__spec__ is not None, words
        name, main.__package__ = str(main.__spec__.origin), main.__spec__.parent
        sys.argv = [name, *words[2:]]
    elif words[0] != "-c":
        name, sys.argv = words[0], words
    if words[0] != "-c":
        main.__file__ = name
        source = Path(name).read_text(encoding="utf-8")
    sys.modules["__main__"] = main
    try:
        exec(compile(source, name, "exec", dont_inherit=True), vars(main))
    except SystemExit as end:
        status = 0 if end.code is None else end.code
        if not isinstance(status, int):
            raise
    else:
        status = 0
    end_quickly(main, status)
    sys.exit(status)


def end_quickly(main: ModuleType, status: int) -> None:
    """Ends this fork as an interpreter ends, but leaves the modules that it was given to the system.

    To take them apart one by one is five times the work of the fork, as it copies each page that they are on. Returns
    if something cannot be flushed: the interpreter has words and a status for that.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    held = [each for each in vars(main).values() if isinstance(each, io.IOBase)]
    try:
        for stream in (*held, sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        return
    os._exit(status & 0xFF)


def commands() -> list[str]:
    """Returns the modules of all commands of `aur`."""
    package = importlib.import_module("aurora_cli.commands")
    return [each.name for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]


if __name__ == "__main__":
    for module in (*IMPORTED, *commands()):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a collection in a fork, of which its end has some, would copy every page that it looks at
    for starter in OWN_AGENTS:
        starter.python_command = functools.partial(warm_command, sys.argv[3])  # type: ignore[attr-defined]
    run_as_main(serve(*(socket.socket(fileno=int(number)) for number in sys.argv[1:3])))
