"""The supervisor: runs one attempt of an agent, keeps its output, and ends every process that the agent started.

This file runs alone, as one process for each attempt:

    python -I -S supervisor.py FOLDER TOKEN DEADLINE_S GRACE_S CAP_BYTES CWD CGROUP LIMITS DEATH_PIPE STDIN --
        PROGRAM COMMAND...

It imports only cheap parts of the standard library, and files beside it that do the same: a run of many short tasks
pays this start-up for each task. It continues when its coordinator dies, unless DEATH_PIPE is "held": then descriptor
4 is the coordinator's parent-death pipe, and the attempt ends when that pipe closes. SIGTERM ends the attempt with a
grace period, SIGINT at once.

LIMITS are those of memory in bytes, of processes, and of processor time in seconds, 0 for none, as in `1048576,0,60`;
or "-". `limit_watch.py` sets and watches them.

STDIN names the agent's stdin: "prompt" for the file of that name in FOLDER, "pipe" for the named pipe `stdin` in it,
"empty" for nothing. FOLDER receives
`claim` (the identity of this supervisor; the process that creates it owns the attempt), `agent` (the agent's pid),
`stdout` and `stderr` (capped, see `Spool`), `left` (the processes that still run when the agent ends or is asked to
end), and last `exit` (written atomically).

`supervisor.py --fork-server` stays and forks such supervisors on request, see `forking.py`: a fork costs a tenth of
a new interpreter.
"""

# pathlib would cost 4 ms of import:
# ruff: noqa: PTH100, PTH102, PTH104, PTH106, PTH108, PTH118, PTH120
from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the public module adds enums and 3.5 ms; the names and values are the same
import errno
import os
import select
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__)).removesuffix("/__pycache__")
"""Has the other files of a supervisor."""
TYPE_CHECKING = False  # the module of that name would have to be imported
if TYPE_CHECKING:
    from aurora_spawner.supervision.limit_watch import LimitWatch
if TYPE_CHECKING or __package__:
    from aurora_spawner.supervision import forking, process_table
    from aurora_spawner.supervision.spool import Spool
else:
    sys.path.insert(0, FOLDER)
    import forking
    import process_table
    from spool import Spool

    sys.path.remove(FOLDER)
RESET_SIGNALS = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
"""The signals reset for an agent: a shell ignores some of them for background programs, Python ignores others."""
KILL_PERIOD_S = 0.02
"""The interval of the last sweep, which looks for descendants that started during the sweep before."""
KILL_LIMIT_S = 10.0
"""A process that survives SIGKILL this long hangs in the kernel; the exit record names it."""
CGROUP_AFTER_S = 0.25
"""An agent that lives longer gets a cgroup; a shorter life does not justify the up to 10 ms that it costs."""
LIMIT_LOOK_S = 0.1
"""Time between two looks at what an attempt with limits uses; a look takes 20 µs for each process of the machine."""
NEVER_S = float("inf")
LONGEST_WAIT_S = 3600.0
WAITING_CHECK_S = 1.0
"""Time between two looks whether an attempt past its deadline still waits for a person."""
EXIT_RECORD_BYTES = 4096
"""The space reserved before the agent starts, so that a full disk cannot prevent the exit record."""
ALREADY_CLAIMED = 75
"""The exit status if another supervisor owns the attempt."""


class Order:
    """The program to run and its limits, from the command line."""

    def __init__(self, argv: list[str], environment: dict[str, str] | None = None) -> None:
        self.environment = os.environ if environment is None else environment
        self.folder, self.token, deadline, grace, cap, self.cwd, self.cgroup, limits, *more = argv
        death_pipe, stdin, separator, *words = more
        if separator != "--" or len(words) < 2:
            raise SystemExit("usage: supervisor.py FOLDER TOKEN ... -- PROGRAM COMMAND...; see its first lines")
        self.program, self.command = words[0], words[1:]
        """The program's path; and its arguments, its name first."""
        self.held = death_pipe == "held"
        """True if the attempt ends with its coordinator."""
        self.stdin = {"prompt": self.path("prompt"), "pipe": self.path("stdin")}.get(stdin, os.devnull)
        self.deadline_s = float(deadline)
        """Seconds from the start of the agent; 0 means no limit."""
        self.grace_s = float(grace)
        self.cap_bytes = int(cap)
        self.watch = None if limits == "-" else load_watch(limits)
        """Compares what the attempt uses with its limits; None if it has none."""

    def path(self, name: str) -> str:
        """Returns the path of a file in the attempt's folder."""
        return os.path.join(self.folder, name)


def load_watch(word: str) -> LimitWatch:
    """Returns the watch of an attempt with limits, from the file beside this one, which few attempts need."""
    sys.path.insert(0, FOLDER)
    try:
        import limit_watch  # type: ignore[import-not-found]
    finally:
        sys.path.remove(FOLDER)
    watch: LimitWatch = limit_watch.LimitWatch(word)
    return watch


def claim(order: Order) -> bool:
    """Claims this attempt; returns False if another supervisor has claimed it or the coordinator has voided it."""
    draft = order.path(f"claim.{os.getpid()}")
    deadline_at = repr(time.monotonic() + order.deadline_s) if order.deadline_s else "null"
    start, boot = process_table.start_of("self"), process_table.boot_id()
    process_table.write_small(
        draft,
        f'{{"pid": {os.getpid()}, "start_time": {start}, "boot_id": "{boot}", '
        f'"token": "{order.token}", "deadline_at": {deadline_at}}}\n',
    )
    try:
        os.link(draft, order.path("claim"))
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True


def reserve_exit_record(order: Order) -> int:
    """Reserves disk space for the exit record; returns its descriptor."""
    record = os.open(order.path("exit.draft"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.write(record, b" " * EXIT_RECORD_BYTES)
    return record


class Attempt:
    """The life of one agent process and everything it starts."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.record = reserve_exit_record(order)
        self.wake, wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(wake_writer, False)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        self.polite_stop = False
        self.hard_stop = False
        self.orphaned = False
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGINT, self._on_int)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, process_table.ENDING_SIGNALS)

        self.reason = "exited"
        """The reason of the attempt's end: exited, cancelled, deadline, orphaned, exec_failed or over_limit."""
        self.exceeded = ""
        """The limit that was exceeded, in words."""
        self.status: int | None = None
        self.exec_errno = 0
        self.nobody_answers_since = NEVER_S
        """The moment at which the coordinator that has asked a person was found dead."""
        self.in_cgroup = order.cgroup == "-"
        self.usage_cpu_s = 0.0
        self.usage_rss_kib = 0
        self.killed_descendants = 0
        """The number of descendants that needed SIGKILL."""
        self.survivors: list[int] = []
        self.poller = select.poll()
        self.spools: dict[int, Spool] = {}

    def _on_term(self, *_: object) -> None:
        self.polite_stop = True

    def _on_int(self, *_: object) -> None:
        self.polite_stop = self.hard_stop = True

    def run(self) -> None:
        """Starts the agent, follows it to its end, ends its descendants, and writes the exit record."""
        self.started_at = time.time()
        self.clock_zero = time.monotonic()
        self._start()
        self.poller.register(self.wake, select.POLLIN)
        if self.order.held:
            self.poller.register(DEATH_PIPE, select.POLLIN)
        if self.exec_errno:
            self.reason = "exec_failed"
        self._follow_agent()
        self._end_descendants()
        self._remove_cgroup()
        for spool in self.spools.values():
            spool.drain()
        self._write_record()

    def _start(self) -> None:
        if self.order.watch is not None and not self.in_cgroup:
            self._move_to_cgroup([])  # at once: the agent's first processes count
        # A named pipe without a writer would block for ever: its coordinator may be dead by now.
        stdin = os.open(self.order.stdin, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(stdin, True)
        out_reader, out_writer = os.pipe()
        err_reader, err_writer = os.pipe()
        report_reader, report_writer = os.pipe()
        supervisor = os.getpid()
        self.agent = os.fork()
        if not self.agent:
            become_agent(self.order, supervisor, (stdin, out_writer, err_writer), report_writer)
        for descriptor in (stdin, out_writer, err_writer, report_writer):
            os.close(descriptor)
        self._record_agent()
        for name, reader in (("stdout", out_reader), ("stderr", err_reader)):
            self.spools[reader] = Spool(self.order.path(name), reader, self.order.cap_bytes)
            self.poller.register(reader, select.POLLIN)
        failure = os.read(report_reader, 16)  # empty: the exec closed it, the agent runs
        os.close(report_reader)
        self.exec_errno = int(failure or 0)

    def _record_agent(self) -> None:
        process_table.write_small(self.order.path("agent"), f"{self.agent}\n")

    def _move_to_cgroup(self, pids: list[int]) -> None:
        """Moves processes of the attempt into its own cgroup, if the system allows that."""
        self.in_cgroup = True
        try:
            os.mkdir(self.order.cgroup)
        except OSError:
            return
        if self.order.watch is not None:
            self.order.watch.limit_cgroup(self.order.cgroup)
        for pid in pids:
            try:
                process_table.write_small(os.path.join(self.order.cgroup, "cgroup.procs"), str(pid))
            except OSError:  # it has ended meanwhile
                continue

    def _record_left(self, pids: list[int]) -> None:
        """Records the processes that still run; if this process is killed, the coordinator ends them."""
        try:
            draft = self.order.path("left.draft")
            process_table.write_small(draft, "".join(f"{pid} {process_table.start_of(pid)}\n" for pid in pids))
            os.rename(draft, self.order.path("left"))
        except OSError:  # a full disk
            return

    def _remove_cgroup(self) -> None:
        try:
            os.rmdir(self.order.cgroup)
        except OSError:
            return

    def _follow_agent(self) -> None:
        """Returns once the agent is reaped, asked to end, or past its deadline."""
        cgroup_at = NEVER_S if self.in_cgroup else CGROUP_AFTER_S
        deadline = self.order.deadline_s or NEVER_S
        watch = self.order.watch
        look_s = LONGEST_WAIT_S if watch is None else LIMIT_LOOK_S
        while self.status is None and not self.polite_stop:
            age = time.monotonic() - self.clock_zero
            left = deadline - age
            if left <= 0:
                left = min(left + self._waited_s(), WAITING_CHECK_S)
            if left <= 0:
                self.reason = "deadline"
                return
            if age >= cgroup_at:
                self._move_to_cgroup(process_table.descendants(self.agent))
                cgroup_at = NEVER_S
            self._wait(min(cgroup_at - age, left, look_s))
            if watch is not None and self._over_limit(watch):
                return
        if self.status is None:
            self.reason = "orphaned" if self.orphaned else "cancelled"

    def _over_limit(self, watch: LimitWatch) -> bool:
        """Returns True if the attempt exceeds a limit; then everything of it ends at once."""
        living = process_table.descendants(self.agent) if self.status is None else []
        self.exceeded = watch.exceeded(living, ended_cpu_s=self.usage_cpu_s) or watch.exceeded_in(self.order.cgroup)
        if not self.exceeded:
            return False
        self.reason, self.hard_stop = "over_limit", True
        watch.end_cgroup(self.order.cgroup)
        process_table.send(living, signal.SIGKILL)
        return True

    def _waited_s(self) -> float:
        """Returns the time that the attempt has waited for a person, as its coordinator has written it down.

        A wait ends with its coordinator, since then nobody can say that the attempt goes on.
        """
        try:
            total, since, *coordinator = process_table.read_small(self.order.path("waited")).split()
            if since == "-":
                return max(0.0, float(total))
            pid, start = coordinator
            now = time.monotonic()
            self.nobody_answers_since = (
                NEVER_S if process_table.still_runs(pid, start) else min(self.nobody_answers_since, now)
            )
            return max(0.0, float(total)) + max(0.0, min(now, self.nobody_answers_since) - float(since))
        except (OSError, ValueError):
            return 0.0

    def _end_descendants(self) -> None:
        """Sends SIGTERM, waits for the grace period, then sends SIGKILL until no descendant is left."""
        if not self._reap():
            return
        left = process_table.descendants(self.agent)
        self._record_left(left)
        if not self.in_cgroup:
            self._move_to_cgroup(left)
        if self.status is None:
            process_table.signal_group(self.agent, signal.SIGTERM)
        else:
            process_table.send(left, signal.SIGTERM)
        grace_end = time.monotonic() + self.order.grace_s
        signalled_rest = self.status is not None
        while not self.hard_stop and time.monotonic() < grace_end:
            self._wait(grace_end - time.monotonic())
            if not self._reap():
                return
            if self.status is not None and not signalled_rest:
                process_table.send(process_table.descendants(self.agent), signal.SIGTERM)
                signalled_rest = True
        self._kill_descendants()

    def _kill_descendants(self) -> None:
        limit = time.monotonic() + KILL_LIMIT_S
        killed: set[int] = set()
        while self._reap():
            living = process_table.descendants(self.agent)
            if time.monotonic() > limit:
                self.survivors = living
                break
            killed.update(living)
            process_table.send(living, signal.SIGKILL)
            self._wait(KILL_PERIOD_S)
        self.killed_descendants = len(killed - {self.agent})

    def _wait(self, timeout_s: float) -> None:
        """Waits for output, a signal, the end of a child, or the timeout; reads the output."""
        for descriptor, _events in self.poller.poll(max(1, int(timeout_s * 1000))):
            if descriptor == self.wake:
                os.read(self.wake, 512)
            elif descriptor == DEATH_PIPE:
                self.poller.unregister(DEATH_PIPE)
                self.orphaned = self.polite_stop = True
            elif not self.spools[descriptor].drain():
                self.poller.unregister(descriptor)
        self._reap()

    def _reap(self) -> bool:
        """Reaps ended children; returns False if no descendant is left (for a subreaper: none at all)."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return sys.platform != "linux" and bool(process_table.descendants(self.agent))
            if not pid:
                return True
            self.usage_cpu_s += usage.ru_utime + usage.ru_stime
            self.usage_rss_kib = max(self.usage_rss_kib, usage.ru_maxrss)
            if pid == self.agent:
                self.status = os.waitstatus_to_exitcode(status)

    def _write_record(self) -> None:
        out, err = self.spools.values()
        text = (
            f'{{"version": 1, "token": "{self.order.token}", "reason": "{self.reason}", '
            f'"exit_code": {"null" if self.status is None else self.status}, "exec_errno": {self.exec_errno}, '
            f'"started_at": {self.started_at!r}, "ended_at": {time.time()!r}, '
            f'"duration_s": {time.monotonic() - self.clock_zero!r}, '
            f'"stdout_bytes": {out.total}, "stderr_bytes": {err.total}, "lost_bytes": {out.lost + err.lost}, '
            f'"cap_bytes": {self.order.cap_bytes}, "strays_killed": {self.killed_descendants}, '
            f'"survivors": {self.survivors[:100]}, '
            f'"cpu_s": {self.usage_cpu_s:.6f}, "max_rss_kib": {self.usage_rss_kib}, "exceeded": "{self.exceeded}"}}\n'
        )
        os.pwrite(self.record, text.encode("ascii"), 0)
        os.ftruncate(self.record, len(text))
        os.rename(self.order.path("exit.draft"), self.order.path("exit"))


def become_agent(order: Order, supervisor: int, streams: tuple[int, int, int], report: int) -> None:
    """Turns the forked child into the agent: new session, three streams, working folder, then the program."""
    try:
        os.setsid()
        if sys.platform == "linux":
            process_table.prctl(process_table.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != supervisor:
                os._exit(1)
        for target, source in enumerate(streams):
            os.dup2(source, target)
        for number in RESET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        os.chdir(order.cwd)
        if order.watch is not None:
            order.watch.enter(order.cgroup)
        # Looking along PATH here, as `os.execvpe` does, would cost 2 ms.
        os.execve(order.program, order.command, order.environment)  # noqa: S606 -- the agent, from a list
    except OSError as error:
        os.write(report, b"%d" % (error.errno or errno.ENOEXEC))
    finally:
        os._exit(127)


DEATH_PIPE = 4
"""The descriptor of the parent-death pipe: only the coordinator holds its writing end, so it closes with it."""
DESCRIPTORS = 1 << 16
"""More descriptors than a process usually may have."""


def supervise(order: Order) -> int:
    """Runs one attempt; returns the exit status, 0 once the exit record is written."""
    process_table.become_subreaper()
    if not claim(order):
        return ALREADY_CLAIMED
    Attempt(order).run()
    return 0


def keep_from_agents(descriptor: int) -> None:
    """Keeps programs that this process starts from inheriting a descriptor, if it is open."""
    try:
        os.set_inheritable(descriptor, False)
    except OSError:
        return


def main(argv: list[str]) -> int:
    """Runs as fork server or supervisor, by the command line; returns the exit status.

    It first closes the descriptors that the coordinator inherited, which agents must not get.
    """
    os.closerange(DEATH_PIPE + 1, DESCRIPTORS)
    keep_from_agents(DEATH_PIPE)
    if argv == ["--fork-server"]:
        return forking.serve_orders(lambda words, environment: supervise(Order(words, environment)))
    order = Order(argv)
    os.closerange(forking.FORK_SERVER_SOCKET, DEATH_PIPE if order.held else DEATH_PIPE + 1)
    return supervise(order)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # taking the interpreter down in order takes 3 ms, and there is nothing to flush
