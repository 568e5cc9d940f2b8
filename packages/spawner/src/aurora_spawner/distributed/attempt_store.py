"""The rows of attempts and workers in the database; each change of an attempt is one that its lease allows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.distributed import lease
from aurora_spawner.distributed.announced import AnnouncedTool, read_tools
from aurora_spawner.distributed.batches import Batches
from aurora_spawner.distributed.lease import LEASE_S, OVER, AttemptState, Cancel, Lease
from aurora_spawner.distributed.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg
    from psycopg.rows import DictRow

    from aurora_spawner.distributed.database import Database

_FIRST_COME: Final = Standing()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAttempt:
    """The row of an attempt."""

    token: str
    lease: Lease
    document: str
    progress: int
    now: float
    """The moment of reading, on the database's clock."""
    waited_s: float
    """Seconds since it was queued."""
    result: bytes | None = None
    """The packed result; None without one, or if it was not read, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWorker:
    """A worker as it has announced itself."""

    id: str
    name: str
    pool: str
    concurrency: int
    agents: tuple[str, ...]
    labels: tuple[str, ...]
    draining: bool
    seen_s: float
    """Seconds since its last sign of life, on the database's clock."""
    running: int
    """Attempts that it holds."""
    tools: tuple[AnnouncedTool, ...] = ()
    """The agents on its machine, those that it does not run for the pool included."""

    @property
    def state(self) -> str:
        """The state for a person: serving, draining, or silent for longer than a lease."""
        if self.seen_s > LEASE_S:
            return "silent"
        return "draining" if self.draining else "serving"

    def to_json(self) -> dict[str, Any]:
        """Returns all fields and the state as JSON values."""
        tools = [each.to_json() for each in self.tools]
        lists = {"agents": list(self.agents), "labels": list(self.labels), "tools": tools}
        return {**asdict(self), **lists, "state": self.state}


_ROW: Final = (
    "token, document, state, worker, fence, until, cancel, progress,"
    " extract(epoch FROM created_at)::float8 AS created"
)
_NOW: Final = "extract(epoch FROM clock_timestamp())::float8"
SMALL_RESULT_BYTES: Final = 1 << 16
"""The size up to which a result comes with the look that finds it; larger ones of many attempts would fill memory."""
SUBMITTED_AT_ONCE: Final = 32
"""Attempts that are queued in one transaction; their orders may take 2 MiB each."""
SWAPPED_AT_ONCE: Final = 64
_SUBMIT: Final = f"""
    INSERT INTO aurora_attempts
        (token, run_id, task_id, number, pool, document, labels, rank, lane, workspace, agent, provider, state)
    SELECT token, run_id, task_id, number, pool, document,
        ARRAY(SELECT jsonb_array_elements_text(labels::jsonb)), rank, lane, workspace, agent, provider, 'queued'
    FROM unnest(
        %s::text[], %s::text[], %s::text[], %s::integer[], %s::text[], %s::text[], %s::text[],
        %s::integer[], %s::text[], %s::text[], %s::text[], %s::text[]
    ) AS wanted(token, run_id, task_id, number, pool, document, labels, rank, lane, workspace, agent, provider)
    ON CONFLICT DO NOTHING RETURNING {_ROW}, {_NOW} AS now
    """  # noqa: S608 -- constants
_SWAP: Final = """
    UPDATE aurora_attempts AS row SET
        state = new.state, worker = new.worker, fence = new.fence, until = new.until, cancel = new.cancel,
        progress = coalesce(new.progress, row.progress), result = coalesce(new.result, row.result),
        claimed_at = CASE WHEN row.state = 'queued' AND new.state = 'running' THEN clock_timestamp()
            ELSE row.claimed_at END,
        over_at = CASE WHEN new.over THEN clock_timestamp() END
    FROM unnest(
        %s::text[],
        %s::text[], %s::text[], %s::integer[], %s::double precision[], %s::text[],
        %s::text[], %s::text[], %s::integer[], %s::double precision[], %s::text[],
        %s::bigint[], %s::bytea[], %s::boolean[]
    ) AS new(
        token,
        old_state, old_worker, old_fence, old_until, old_cancel,
        state, worker, fence, until, cancel,
        progress, result, over
    )
    WHERE row.token = new.token AND row.state = new.old_state AND row.worker = new.old_worker
        AND row.fence = new.old_fence AND row.until = new.old_until AND row.cancel = new.old_cancel
    RETURNING row.token
    """
"""Changes rows that are still as they were read; a row that is not is left as it is."""
_LOOK: Final = f"""
    SELECT token, state, worker, fence, until, cancel, progress,
        CASE WHEN state IN ('queued', 'running') THEN '' ELSE document END AS document,
        extract(epoch FROM created_at)::float8 AS created, {_NOW} AS now,
        CASE WHEN octet_length(result) <= {SMALL_RESULT_BYTES} THEN result END AS result
    FROM aurora_attempts WHERE token = ANY(%s)
    """  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True, kw_only=True)
class _Submission:
    token: str
    key: tuple[str, str, int]
    pool: str
    document: str
    labels: tuple[str, ...]
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Swap:
    token: str
    old: Lease
    new: Lease
    progress: int | None
    result: bytes | None


@dataclass(slots=True)
class AttemptStore:
    """The attempts and workers of a database. All calls raise `QueueUnavailableError` and `QueueUnusableError`."""

    database: Database
    _submissions: Batches[_Submission, StoredAttempt] = field(init=False)
    _swaps: Batches[_Swap, bool] = field(init=False)

    def __post_init__(self) -> None:
        self._submissions = Batches(carry_out=self._submit_all, most=SUBMITTED_AT_ONCE)
        self._swaps = Batches(carry_out=self._swap_all, most=SWAPPED_AT_ONCE)

    def close(self) -> None:
        """Closes the connection, and leaves what is under way."""
        self._submissions.close()
        self._swaps.close()
        self.database.close()

    async def submit(
        self,
        token: str,
        *,
        key: tuple[str, str, int],
        pool: str,
        document: str,
        labels: Sequence[str] = (),
        standing: Standing = _FIRST_COME,
    ) -> StoredAttempt:
        """Queues an attempt once, however often it is called, and returns the row that its key has.

        Args:
            key: Run, task and number of the attempt. The row has another token if somebody else has used the key.
            labels: Those that its worker must have.
            standing: What decides when its turn comes.
        """
        return await self._submissions.ask(
            _Submission(token=token, key=key, pool=pool, document=document, labels=tuple(labels), standing=standing)
        )

    async def _submit_all(self, wanted: Sequence[_Submission]) -> list[StoredAttempt]:
        columns = (
            [each.token for each in wanted],
            *zip(*(each.key for each in wanted), strict=True),
            [each.pool for each in wanted],
            [each.document for each in wanted],
            [json.dumps(each.labels) for each in wanted],
            [each.standing.rank for each in wanted],
            [each.standing.lane(each.key[0], each.labels) for each in wanted],
            [each.standing.workspace for each in wanted],
            [each.standing.agent for each in wanted],
            [each.standing.provider for each in wanted],
        )
        found = await self.database.all(_SUBMIT, *(list(each) for each in columns))
        rows = {row["token"]: row for row in found}
        for each in wanted:
            if each.token not in rows:
                rows[each.token] = await self._row_of_key(each)
        return [_attempt(rows[each.token]) for each in wanted]

    async def _row_of_key(self, wanted: _Submission) -> dict[str, Any]:
        """Returns the row that an attempt's token or key has already."""
        row = await self.database.one(
            f"SELECT {_ROW}, {_NOW} AS now FROM aurora_attempts"  # noqa: S608 -- constants
            " WHERE token = %s OR (run_id = %s AND task_id = %s AND number = %s) ORDER BY token <> %s",
            *(wanted.token, *wanted.key, wanted.token),
        )
        assert row is not None
        return row

    async def read(self, token: str) -> StoredAttempt | None:
        """Returns an attempt; None if the database does not have it."""
        query = f"SELECT {_ROW}, {_NOW} AS now FROM aurora_attempts WHERE token = %s"  # noqa: S608 -- constants
        row = await self.database.one(query, token)
        return None if row is None else _attempt(row)

    async def look(self, tokens: Sequence[str]) -> dict[str, StoredAttempt]:
        """Returns attempts by token, without the orders of those that go on, with results that are small."""
        rows = await self.database.all(_LOOK, list(tokens))
        return {row["token"]: _attempt(row) for row in rows}

    async def result_of(self, token: str) -> bytes:
        """Returns the packed result of a finished attempt."""
        row = await self.database.one("SELECT result FROM aurora_attempts WHERE token = %s", token)
        return b"" if row is None else bytes(row["result"] or b"")

    async def void(self, token: str) -> bool:
        """Sees to it that an attempt which was never queued never will be; returns False if it was queued."""
        row = await self.database.one(
            "INSERT INTO aurora_attempts (token, run_id, task_id, number, pool, document, state, over_at)"
            " VALUES (%s, '', %s, 0, '', '', 'voided', clock_timestamp()) ON CONFLICT DO NOTHING RETURNING token",
            token,
            token,
        )
        return row is not None

    async def change(
        self,
        token: str,
        rule: Callable[[Lease, float], Lease | None],
        *,
        progress: int | None = None,
        result: bytes | None = None,
        known: tuple[Lease, float] | None = None,
    ) -> Lease | None:
        """Changes an attempt by a rule of `lease.py`; None if the rule does not allow it, or there is no such row.

        Args:
            rule: Gets the row and the database's time.
            progress: A number that has grown if the agent did something.
            result: The packed result, for the change that accepts it.
            known: The row as it was last read or changed, and the database's time then, which ends a lease no later.
                If it is still so, one statement changes it, with those of others. If not, the rule gets the row anew.
        """
        if known is not None and len(result or b"") <= SMALL_RESULT_BYTES:
            new = rule(*known)
            swap = new and _Swap(token=token, old=known[0], new=new, progress=progress, result=result)
            if swap and await self._swaps.ask(swap):
                return new
        async with self.database.transaction() as connection:
            _row, changed = await _changed(connection, token, rule, progress=progress, result=result)
        return changed

    async def _swap_all(self, swaps: Sequence[_Swap]) -> list[bool]:
        ordered = sorted(
            swaps, key=lambda each: each.token
        )  # two that change the same rows do not wait for each other
        leases = [[_columns(each.old) for each in ordered], [_columns(each.new) for each in ordered]]
        columns = (
            [each.token for each in ordered],
            *(column for each in leases for column in zip(*each, strict=True)),
            [each.progress for each in ordered],
            [each.result for each in ordered],
            [each.new.state in OVER for each in ordered],
        )
        rows = await self.database.all(_SWAP, *(list(each) for each in columns))
        done = {row["token"] for row in rows}
        return [each.token in done for each in swaps]

    async def claim(
        self, pool: str, *, labels: Sequence[str], worker: str, lease_s: float, most: int = 1
    ) -> list[tuple[StoredAttempt, Lease]]:
        """Gives a worker the attempts whose turn it is, with their leases; none if none may begin now.

        Args:
            labels: Those of the worker.
            most: Attempts that it has room for.
        """
        query = "SELECT * FROM aurora_take(%s, %s, %s, %s, %s)"
        rows = await self.database.all(query, pool, list(labels), worker, lease_s, most)
        return [(_attempt(row), _claimed(row, worker, lease_s)) for row in rows]

    async def held_by(self, worker: str) -> list[str]:
        """Returns the tokens of the attempts that a worker holds."""
        rows = await self.database.all(
            "SELECT token FROM aurora_attempts WHERE worker = %s AND state = 'running' ORDER BY created_at", worker
        )
        return [row["token"] for row in rows]

    async def forget_over(self) -> None:
        """Removes the attempts that are over for long."""
        await self.database.one("SELECT aurora_forget_over()")

    async def announce(
        self,
        worker: str,
        *,
        name: str,
        pool: str,
        concurrency: int,
        agents: Sequence[str],
        labels: Sequence[str],
        new: bool,
        tools: Sequence[AnnouncedTool] = (),
    ) -> bool | None:
        """Writes a sign of life of a worker.

        Returns:
            True if it is to drain; None if it was removed, unless it is new.
        """
        known = json.dumps([each.to_json() for each in tools])
        values = (name, pool, concurrency, list(agents), list(labels), known, worker)
        row = await self.database.one(
            "UPDATE aurora_workers SET name = %s, pool = %s, concurrency = %s, agents = %s, labels = %s,"
            " tools = %s, seen_at = clock_timestamp(), draining = draining AND NOT %s WHERE id = %s"
            " RETURNING draining",
            *values[:-1],
            new,
            worker,
        )
        if row is not None or not new:
            return None if row is None else bool(row["draining"])
        await self.database.one(
            "INSERT INTO aurora_workers (name, pool, concurrency, agents, labels, tools, id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            *values,
        )
        return False

    async def workers(self) -> list[StoredWorker]:
        """Returns all workers, by pool and name."""
        rows = await self.database.all(
            "SELECT w.id, w.name, w.pool, concurrency, agents, labels, tools, draining,"
            " extract(epoch FROM clock_timestamp() - seen_at)::float8 AS seen_s, (SELECT count(*)"
            " FROM aurora_attempts WHERE worker = w.id AND state = 'running') AS running"
            " FROM aurora_workers w ORDER BY w.pool, w.name, w.id"
        )
        return [
            StoredWorker(
                **{
                    **row,
                    "agents": tuple(row["agents"]),
                    "labels": tuple(row["labels"]),
                    "tools": read_tools(row["tools"]),
                }
            )
            for row in rows
        ]

    async def drain(self, worker: str) -> None:
        """Asks a worker to take nothing more and to end with its last attempt."""
        await self.database.one("UPDATE aurora_workers SET draining = true WHERE id = %s", worker)

    async def remove(self, worker: str) -> None:
        """Removes a worker from the list; one that still lives drains."""
        await self.database.one("DELETE FROM aurora_workers WHERE id = %s", worker)


def _claimed(row: dict[str, Any], worker: str, lease_s: float) -> Lease:
    """Returns the lease of an attempt that the database has just given to a worker, by the rule that it followed."""
    queued = Lease(fence=row["fence"] - 1, cancel=Cancel(row["cancel"]))
    claimed = lease.claim(queued, worker, now=row["now"], lease_s=lease_s)
    assert claimed == _lease(row), f"the database has claimed attempt {row['token']} against the rule"
    return claimed


def _columns(row: Lease) -> tuple[str, str, int, float, str]:
    return row.state.value, row.worker, row.fence, row.until, row.cancel.value


async def _changed(
    connection: psycopg.AsyncConnection[DictRow],
    token: str,
    rule: Callable[[Lease, float], Lease | None],
    *,
    progress: int | None = None,
    result: bytes | None = None,
) -> tuple[dict[str, Any] | None, Lease | None]:
    """Changes an attempt as `AttemptStore.change` does; returns its row before, and its lease after that."""
    cursor = await connection.execute(
        f"SELECT {_ROW} FROM aurora_attempts WHERE token = %s FOR UPDATE",  # noqa: S608 -- constants
        (token,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None, None
    cursor = await connection.execute(f"SELECT {_NOW} AS now")  # once the row is ours
    clock = await cursor.fetchone()
    changed = rule(_lease(row), clock["now"] if clock else 0.0)
    if changed is not None:
        await connection.execute(
            "UPDATE aurora_attempts SET state = %s, worker = %s, fence = %s, until = %s, cancel = %s,"
            " progress = coalesce(%s, progress), result = coalesce(%s, result),"
            " claimed_at = CASE WHEN state = 'queued' AND %s = 'running' THEN clock_timestamp() ELSE claimed_at END,"
            " over_at = CASE WHEN %s THEN clock_timestamp() END WHERE token = %s",
            (
                changed.state.value,
                changed.worker,
                changed.fence,
                changed.until,
                changed.cancel.value,
                progress,
                result,
                changed.state.value,
                changed.state in OVER,
                token,
            ),
        )
    return row, changed


def _lease(row: dict[str, Any]) -> Lease:
    return Lease(
        state=AttemptState(row["state"]),
        worker=row["worker"],
        fence=row["fence"],
        until=row["until"],
        cancel=Cancel(row["cancel"]),
    )


def _attempt(row: dict[str, Any]) -> StoredAttempt:
    return StoredAttempt(
        token=row["token"],
        lease=_lease(row),
        document=row["document"],
        progress=row["progress"],
        now=row["now"],
        waited_s=row["now"] - row["created"],
        result=row.get("result"),
    )
