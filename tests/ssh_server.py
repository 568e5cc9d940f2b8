"""An ssh server for tests: its own folder, keys and port on loopback, run as ourselves, ended by its pid.

`ssh` on PATH is that of the system with a configuration of the test's own, as a user's would be in `~/.ssh/config`.
The host is this machine with another home folder. Debian has the server in the package openssh-server.
"""

from __future__ import annotations

import functools
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil
import pytest
from tests.spawner.workspaces.repository import ALONE
from tests.warm_python import forker, warm_command

if TYPE_CHECKING:
    from collections.abc import Iterable

_START_LIMIT_S: Final = 20.0
_SERVER: Final = """
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv {variables}
"""
_CLIENT: Final = """
Host far
  HostName 127.0.0.1
  User {user}
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  ConnectTimeout 5
"""


@functools.cache
def server_program() -> str | None:
    """Returns the path of sshd; None if this machine has none."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin")


@dataclass(slots=True)
class SshServer:
    """A running server; the host behind it has `home` as its home folder, and `project` for the tasks."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @classmethod
    def create(cls) -> SshServer:
        """Makes the keys of a server and starts it; skips the test if there is no sshd."""
        if server_program() is None or shutil.which("ssh") is None:
            pytest.skip("no sshd here: apt-get install openssh-server")
        server = cls(Path(tempfile.mkdtemp(prefix="aurora-ssh-")), _free_port())
        for name in ("key", "host_key", "wrong_key"):
            _make_key(server.folder / name)
        server.admit()
        server.home.mkdir()
        server.know_host()
        (server.folder / "sshd_config").write_text(
            _SERVER.format(folder=server.folder, variables=" ".join(_words(server._variables())))
        )
        (server.folder / "ssh_config").write_text(_CLIENT.format(user=getpass.getuser(), folder=server.folder))
        real = shutil.which("ssh")
        _script(server.folder / "bin" / "ssh", f'exec {real} -F {server.folder}/ssh_config "$@"')
        aur = warm_command(forker().address, "aurora_cli")
        _script(server.folder / "aur", f'exec {shlex.join(aur)} "$@"')
        server.start()
        return server

    @property
    def home(self) -> Path:
        """The home folder of the host."""
        return self.folder / "home"

    @property
    def program(self) -> str:
        """The `aur` of the host."""
        return str(self.folder / "aur")

    @property
    def path(self) -> str:
        """PATH for a coordinator."""
        return f"{self.folder / 'bin'}:{os.environ['PATH']}"

    def _variables(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": os.environ["PATH"], "AURORA_TRUST": "1", **ALONE}

    def admit(self, options: str = "") -> None:
        """Lets the key in, which may do only what the options of authorized_keys say."""
        public = (self.folder / "key.pub").read_text()
        (self.folder / "authorized_keys").write_text(f"{options} {public}".lstrip())

    def know_host(self, key: str = "host_key") -> None:
        """Makes one key the known one of the host."""
        public = (self.folder / f"{key}.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")

    def start(self) -> None:
        """Starts the server, and waits until it listens."""
        program = server_program()
        assert program is not None
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # as its service does
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-D", "-e", "-f", self.folder / "sshd_config", "-p", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < end, "sshd does not listen"
                time.sleep(0.02)
            else:
                return

    def cut(self) -> int:
        """Kills the server's processes of all connections, as if the network were cut; returns how many."""
        assert self._process is not None
        found = _living(psutil.Process(self._process.pid).children(recursive=True))
        sessions = [each for each in found if each.name().startswith("sshd")]
        for each in sessions:
            each.kill()
        return len(sessions)

    def stop(self) -> None:
        """Ends the server and all connections: the host cannot be reached."""
        assert self._process is not None
        self.cut()
        self._process.kill()
        self._process.wait(timeout=30)

    def remove(self) -> None:
        """Ends the server and removes its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def _words(variables: dict[str, str]) -> list[str]:
    return [f'"{name}={value}"' for name, value in variables.items()]


def _make_key(path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True, stdin=subprocess.DEVNULL
    )


def _script(path: Path, line: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
