"""The launcher: puts its own process into the sandbox, tries what that should prevent, and becomes the agent.

This file runs alone, in the process that the supervisor has started as the agent:

    python -I -S launcher.py PROFILE -- PROGRAM COMMAND...

PROFILE is a JSON file (see `profile.py`). The outcome of the probe is one line of JSON in the profile's `report`,
written before the agent starts. If a sandbox is required and does not hold, the agent does not start (exit status
REFUSED).

With bubblewrap the launcher runs a second time, inside, and probes there; with Landlock it restricts itself. Only the
standard library's cheap parts are imported, and Landlock's three system calls are made by `ctypes`.
"""

# pathlib would cost 4 ms of import:
# ruff: noqa: PTH108, PTH118
from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import stat
import sys

TYPE_CHECKING = False  # the module of that name would have to be imported
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

REFUSED = 78
"""The exit status if a sandbox is required and none holds."""
INSIDE = "--inside"
"""The first argument of the second run, within bubblewrap."""
CONFINED = (errno.EACCES, errno.EPERM, errno.EROFS)
"""The errors by which a sandbox prevents a write."""
CLOSED = (errno.EACCES, errno.EPERM, errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH)
"""The errors by which a sandbox keeps a process from a port on which somebody listens."""
PROBE_LIMIT_S = 2.0
BUBBLEWRAP = ("--unshare-pid", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
"""The options of every sandbox of bubblewrap. Without processes of its own, `/proc/PID/root` of one outside, such as
bubblewrap's own, would lead out."""

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Landlock's system calls, which have these numbers on every architecture of Linux but Alpha."""
SMALLEST_ABI = 3
"""Landlock's version that also holds `truncate` back (Linux 6.2); before it, files outside could be emptied."""
NETWORK_ABI = 4
"""Landlock's version that knows TCP ports (Linux 6.7)."""
SCOPE_ABI = 6
"""Landlock's version that keeps signals within the sandbox (Linux 6.12)."""
WRITE_FILE, TRUNCATE = 1 << 1, 1 << 14
FILE_RIGHTS = WRITE_FILE | TRUNCATE
FOLDER_RIGHTS = FILE_RIGHTS | sum(1 << bit for bit in range(4, 14))
"""Everything that changes a folder: entries removed, made, and moved between folders."""
MAKE_DEVICE = 1 << 6 | 1 << 11
"""The right to make devices, which no agent has anywhere: through one it could write to a whole disk."""
PATH_BENEATH, NET_PORT = 1, 2
BIND_TCP, CONNECT_TCP = 1, 2
SCOPE_SIGNAL = 2
PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION = 0x20080522
CAPABILITIES_OUT = (2, 16, 17, 19, 21, 22, 27, 38, 39)
"""Capabilities with which root could leave a sandbox: DAC_READ_SEARCH (opens a file by its number), SYS_MODULE,
SYS_RAWIO, SYS_PTRACE (enters processes outside), SYS_ADMIN (mounts), SYS_BOOT, MKNOD, PERFMON and BPF."""
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm")
"""Devices in /dev that every program may write to; `shm` holds the semaphores of Python's multiprocessing."""


class SandboxError(Exception):
    """A sandbox that could not be put up."""


def libc() -> ctypes.CDLL:
    """Returns the C library, whose calls report errors by `ctypes.get_errno`."""
    return ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """Returns Landlock's version in the running kernel; 0 if there is none or it is off."""
    if sys.platform != "linux":
        return 0
    return max(0, int(libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


class Ruleset:
    """Landlock's rules for this process and all that it starts."""

    def __init__(self, *, files: int, network: int, scoped: int) -> None:
        self._libc = libc()
        abi = landlock_abi()
        words = [files, network, scoped][: 1 if abi < NETWORK_ABI else 2 if abi < SCOPE_ABI else 3]
        content = b"".join(word.to_bytes(8, sys.byteorder) for word in words)
        self._rules = self._call(CREATE_RULESET, content, ctypes.c_size_t(len(content)), ctypes.c_uint32(0))

    def allow_changes(self, path: str) -> None:
        """Allows changes of a file, or of all below a folder; skips what does not exist."""
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        rights = FOLDER_RIGHTS & ~MAKE_DEVICE if stat.S_ISDIR(os.fstat(place).st_mode) else FILE_RIGHTS
        rule = rights.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder)
        self._call(ADD_RULE, self._rules, PATH_BENEATH, rule, ctypes.c_uint32(0))
        os.close(place)

    def allow_port(self, port: int) -> None:
        """Allows connections to a TCP port."""
        rule = CONNECT_TCP.to_bytes(8, sys.byteorder) + port.to_bytes(8, sys.byteorder)
        self._call(ADD_RULE, self._rules, NET_PORT, rule, ctypes.c_uint32(0))

    def enforce(self) -> None:
        """Puts the rules in force, for good."""
        self._libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        self._call(RESTRICT_SELF, self._rules, ctypes.c_uint32(0))
        os.close(self._rules)

    def _call(self, *arguments: object) -> int:
        result = int(self._libc.syscall(*arguments))
        if result < 0:
            raise SandboxError(f"Landlock: {os.strerror(ctypes.get_errno())}")
        return result


def restrict_files(profile: dict[str, Any]) -> None:
    """Makes everything read-only but the writable places, and the TCP ports as configured, by Landlock.

    Raises:
        SandboxError: The kernel does not do it.
    """
    abi = landlock_abi()
    if abi < SMALLEST_ABI:
        raise SandboxError(f"Landlock: the kernel has version {abi}, and {SMALLEST_ABI} is needed")
    rules = Ruleset(
        files=FOLDER_RIGHTS,
        network=closed_network(profile) if abi >= NETWORK_ABI else 0,
        scoped=SCOPE_SIGNAL if abi >= SCOPE_ABI else 0,
    )
    for path in (*profile["writable"], *(f"/dev/{name}" for name in DEVICES)):
        rules.allow_changes(path)
    finish(rules, profile, abi)


def restrict_ports(profile: dict[str, Any]) -> None:
    """Closes all TCP ports but the configured ones, by Landlock.

    Raises:
        SandboxError: The kernel does not do it.
    """
    abi = landlock_abi()
    if abi >= NETWORK_ABI:
        finish(Ruleset(files=0, network=closed_network(profile), scoped=0), profile, abi)


def finish(rules: Ruleset, profile: dict[str, Any], abi: int) -> None:
    """Adds the open ports, and puts the rules in force."""
    if abi >= NETWORK_ABI and isinstance(profile["network"], list):
        for port in profile["network"]:
            rules.allow_port(port)
    rules.enforce()


def closed_network(profile: dict[str, Any]) -> int:
    """Returns the uses of TCP that need a rule; an agent with some open ports may also serve on any."""
    if profile["network"] == "open":
        return 0
    return CONNECT_TCP | BIND_TCP if profile["network"] == "none" else CONNECT_TCP


def bubblewrap(profile: dict[str, Any], path: str, handed: Sequence[int], command: Sequence[str]) -> list[str]:
    """Returns the command that runs this file a second time, inside.

    Mounts come in the order of their depth: what is further inside holds.

    Args:
        handed: The descriptors of the report and of the listening socket, -1 for none, and 1 if a write outside has
            succeeded without the sandbox, 0 if not.
    """
    places = [("--bind", path) for path in profile["writable"]] + [
        ("--ro-bind", path) for path in profile["protected"]
    ]
    mounts = [
        word
        for how, path in sorted(places, key=lambda place: place[1].count("/"))
        if os.path.exists(path)  # noqa: PTH110 -- see above
        for word in (how, path, path)
    ]
    network = ["--unshare-net"] if profile["network"] == "none" else []
    own = [sys.executable, "-I", "-S", __file__, INSIDE, ",".join(map(str, handed)), path, "--", *command]
    return [profile["program"], *BUBBLEWRAP, *mounts, *network, "--", *own]


def drop_capabilities() -> None:
    """Gives up the capabilities with which root could leave the sandbox; without new privileges, for good.

    Raises:
        SandboxError: The kernel does not do it.
    """
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable: the lower 32 of each, then the upper
    calls = libc()
    if calls.capget(header, sets):
        raise SandboxError(f"capabilities: {os.strerror(ctypes.get_errno())}")
    for number in CAPABILITIES_OUT:
        for place in range(number // 32 * 3, number // 32 * 3 + 3):
            sets[place] &= ~(1 << number % 32)
    if calls.capset(header, sets):
        raise SandboxError(f"capabilities: {os.strerror(ctypes.get_errno())}")


def listen(profile: dict[str, Any]) -> socket.socket | None:
    """Returns a listening socket on a port that is to be closed to the agent; None if the network is open."""
    if profile["network"] == "open":
        return None
    while True:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.bind(("127.0.0.1", 0))
        if profile["network"] == "none" or server.getsockname()[1] not in profile["network"]:
            server.listen(1)
            server.set_inheritable(True)
            return server
        server.close()


def write_outside(folder: str) -> int:
    """Tries to make a file; returns the error's number, 0 if it could be made."""
    path = os.path.join(folder, f".aurora-probe-{os.getpid()}")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.unlink(path)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def reach(port: int) -> int:
    """Tries to connect to a port of this machine; returns the error's number, 0 if it could."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(PROBE_LIMIT_S)
        try:
            return client.connect_ex(("127.0.0.1", port))
        except OSError as error:
            return error.errno or errno.ETIMEDOUT


def findings(profile: dict[str, Any], port: int, problem: str) -> dict[str, Any]:
    """Tries what the sandbox should prevent; returns what was seen."""
    wrote = write_outside(profile["outside"]) if profile["outside"] else errno.ENOENT
    reached = reach(port) if port else None
    problems = [problem] if problem else []
    if not profile["outside"]:
        problems.append("there is no place outside that could be written to for a try")
    elif wrote not in CONFINED:
        problems.append(f"a file could be written in {profile['outside']}" if not wrote else os.strerror(wrote))
    if reached is not None and reached not in CLOSED:
        problems.append("a port that should be closed could be reached" if not reached else os.strerror(reached))
    return {
        "sandboxed": not problems,
        "mechanism": profile["mechanism"],
        "write_outside": errno.errorcode.get(wrote, str(wrote)) if wrote else "possible",
        "closed_port": None
        if reached is None
        else errno.errorcode.get(reached, str(reached))
        if reached
        else "possible",
        "problem": "; ".join(problems),
    }


def enter(profile: dict[str, Any], path: str, command: list[str]) -> None:
    """Puts this process into the sandbox, or runs bubblewrap with this file inside."""
    report = os.open(profile["report"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if profile["outside"] and write_outside(profile["outside"]):
        profile["outside"] = ""
    server = listen(profile)
    if profile["mechanism"] == "bubblewrap":
        os.set_inheritable(report, True)
        handed = (report, server.fileno() if server else -1, int(bool(profile["outside"])))
        words = bubblewrap(profile, path, handed, command)
        os.execv(words[0], words)  # noqa: S606 -- a list
    problem = profile["missing"]
    try:
        if profile["mechanism"] == "landlock":
            restrict_files(profile)
            drop_capabilities()
    except SandboxError as error:
        problem = str(error)
    become(profile, command, report, server, problem)


def enter_inside(profile: dict[str, Any], command: list[str], handed: str) -> None:
    """Goes on within bubblewrap."""
    report, listener, could_write = map(int, handed.split(","))
    if not could_write:
        profile["outside"] = ""
    server = socket.socket(fileno=listener) if listener >= 0 else None
    problem = ""
    try:
        if isinstance(profile["network"], list):
            restrict_ports(profile)
        drop_capabilities()
    except SandboxError as error:
        problem = str(error)
    become(profile, command, report, server, problem)


def become(
    profile: dict[str, Any], command: list[str], report: int, server: socket.socket | None, problem: str
) -> None:
    """Probes the sandbox, records what was seen, and becomes the agent, unless a required sandbox does not hold."""
    seen = findings(profile, server.getsockname()[1] if server else 0, problem)
    if server:
        server.close()
    os.write(report, json.dumps(seen).encode("ascii") + b"\n")
    os.close(report)
    if profile["required"] and not seen["sandboxed"]:
        os.write(2, f"the sandbox does not hold: {seen['problem']}\n".encode("utf-8", "replace"))
        os._exit(REFUSED)
    os.execv(command[0], command[1:])  # noqa: S606 -- a list


def main(argv: list[str]) -> None:
    """Runs outside or, after INSIDE, within bubblewrap; never returns."""
    handed = argv[1] if argv[0] == INSIDE else ""
    path, separator, *command = argv[2:] if handed else argv
    if separator != "--":
        raise SystemExit("usage: launcher.py PROFILE -- PROGRAM COMMAND...; see its first lines")
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 -- see above
        profile = json.load(file)
    try:
        if handed:
            enter_inside(profile, command, handed)
        else:
            enter(profile, path, command)
    except OSError as error:
        os.write(2, f"{error.filename or command[0]}: {os.strerror(error.errno or 0)}\n".encode("utf-8", "replace"))
        os._exit(126 if error.errno == errno.EACCES else 127)


if __name__ == "__main__":
    main(sys.argv[1:])
