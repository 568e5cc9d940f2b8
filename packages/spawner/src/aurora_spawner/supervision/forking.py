"""The fork server's own process: forks a supervisor for each order, and ends the orphans of those that were killed.

The supervisor loads this file by its path; it imports nothing of ours. `fork_server.py` gives the orders.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the public module adds enums and 3.5 ms; the names and values are the same
import os
import select
import sys
import time

TYPE_CHECKING = False  # the module of that name would have to be imported
if TYPE_CHECKING:
    from collections.abc import Callable

    Supervise = Callable[[list[str], dict[str, str]], int]
if TYPE_CHECKING or __package__:
    from aurora_spawner.supervision import process_table as processes
else:
    import process_table as processes

FORK_SERVER_SOCKET = 3
"""A fork server's descriptor of the socket to its coordinator."""
SWEEP_LIMIT_S = 2.0
"""The time that a fork server spends on ending orphans, while its coordinator waits for the answer."""
SWEEP_PERIOD_S = 0.02


def serve_orders(supervise: Supervise) -> int:
    """Forks a supervisor for each order until the coordinator closes the socket or dies.

    An order is its length in 8 bytes and then, separated by NUL: the number of arguments, the arguments of a
    supervisor, and `NAME=value` for the agent's whole environment. The answer is one line: the pid and start time.
    An empty order asks to end the orphans of killed supervisors; the answer is a line with the pids that survived.

    The fork server is a subreaper: the orphans of a killed supervisor become its children, whatever their session and
    environment. It wakes a stopped supervisor, because an attempt without a time limit would otherwise never end.

    Args:
        supervise: Runs one attempt with these arguments and this environment; returns its exit status.
    """
    import gc
    import resource  # noqa: F401 -- `os.wait4` would load it anew in each fork

    processes.boot_id()
    processes.become_subreaper()
    gc.freeze()  # a collection in a fork would copy every page that it looks at
    gc.disable()
    wake, wake_writer = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it ends with its coordinator, which handles signals
    # Blocked, not ignored: a signal to a supervisor that was forked a moment ago waits until its handlers stand.
    signal.pthread_sigmask(signal.SIG_BLOCK, processes.ENDING_SIGNALS)
    poller = select.poll()
    poller.register(FORK_SERVER_SOCKET, select.POLLIN)
    poller.register(wake, select.POLLIN)
    supervisors: set[int] = set()
    while True:
        ready = {descriptor for descriptor, _events in poller.poll()}
        if wake in ready:
            os.read(wake, 512)
        if FORK_SERVER_SOCKET in ready:
            order = receive_order()
            if order is None:
                return 0
            forks = (supervise, supervisors, (wake, wake_writer))
            os.write(FORK_SERVER_SOCKET, fork_supervisor(order, *forks) if order else end_orphans(supervisors))
        if collect_children(supervisors):
            end_orphans(supervisors)


def receive_order() -> bytes | None:
    """Returns the next order; None if the coordinator is gone."""
    header = receive(8)
    return receive(int.from_bytes(header, "big")) if header else None


def receive(size: int) -> bytes | None:
    """Returns exactly `size` bytes; None at the end of the stream."""
    content = b""
    while len(content) < size:
        piece = os.read(FORK_SERVER_SOCKET, size - len(content))
        if not piece:
            return None
        content += piece
    return content


def fork_supervisor(order: bytes, supervise: Supervise, supervisors: set[int], descriptors: tuple[int, ...]) -> bytes:
    """Forks a supervisor; returns the answer in the fork server, and never returns in the fork."""
    pid = os.fork()
    if pid:
        supervisors.add(pid)
        return f"{pid} {processes.start_of(pid)}\n".encode("ascii")
    status = 1
    try:
        os.setsid()
        for descriptor in (FORK_SERVER_SOCKET, *descriptors):
            os.close(descriptor)
        count, *words = os.fsdecode(order).split("\0")
        environment = dict(word.split("=", 1) for word in words[int(count) :])
        status = supervise(words[: int(count)], environment)
    finally:
        os._exit(status)


def collect_children(supervisors: set[int]) -> bool:
    """Reaps ended children and wakes stopped supervisors; returns True if a supervisor was killed.

    It runs after the answer, so that a pid in the answer cannot belong to another process yet.
    """
    killed = False
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return killed
        if not pid:
            return killed
        if os.WIFSTOPPED(status):
            processes.send([pid] if pid in supervisors else [], signal.SIGCONT)
        elif pid in supervisors:
            supervisors.discard(pid)
            killed = killed or os.WIFSIGNALED(status)


def end_orphans(supervisors: set[int]) -> bytes:
    """Kills each child that is no supervisor until none is left; returns a line with the survivors' pids."""
    if sys.platform != "linux":
        return b"\n"
    limit = time.monotonic() + SWEEP_LIMIT_S
    while True:
        collect_children(supervisors)
        children = {pid for pid, (parent, _group) in processes.process_table().items() if parent == os.getpid()}
        left = sorted(children - supervisors)
        if not left or time.monotonic() > limit:
            return (" ".join(map(str, left[:100])) + "\n").encode("ascii")
        processes.send(left, signal.SIGKILL)
        time.sleep(SWEEP_PERIOD_S)
