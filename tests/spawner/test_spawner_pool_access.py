"""Access to the database of a pool: roles with the least rights, and tokens that bind a worker to what is its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg.conninfo import conninfo_to_dict
from tests.postgres import PostgresServer
from tests.spawner.test_spawner_pool import QUICK, SLEEPER, UPPER, agents, order, result, until, until_begun

from aurora_spawner import Run, RunOptions, SpawnTask
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptRefusedError
from aurora_spawner.distributed.attempt_store import AttemptStore
from aurora_spawner.distributed.database import (
    Database,
    LoginRefusedError,
    QueueUnavailableError,
    QueueUnusableError,
    ServerUntrustedError,
    secured,
    until_reachable,
)
from aurora_spawner.distributed.pool_executor import PoolExecutor
from aurora_spawner.distributed.roles import found_roles, generated, role_names, set_up
from aurora_spawner.distributed.worker import Worker
from aurora_spawner.distributed.worker_options import WorkerOptions
from aurora_spawner.distributed.worker_place import WorkerPlace
from aurora_spawner.distributed.worker_tokens import TokenStore, UnknownTokenError, WorkerRefusedError
from aurora_spawner.journal.store import Journal
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.supervision.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from pathlib import Path


DAY_S: Final = 86_400.0
Answer = TypeVar("Answer")


@dataclass
class Guarded:
    """A database with roles, and a login of each kind."""

    owner: str
    """The address of the login that has made it."""
    folder: Path
    started: list[asyncio.Task[None]] = field(default_factory=list)

    def url(self, kind: str) -> str:
        return self.owner.replace("//aurora@", f"//{self.name}_{kind}_login@")

    @property
    def name(self) -> str:
        return self.owner.rpartition("/")[2]

    async def token(self, name: str = "w", *, pool: str = "p", lasts_s: float = DAY_S) -> str:
        return (await self.as_owner(lambda database: TokenStore(database).add(name, pool=pool, lasts_s=lasts_s)))[1]

    async def as_owner(self, work: Callable[[Database], Coroutine[object, object, Answer]]) -> Answer:
        database = Database(self.owner)
        try:
            return await work(database)
        finally:
            database.close()

    def sql(self, kind: str, *statements: str, token: str = "") -> list[tuple[object, ...]]:
        with psycopg.connect(secured(self.url(kind), worker_token=token), autocommit=True) as connection:
            for each in statements:
                cursor = connection.execute(each.encode())
            return cursor.fetchall() if cursor.description else []

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.owner, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def worker(
        self, token: str, lines: list[str], *, place: WorkerPlace | None = None, kind: str = "worker"
    ) -> Worker:
        options = WorkerOptions(
            name="w",
            pool="p",
            concurrency=4,
            cwd=self.folder,
            backends={"upper": UPPER, "sleeper": SLEEPER},
            executor=lambda _sandbox: LocalExecutor(grace_s=1.0),
            environ=dict(os.environ),
            times=QUICK,
        )
        place = place or WorkerPlace.locked(self.folder / "worker-1")
        url = self.owner if kind == "owner" else self.url(kind)
        return Worker(options, place=place, url=url, token=token, tell=lines.append)

    @contextlib.asynccontextmanager
    async def working(
        self, token: str, place: WorkerPlace | None = None
    ) -> AsyncIterator[tuple[asyncio.Task[None], list[str]]]:
        lines: list[str] = []
        running = asyncio.create_task(self.worker(token, lines, place=place).run())
        try:
            yield running, lines
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, WorkerRefusedError):
                await running

    @contextlib.contextmanager
    def pool(self) -> Iterator[PoolExecutor]:
        executor = PoolExecutor(pool="p", url=self.url("coordinator"), lost_after_s=1.0)
        try:
            yield executor
        finally:
            executor.close()


@pytest.fixture
async def guarded(server: PostgresServer, tmp_path: Path) -> Guarded:
    found = Guarded(server.new_database(), tmp_path)
    await found.as_owner(set_up)
    for kind, role in role_names(found.name).items():
        found.rows(f'CREATE ROLE "{found.name}_{kind}_login" LOGIN IN ROLE "{role}"')
    return found


async def test_runs_go_through_the_roles_as_through_the_owner(guarded: Guarded) -> None:
    token = await guarded.token()
    guarded.rows("REVOKE EXECUTE ON FUNCTION md5(text) FROM PUBLIC")  # as a server in FIPS mode, which refuses it
    async with guarded.working(token) as (running, lines):
        with guarded.pool() as executor:
            what = order(guarded.folder, "upper")
            end = await result(executor, await executor.start(what))
            asleep = await executor.start(order(guarded.folder, "sleeper", number=2))
            await until_begun(guarded.folder)
            executor.cancel(asleep, at_once=True)
            assert (await result(executor, asleep)).reason is EndReason.CANCELLED
        assert end.stdout == "HELLO\n", lines
        aged = "UPDATE aurora_attempts SET over_at = over_at - interval '8 days'"
        await asyncio.to_thread(guarded.rows, aged)
        await until(lambda: not guarded.rows("SELECT 1 FROM aurora_attempts"))
        store = AttemptStore(Database(guarded.url("coordinator")))
        (worker,) = await store.workers()
        await store.drain(worker.id)
        await asyncio.wait_for(running, 30)
        await store.remove(worker.id)
        store.database.close()
    assert guarded.rows("SELECT 1 FROM aurora_workers") == []
    assert token not in str(guarded.rows("SELECT * FROM aurora_worker_tokens"))
    (found,) = await guarded.as_owner(lambda database: TokenStore(database).all())
    assert (found.state, bool(found.worker)) == ("valid", True)


READER: Final = {
    "reads the queue": "SELECT token, state, worker FROM aurora_attempts",
    "reads the workers": "SELECT name, pool, agents FROM aurora_workers",
    "reads the refusals": "SELECT * FROM aurora_refusals",
    "reads limits, gates and costs": "SELECT 1 FROM aurora_limits, aurora_gates, aurora_budgets, aurora_reservations",
}
REFUSED: Final = {
    ("reader", "gives work"): "INSERT INTO aurora_attempts (token, run_id, task_id, number, pool, document, state)"
    " VALUES ('t', 'r', '1', 1, 'p', '{}', 'queued')",
    ("reader", "changes a state"): "UPDATE aurora_attempts SET state = 'finished'",
    ("reader", "reads prompts"): "SELECT document FROM aurora_attempts",
    ("reader", "reads results"): "SELECT result FROM aurora_attempts",
    ("reader", "reads hashes"): "SELECT hash FROM aurora_worker_tokens",
    ("reader", "drains a worker"): "UPDATE aurora_workers SET draining = true",
    ("reader", "removes a worker"): "DELETE FROM aurora_workers",
    ("reader", "asks to be a worker"): "SELECT aurora_admit('a', 'w', 'p')",
    ("reader", "makes a token"): "INSERT INTO aurora_worker_tokens (id, hash, name, pool, expires_at)"
    " VALUES ('x', sha256(''), 'w', 'p', now() + interval '1 day')",
    ("reader", "makes a function"): "CREATE FUNCTION sha256(text) RETURNS bytea LANGUAGE sql AS 'SELECT null::bytea'",
    ("reader", "takes an attempt"): "SELECT aurora_next('p', '{}')",
    ("reader", "opens a gate"): "DELETE FROM aurora_gates",
    ("reader", "raises a budget"): "UPDATE aurora_budgets SET monthly = 1000000",
    ("coordinator", "takes an attempt"): "SELECT aurora_next('p', '{}')",
    ("coordinator", "deletes costs"): "DELETE FROM aurora_reservations",
    ("worker", "lifts a limit"): "DELETE FROM aurora_limits",
    ("worker", "opens a gate"): "DELETE FROM aurora_gates",
    ("worker", "reads costs"): "SELECT * FROM aurora_reservations",
    ("coordinator", "makes a token"): "INSERT INTO aurora_worker_tokens (id, hash, name, pool, expires_at)"
    " VALUES ('x', sha256(''), 'w', 'p', now() + interval '1 day')",
    ("coordinator", "prolongs a token"): "UPDATE aurora_worker_tokens SET expires_at = now() + interval '9 years'",
    ("coordinator", "reads hashes"): "SELECT hash FROM aurora_worker_tokens",
    ("coordinator", "deletes attempts"): "DELETE FROM aurora_attempts",
    ("coordinator", "changes an order"): "UPDATE aurora_attempts SET document = '{}'",
    ("coordinator", "takes several"): "SELECT * FROM aurora_take('p', '{}', 'me', 60, 9)",
    ("worker", "gives work"): "INSERT INTO aurora_attempts (token, run_id, task_id, number, pool, document, state)"
    " VALUES ('t', 'r', '1', 1, 'p', '{}', 'queued')",
    ("worker", "changes an order"): "UPDATE aurora_attempts SET document = '{}'",
    ("worker", "reads tokens"): "SELECT name FROM aurora_worker_tokens",
    ("worker", "prolongs its token"): "UPDATE aurora_worker_tokens SET expires_at = now() + interval '9 years'",
    ("worker", "deletes attempts"): "DELETE FROM aurora_attempts",
    ("worker", "announces another"): "INSERT INTO aurora_workers (id, name, pool, concurrency, agents)"
    " VALUES ('other', 'w', 'p', 1, '{}')",
    ("worker", "lifts the guard"): "ALTER TABLE aurora_attempts DISABLE ROW LEVEL SECURITY",
}


async def test_the_database_itself_refuses_what_a_role_may_not(guarded: Guarded) -> None:
    token = await guarded.token()
    guarded.sql("worker", "SELECT aurora_admit('me', 'w', 'p')", token=token)
    for statement in READER.values():
        guarded.sql("reader", statement)
    for (kind, what), statement in REFUSED.items():
        try:
            guarded.sql(kind, statement, token=token if kind == "worker" else "")
        except psycopg.errors.InsufficientPrivilege:
            continue
        pytest.fail(f"a {kind} {what}")


async def test_the_migration_can_be_run_again_and_changes_nothing(guarded: Guarded) -> None:
    rights = (
        "SELECT relname, relacl, relrowsecurity FROM pg_class WHERE relname ~ '^aurora_' ORDER BY 1",
        "SELECT attrelid::regclass::text, attname, attacl FROM pg_attribute WHERE attacl IS NOT NULL ORDER BY 1, 2",
        "SELECT * FROM pg_policies ORDER BY tablename, policyname",
    )
    before = [str(guarded.rows(each)) for each in rights]
    await guarded.as_owner(set_up)
    assert [str(guarded.rows(each)) for each in rights] == before
    assert (await guarded.as_owner(generated)).startswith("DO $made$ BEGIN")
    found = await guarded.as_owner(found_roles)
    assert [(each.kind, each.exists, each.members) for each in found] == [
        (kind, True, (f"{guarded.name}_{kind}_login",)) for kind in ("coordinator", "worker", "reader")
    ]
    with pytest.raises(QueueUnusableError, match="too long"):
        role_names("x" * 60)


async def spoilt(guarded: Guarded, how: str) -> tuple[str, str]:
    """Returns a token that is none, or none of the worker `w` any longer, and the problem with it."""
    match how:
        case "missing":
            return "", "none"
        case "invented":
            return "aurw_00000000_" + "x" * 43, "unknown"
        case "of another name":
            return await guarded.token("other"), "foreign"
        case "of another pool":
            return await guarded.token(pool="other"), "foreign"
        case "of another machine":
            token = await guarded.token()
            guarded.sql("worker", "SELECT aurora_admit('another machine', 'w', 'p')", token=token)
            return token, "foreign"
    token = await guarded.token()
    column = "revoked_at = now()" if how == "revoked" else "expires_at = now()"
    guarded.rows(f"UPDATE aurora_worker_tokens SET {column}")
    return token, how


SPOILT: Final = (
    *("missing", "invented", "of another name", "of another pool", "of another machine"),
    *("revoked", "expired"),
)


async def test_a_token_that_is_none_of_its_own_gives_a_worker_nothing(guarded: Guarded) -> None:
    with guarded.pool() as executor:
        await executor.start(what := order(guarded.folder, "upper"))
        place = WorkerPlace.locked(guarded.folder / "worker-1")
        for how in SPOILT:
            token, problem = await spoilt(guarded, how)
            lines: list[str] = []
            with pytest.raises(WorkerRefusedError) as refused:
                await asyncio.wait_for(guarded.worker(token, lines, place=place).run(), 30)
            assert refused.value.problem == problem, how
            assert not lines, how
            if how == "of another machine":
                continue  # by itself it is a good one, of the machine that has it
            for table in ("aurora_attempts", "aurora_workers"):
                assert guarded.sql("worker", f"SELECT 1 FROM {table}", token=token) == [], (how, table)
            guarded.sql("worker", "UPDATE aurora_attempts SET state = 'running', worker = 'me'", token=token)
    assert guarded.rows("SELECT token, state, fence FROM aurora_attempts") == [(what.token, "queued", 0)]
    told = await guarded.as_owner(lambda database: TokenStore(database).refusals())
    assert {each.problem for each in told} == {"none", "unknown", "foreign", "revoked", "expired"}


async def test_of_two_machines_that_use_a_token_first_at_once_one_has_it(guarded: Guarded) -> None:
    token = await guarded.token()
    databases = [Database(guarded.url("worker"), worker_token=token) for _ in range(6)]
    asked = "SELECT aurora_admit(%s, 'w', 'p') AS problem"
    rows = await asyncio.gather(*(each.one(asked, f"machine {at}") for at, each in enumerate(databases)))
    for each in databases:
        each.close()
    assert sorted(row["problem"] for row in rows if row) == ["", *["foreign"] * 5]


async def test_a_worker_cannot_touch_what_another_one_holds(guarded: Guarded) -> None:
    mine, other = await guarded.token("w"), await guarded.token("v")
    with guarded.pool() as executor:
        await executor.start(order(guarded.folder, "upper"))
    guarded.sql("worker", "SELECT aurora_admit('v-id', 'v', 'p')", token=other)
    guarded.sql("worker", "SELECT aurora_admit('w-id', 'w', 'p')", token=mine)
    claim = "UPDATE aurora_attempts SET state = 'running', fence = 1, worker = '{}' WHERE state = 'queued'"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        guarded.sql("worker", claim.format("w-id"), token=other)
    guarded.sql("worker", claim.format("w-id"), token=mine)
    assert guarded.sql("worker", "SELECT 1 FROM aurora_attempts", token=other) == []
    guarded.sql("worker", "UPDATE aurora_attempts SET state = 'finished', result = 'x'", token=other)
    assert guarded.rows("SELECT state, worker, result FROM aurora_attempts") == [("running", "w-id", None)]
    guarded.rows("UPDATE aurora_attempts SET state = 'lost'")
    guarded.sql("worker", "UPDATE aurora_attempts SET state = 'finished', result = 'late'", token=mine)
    assert guarded.rows("SELECT state, result FROM aurora_attempts") == [("lost", None)]


async def test_a_worker_is_given_nothing_of_another_pool(guarded: Guarded) -> None:
    token = await guarded.token(pool="other")
    with guarded.pool() as executor:
        await executor.start(what := order(guarded.folder, "upper"))
    guarded.sql("worker", "SELECT aurora_admit('w-id', 'w', 'other')", token=token)
    assert guarded.sql("worker", "SELECT aurora_next('p', '{}')", token=token) == [(None,)]
    assert guarded.rows("SELECT aurora_next('other', '{}')") == [(None,)]
    mine = await guarded.token("v")
    guarded.sql("worker", "SELECT aurora_admit('v-id', 'v', 'p')", token=mine)
    assert guarded.sql("worker", "SELECT aurora_next('p', '{}')", token=mine) == [(what.token,)]


@pytest.mark.parametrize("kind", ["owner", "coordinator", "reader"])
async def test_a_login_that_a_token_does_not_bind_serves_nothing(guarded: Guarded, kind: str) -> None:
    token = await guarded.token()
    problem = "a member of the worker role alone" if kind == "owner" else "permission denied"
    with pytest.raises(QueueUnusableError, match=problem):
        await asyncio.wait_for(guarded.worker(token, [], kind=kind).run(), 30)


async def test_a_login_of_two_roles_serves_nothing(guarded: Guarded) -> None:
    names = role_names(guarded.name)
    guarded.rows(f'GRANT "{names["coordinator"]}" TO "{guarded.name}_worker_login"')
    with pytest.raises(WorkerRefusedError, match="alone"):
        await asyncio.wait_for(guarded.worker(await guarded.token(), []).run(), 30)


async def test_a_token_without_roles_is_told_to_be_useless(server: PostgresServer, tmp_path: Path) -> None:
    bare = Guarded(server.new_database(), tmp_path)
    with pytest.raises(WorkerRefusedError, match="database init"):
        await asyncio.wait_for(bare.worker("aurw_x_y", [], kind="owner").run(), 30)


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_a_token_that_ends_meanwhile_ends_the_agents_and_no_result_of_them_counts(
    guarded: Guarded, how: str
) -> None:
    token = await guarded.token()
    async with guarded.working(token) as (running, lines):
        with guarded.pool() as executor:
            asleep = await executor.start(order(guarded.folder, "sleeper"))
            await until_begun(guarded.folder)
            if how == "revoked":
                await guarded.as_owner(lambda database: TokenStore(database).revoke("w"))
            else:
                await asyncio.to_thread(guarded.rows, "UPDATE aurora_worker_tokens SET expires_at = now()")
            await until(lambda: not agents(guarded.folder))
            with pytest.raises(WorkerRefusedError) as refused:
                await asyncio.wait_for(asyncio.shield(running), 30)
            end = await result(executor, asleep)
    assert refused.value.problem == how
    assert any(how in each and "its token" in each for each in lines), lines
    assert end.reason is EndReason.SUPERVISOR_LOST
    assert f"the token of its worker w {'was' if how == 'revoked' else 'has'} {how}" in end.stderr
    assert guarded.rows("SELECT state, result FROM aurora_attempts") == [("lost", None)]


async def test_a_token_that_ends_between_two_statements_is_no_removal(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker was admitted, and its own row is out of sight a moment later: it says why it ends."""
    announce = AttemptStore.announce

    async def late(store: AttemptStore, worker: str, **more: Any) -> bool | None:
        if not more["new"]:
            await guarded.as_owner(lambda database: TokenStore(database).revoke("w"))
        return await announce(store, worker, **more)

    monkeypatch.setattr(AttemptStore, "announce", late)
    with pytest.raises(WorkerRefusedError) as refused:
        await asyncio.wait_for(guarded.worker(await guarded.token(), []).run(), 30)
    assert refused.value.problem == "revoked"


async def test_the_next_process_of_a_worker_that_was_revoked_ends_what_the_last_one_left(guarded: Guarded) -> None:
    token, place = await guarded.token(), WorkerPlace.locked(guarded.folder / "worker-1")
    with guarded.pool() as executor:
        async with guarded.working(token, place):
            await executor.start(order(guarded.folder, "sleeper"))
            await until_begun(guarded.folder)
        await until(lambda: bool(agents(guarded.folder)))  # not seen for a moment, while the shell becomes `sleep`
        await guarded.as_owner(lambda database: TokenStore(database).revoke("w"))
        lines: list[str] = []
        with pytest.raises(WorkerRefusedError):
            await asyncio.wait_for(guarded.worker(token, lines, place=place).run(), 30)
    assert not agents(guarded.folder)
    assert any("its lease is lost" in each for each in lines)


async def test_the_journal_says_that_a_token_was_revoked(guarded: Guarded) -> None:
    token, folder = await guarded.token(), guarded.folder
    options = RunOptions(
        default_agent="sleeper",
        cwd=folder,
        spool=folder / "spool",
        executor=PoolExecutor(pool="p", url=guarded.url("coordinator"), lost_after_s=1.0),
        recovery=RecoveryPolicy(max_retries=0),
        pool="p",
    )
    run = Run.create(folder / "runs.db", [SpawnTask("hello")], {"sleeper": SLEEPER}, options)
    executing = asyncio.create_task(run.execute())
    async with guarded.working(token):
        await until(lambda: bool(guarded.rows("SELECT 1 FROM aurora_attempts WHERE state = 'running'")))
        await guarded.as_owner(lambda database: TokenStore(database).revoke("w"))
        await until(lambda: bool(guarded.rows("SELECT 1 FROM aurora_attempts WHERE number = 2")))
    executing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await executing
    with Journal(folder / "runs.db", make=False) as store:
        said = str(store.connection.execute("SELECT payload FROM events").fetchall())
    assert "the token of its worker w was revoked" in said


async def test_tokens_are_named_revoked_once_and_unknown_ones_told(guarded: Guarded) -> None:
    for name in ("w", "w", "v"):
        await guarded.token(name)

    async def revoke(name: str) -> list[str]:
        found = await guarded.as_owner(lambda database: TokenStore(database).revoke(name))
        return [each.name for each in found]

    first = (await guarded.as_owner(lambda database: TokenStore(database).all()))[0]
    assert await revoke(first.id) == ["w"]
    assert await revoke("w") == ["w"]
    assert await revoke("w") == []
    with pytest.raises(UnknownTokenError, match="zzz"):
        await revoke("zzz")
    states = [each.state for each in await guarded.as_owner(lambda database: TokenStore(database).all())]
    assert states == ["revoked", "revoked", "valid"]


FORGED: Final = {
    "a path outside": ("../outside", "{}"),
    "an absolute path": ("/etc/passwd", "{}"),
    "100 MB": ("huge", "x" * (100 << 20)),
    "a command": ("command", '{"command": ["touch", "owned"]}'),
    "an unknown backend": (
        "unknown",
        (
            '{"run_id": "r", "task_id": "4", "number": 1, "agent": "/bin/sh", "model": null, "prompt": "touch owned",'
            ' "deadline_s": null, "sandbox": "off", "depth": 1}'
        ),
    ),
}


async def test_forged_rows_run_nothing_and_both_sides_are_told(guarded: Guarded) -> None:
    store, refused = AttemptStore(Database(guarded.url("coordinator"))), []
    for number, (what, (token, document)) in enumerate(FORGED.items()):
        try:
            await store.submit(token, key=("r", str(number), 1), pool="p", document=document)
        except QueueUnusableError:
            refused.append(what)
    assert refused == ["a path outside", "an absolute path", "100 MB"], "the database itself refuses these"
    async with guarded.working(await guarded.token()) as (_running, lines):
        ends: dict[str, AttemptEnd] = {}
        with guarded.pool() as executor:
            for token in ("command", "unknown"):
                found = await executor.adopt(token=token, folder=guarded.folder / token, supervisor=None)
                ends[token] = found if isinstance(found, AttemptEnd) else await result(executor, found)
            still = await result(executor, await executor.start(order(guarded.folder, "upper")))
    store.database.close()
    assert still.stdout == "HELLO\n"
    for token, problem in (("command", "no order that a pool takes"), ("unknown", "worker w does not run it")):
        assert ends[token].reason is EndReason.NOT_TAKEN
        assert problem in ends[token].stderr
        assert any(token in each and problem in each for each in lines), lines
    assert not (guarded.folder / "owned").exists()


def certificate(folder: Path, name: str) -> Path:
    """Makes a certificate that no authority has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@contextlib.contextmanager
def impostor(pem: Path | None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers the question for TLS as PostgreSQL does, and keeps what it is sent after that."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connection.recv(8)
                    connection.sendall(b"N" if pem is None else b"S")
                    with contextlib.suppress(OSError), connection:
                        if pem is not None:
                            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                            context.load_cert_chain(pem)
                            with context.wrap_socket(connection, server_side=True) as secure:
                                heard.append(secure.recv(1000))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1], heard
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize("how", ["no authority", "another name", "no TLS"])
async def test_a_server_that_does_not_prove_who_it_is_is_told_nothing(tmp_path: Path, how: str) -> None:
    pem = None if how == "no TLS" else certificate(tmp_path, "db.example")
    trusted = f"&sslrootcert={pem}" if how == "another name" else ""
    host = "other.example" if how == "another name" else "db.example"
    with impostor(pem) as (port, heard):
        url = f"postgresql://aurora:secret-word@{host}/q?hostaddr=127.0.0.1&port={port}{trusted}"
        database = Database(url, worker_token="aurw_secret-token")
        with pytest.raises(ServerUntrustedError, match="sslrootcert=FILE") as refused:
            await database.make_tables()
    assert b"secret" not in b"".join(heard)
    assert "secret" not in str(refused.value)


async def test_a_run_on_a_server_that_does_not_prove_who_it_is_fails_and_its_journal_says_why(tmp_path: Path) -> None:
    with impostor(certificate(tmp_path, "db.example")) as (port, _heard):
        executor = PoolExecutor(pool="p", url=f"postgresql://aurora@db.example/q?hostaddr=127.0.0.1&port={port}")
        options = RunOptions(
            default_agent="upper",
            cwd=tmp_path,
            spool=tmp_path / "spool",
            executor=executor,
            recovery=RecoveryPolicy(max_retries=0),
            pool="p",
        )
        run = Run.create(tmp_path / "runs.db", [SpawnTask("hello")], {"upper": UPPER}, options)
        report = await asyncio.wait_for(run.execute(), 30)
    assert not report.ok
    assert "does not prove that it is the server" in str(report.results["1"].error)
    with Journal(tmp_path / "runs.db", make=False) as store:
        said = str(store.connection.execute("SELECT payload FROM events").fetchall())
    assert "certificate verify failed" in said


async def test_a_reader_that_gives_work_is_refused_before_anything_runs(guarded: Guarded) -> None:
    executor = PoolExecutor(pool="p", url=guarded.url("reader"))
    with pytest.raises(AttemptRefusedError, match="permission denied"):
        await executor.start(order(guarded.folder, "upper"))
    executor.close()
    assert guarded.rows("SELECT 1 FROM aurora_attempts") == []


async def test_an_authority_of_ones_own_is_taken_where_it_is_named(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "db.example")
    with impostor(pem) as (port, heard):
        url = f"postgresql://aurora@db.example/q?hostaddr=127.0.0.1&port={port}&sslrootcert={pem}"
        with pytest.raises(QueueUnavailableError):  # it proves who it is, and says no more
            await Database(url).make_tables()
    assert b"aurora" in b"".join(heard)


async def test_a_login_that_is_refused_is_not_tried_again_and_again(server: PostgresServer) -> None:
    for url in (server.url("postgres").replace("aurora@", "nobody_of_ours@"), server.url("no_such_database")):
        with pytest.raises(LoginRefusedError, match="does not exist"):
            await asyncio.wait_for(until_reachable(Database(url).make_tables), 30)


@pytest.mark.parametrize(
    ("url", "environ", "verified"),
    [
        ("postgresql:///q?hostaddr=192.0.2.1", {}, True),
        ("postgresql:///q", {"PGHOST": "db.example"}, True),
        ("postgresql:///q", {"PGHOSTADDR": "192.0.2.1"}, True),
        ("postgresql://db.example/q?hostaddr=127.0.0.1", {}, True),
        ("postgresql:///q?service=far", {}, True),
        ("postgresql:///q", {"PGSERVICE": "far"}, True),
        ("postgresql://localhost/q", {"PGHOST": "db.example"}, False),
        ("postgresql:///q", {}, False),
        ("postgresql://db.example/q", {"PGSSLMODE": "disable"}, True),
    ],
)
def test_no_way_to_name_a_far_server_leaves_verification_out(
    monkeypatch: pytest.MonkeyPatch, url: str, environ: dict[str, str], verified: bool
) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert (conninfo_to_dict(secured(url)).get("sslmode") == "verify-full") is verified
