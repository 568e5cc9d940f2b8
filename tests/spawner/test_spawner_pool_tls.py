"""TLS to a real PostgreSQL: only the server of the address, by an authority that is trusted, is told anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.authority import Authority
from tests.exhaustive import few
from tests.postgres import PostgresServer
from tests.spawner.test_spawner_pool import UPPER, worker_at

from aurora_spawner import Run, RunOptions, SpawnTask
from aurora_spawner.distributed.database import (
    AUTHORITY_VARIABLE,
    PLAIN_VARIABLE,
    Database,
    QueueUnusableError,
    ServerUntrustedError,
)
from aurora_spawner.distributed.pool_executor import PoolExecutor
from aurora_spawner.distributed.worker_place import WorkerPlace
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "db.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server with a certificate of an authority of our own, and a database on it."""

    server: PostgresServer
    authority: Authority
    folder: Path
    database: str

    @property
    def trusted(self) -> Path:
        return self.authority.write(self.folder)

    def url(self, *, host: str = HOST, **options: object) -> str:
        """Returns the address as of a server on another machine."""
        more = "".join(f"&{name}={value}" for name, value in options.items())
        port = self.server.port
        return f"postgresql://aurora:secret-word@{host}/{self.database}?hostaddr=127.0.0.1&port={port}{more}"

    def found(self) -> tuple[int, int]:
        """Returns the number of workers and of attempts that the database has."""
        with psycopg.connect(self.server.socket_url(self.server.url(self.database))) as connection:
            workers = connection.execute("SELECT * FROM aurora_workers").fetchall()
            return len(workers), len(connection.execute("SELECT * FROM aurora_attempts").fetchall())


@pytest.fixture(scope="module")
def tls_server() -> Iterator[PostgresServer]:
    made = PostgresServer.create(tls=True)
    yield made
    made.remove()


@pytest.fixture
async def served(tls_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    for name in (AUTHORITY_VARIABLE, PLAIN_VARIABLE, "PGSSLROOTCERT", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)
    authority = Authority("ours")
    tls_server.use_certificate(*authority.certificate(HOST))
    at = tls_server.new_database()
    database = Database(tls_server.socket_url(at))
    await database.make_tables()
    database.close()
    return Served(server=tls_server, authority=authority, folder=tmp_path, database=at.rpartition("/")[2])


async def is_encrypted(url: str) -> bool:
    database = Database(url)
    row = await database.one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    database.close()
    assert row is not None
    return bool(row["ssl"])


async def test_the_server_of_the_address_is_believed_by_the_authority_that_is_named(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await is_encrypted(served.url(sslrootcert=served.trusted))
    monkeypatch.setenv("PGSSLROOTCERT", str(served.trusted))
    assert await is_encrypted(served.url())
    monkeypatch.setenv("PGSSLROOTCERT", str(Authority("other").write(served.folder)))
    monkeypatch.setenv(AUTHORITY_VARIABLE, str(served.trusted))
    assert await is_encrypted(served.url()), "our own variable goes first"


@pytest.mark.parametrize(
    ("case", "words"),
    few([
        ("authority of the system", "certificate verify failed"),
        ("other authority", "certificate verify failed"),
        ("expired", "certificate verify failed"),
        ("other host", "does not match host name"),
        ("no TLS", "server does not support SSL"),
        ("no such file", "root certificate file"),
    ], 2),
)  # fmt: skip
async def test_any_other_server_is_refused_and_told_nothing(served: Served, case: str, words: str) -> None:
    """A worker ends, a run fails, its journal says why, and the database has seen neither."""
    url = served.url(sslrootcert=served.trusted)
    if case == "authority of the system":
        url = served.url()
    elif case == "other authority":
        url = served.url(sslrootcert=Authority("other").write(served.folder))
    elif case == "expired":
        served.server.use_certificate(*served.authority.certificate(HOST, days=-1))
    elif case == "other host":
        url = served.url(host="other.example", sslrootcert=served.trusted)
    elif case == "no TLS":
        served.server.use_certificate(None)
    else:
        url = served.url(sslrootcert=served.folder / "missing.pem")
    worker = worker_at(url, served.folder, WorkerPlace.locked(served.folder / "worker"), [])
    with pytest.raises(ServerUntrustedError, match=words) as refused:
        await asyncio.wait_for(worker.run(), 30)
    assert "secret-word" not in str(refused.value)
    options = RunOptions(
        default_agent="upper",
        cwd=served.folder,
        spool=served.folder / "spool",
        executor=PoolExecutor(pool="p", url=url),
        pool="p",
    )
    run = Run.create(served.folder / "runs.db", [SpawnTask("hello")], {"upper": UPPER}, options)
    report = await asyncio.wait_for(run.execute(), 30)
    assert not report.ok
    with Journal(served.folder / "runs.db", make=False) as store:
        said = str(store.connection.execute("SELECT payload FROM events").fetchall())
        assert verify(store).problem is None
    assert words in said
    assert "secret-word" not in said
    assert served.found() == (0, 0)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
async def test_a_far_server_without_tls_has_to_be_meant(
    served: Served, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = served.url(sslmode=mode)
    with pytest.raises(QueueUnusableError, match=f"sslmode={mode}.*{PLAIN_VARIABLE}=1") as refused:
        Database(url)
    assert "secret-word" not in str(refused.value)
    monkeypatch.setenv(PLAIN_VARIABLE, "1")
    assert await is_encrypted(url) is (mode == "prefer")
    monkeypatch.delenv(PLAIN_VARIABLE)
    served.server.use_certificate(None)
    assert not await is_encrypted(served.server.url(served.database)), "on this machine it does not matter"
