"""The tables and the function in the database that choose the next attempt of a pool, for all coordinators together.

`aurora_next` is asked by each worker that has room. It looks at priorities first, then at limits, the gates of
providers, and fair shares. Attempts that differ in none of that stand in one lane, in the order in which they came;
so the time for a choice grows with the number of lanes and of running attempts, not with the length of the queue. The
index that has them in this order is the only one of queued attempts: a table that was not analysed yet, as a new one,
made the planner take another and sort the whole queue at each choice.

A place within a limit is held by an attempt that runs, and by nothing else: it is free once the attempt is over, or
its lease has run out for so long that it counts as lost.

`aurora_take` chooses and claims as many as a worker has room for, in one statement, so that the lock under which
workers choose is not held while a network answers. `aurora_ring` wakes the workers of a pool when something comes.
"""

from __future__ import annotations

from typing import Final

from aurora_spawner.distributed.bells import BELL, BELL_HASH
from aurora_spawner.distributed.lease import LOCK_ENDS_AFTER_S, LOST_AFTER_S
from aurora_spawner.rate_limits.gate import PROBE_LIMIT_S, RAMP_LIMIT_S, WAIT_RESET_S

_TURN_LOCK: Final = 0x41555254
"""The first half of the advisory lock under which one worker of a pool chooses at a time."""
NAME_LIMIT: Final = 200
"""Characters of the name of a pool or an agent that has a limit."""
MOST_AT_ONCE: Final = 1_000_000
_TRIES: Final = 8
"""Choices beyond those that a worker has room for; one fails only if its attempt has just been cancelled."""

_TABLES: Final = f"""
CREATE INDEX aurora_attempts_next ON aurora_attempts (pool, rank, lane, created_at) WHERE state = 'queued';
CREATE TABLE aurora_limits (
    pool text NOT NULL CHECK (length(pool) BETWEEN 1 AND {NAME_LIMIT}),
    agent text NOT NULL DEFAULT '' CHECK (length(agent) <= {NAME_LIMIT}),
    most integer NOT NULL CHECK (most BETWEEN 0 AND {MOST_AT_ONCE}),
    PRIMARY KEY (pool, agent)
);
CREATE TABLE aurora_advice (
    pool text PRIMARY KEY CHECK (length(pool) BETWEEN 1 AND {NAME_LIMIT}), desired integer NOT NULL,
    changed_at double precision NOT NULL, lower_since double precision, peak integer NOT NULL,
    told integer, hook_at double precision
);
CREATE INDEX aurora_attempts_ended ON aurora_attempts (pool, over_at) WHERE state = 'finished';
CREATE TABLE aurora_gates (
    provider text PRIMARY KEY CHECK (octet_length(provider) <= 1000),
    gate jsonb NOT NULL CHECK (pg_column_size(gate) <= 65536)
);
CREATE TABLE aurora_shares (
    pool text NOT NULL, workspace text NOT NULL, run_id text NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pool, workspace, run_id)
);
"""

_FUNCTIONS: Final = """
CREATE FUNCTION aurora_held_before(a_gate jsonb, a_now float8) RETURNS float8 LANGUAGE sql IMMUTABLE
AS $body$
    -- Nothing is admitted in a pause; to a probe or a ramp, what was queued since it began.
    SELECT CASE a_gate->>'state'
        WHEN 'paused' THEN CASE WHEN a_now < (a_gate->>'until')::float8 THEN 'infinity'::float8 END
        WHEN 'probing' THEN CASE WHEN a_now < (a_gate->>'until')::float8 THEN (a_gate->>'since')::float8 END
        WHEN 'ramping' THEN CASE WHEN a_now < (a_gate->>'next_start')::float8
            AND a_now <= (a_gate->>'since')::float8 + {ramp_s} THEN (a_gate->>'since')::float8 END
    END
$body$;
CREATE FUNCTION aurora_gate_after(a_gate jsonb, a_now float8, a_run text) RETURNS jsonb LANGUAGE sql IMMUTABLE
AS $body$
    -- The gate after an attempt that nobody has asked for since its state was entered; as `ProviderGate.ask`.
    SELECT CASE
        WHEN a_gate->>'state' = 'ramping' THEN a_gate || jsonb_build_object(
            'next_start', a_now + 1 / greatest((a_gate->>'rate_per_s')::float8, 0.001))
        ELSE a_gate || jsonb_build_object('state', 'probing', 'since', a_now, 'until', a_now + {probe_s},
            'prober', a_run, 'waited_s', CASE
                WHEN a_gate->>'state' <> 'paused' THEN (a_gate->>'waited_s')::float8
                WHEN a_now - (a_gate->>'until')::float8 > {reset_s} THEN 0
                WHEN coalesce(a_gate->>'window', '') <> '' THEN (a_gate->>'waited_s')::float8
                ELSE (a_gate->>'waited_s')::float8
                    + greatest(0, (a_gate->>'until')::float8 - (a_gate->>'since')::float8) END)
    END
$body$;
CREATE FUNCTION aurora_next(a_pool text, a_labels text[]) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {schema}, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $body$
DECLARE
    now_s float8;
    chosen record;
BEGIN
    IF (SELECT relrowsecurity FROM pg_class WHERE oid = 'aurora_attempts'::regclass)
        AND aurora_worker_pool() IS DISTINCT FROM a_pool THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (SELECT FROM aurora_attempts WHERE pool = a_pool AND state = 'queued') THEN
        RETURN NULL;  -- without the lock, since each idle worker asks once a second
    END IF;
    -- Who is cut off must not keep the lock.
    PERFORM set_config('idle_in_transaction_session_timeout', '{ends_s}s', true);
    PERFORM pg_advisory_xact_lock({lock}, hashtext(a_pool));
    now_s := extract(epoch FROM clock_timestamp());
    WITH RECURSIVE head AS (
        (SELECT rank, lane, token FROM aurora_attempts WHERE pool = a_pool AND state = 'queued'
            ORDER BY rank, lane, created_at LIMIT 1)
        UNION ALL
        SELECT later.rank, later.lane, later.token FROM head CROSS JOIN LATERAL (
            SELECT a.rank, a.lane, a.token FROM aurora_attempts a
            WHERE a.pool = a_pool AND a.state = 'queued' AND (a.rank, a.lane) > (head.rank, head.lane)
            ORDER BY a.rank, a.lane, a.created_at LIMIT 1) later
    ), running AS (
        SELECT workspace, run_id, agent, count(*) AS times FROM aurora_attempts
        WHERE pool = a_pool AND state = 'running' AND until + {lost_s} > now_s GROUP BY 1, 2, 3
    ), full_up AS (
        SELECT agent FROM aurora_limits l WHERE pool = a_pool
            AND most <= (SELECT coalesce(sum(times), 0) FROM running r WHERE l.agent IN ('', r.agent))
    ), by_run AS (
        SELECT workspace, run_id, sum(times) AS times FROM running GROUP BY 1, 2
    ), by_workspace AS (
        SELECT workspace, sum(times) AS times FROM running GROUP BY 1
    ), turns AS (
        SELECT workspace, max(claimed_at) AS claimed_at FROM aurora_shares WHERE pool = a_pool GROUP BY 1
    )
    SELECT own.token, own.created_at, first.workspace, first.run_id, first.provider, gates.gate INTO chosen
    FROM head JOIN aurora_attempts first ON first.token = head.token
        LEFT JOIN aurora_gates gates ON gates.provider = first.provider
        LEFT JOIN aurora_shares shares
            ON shares.pool = a_pool AND shares.workspace = first.workspace AND shares.run_id = first.run_id
        LEFT JOIN by_run ON by_run.workspace = first.workspace AND by_run.run_id = first.run_id
        LEFT JOIN by_workspace ON by_workspace.workspace = first.workspace
        LEFT JOIN turns ON turns.workspace = first.workspace
        CROSS JOIN LATERAL (
            SELECT a.token, extract(epoch FROM a.created_at)::float8 AS created_at FROM aurora_attempts a
            WHERE a.pool = a_pool AND a.state = 'queued' AND a.rank = first.rank AND a.lane = first.lane
                AND a.created_at >= CASE WHEN gates.gate IS NULL THEN '-infinity'
                    ELSE to_timestamp(coalesce(aurora_held_before(gates.gate, now_s), '-infinity')) END
            ORDER BY a.created_at LIMIT 1) own
    WHERE first.labels <@ a_labels AND NOT EXISTS (SELECT FROM full_up WHERE full_up.agent IN ('', first.agent))
    ORDER BY first.rank, coalesce(by_workspace.times, 0), turns.claimed_at NULLS FIRST,
        coalesce(by_run.times, 0), shares.claimed_at NULLS FIRST, own.created_at
    LIMIT 1;
    IF chosen.token IS NULL THEN
        RETURN NULL;
    END IF;
    IF chosen.gate->>'state' IN ('paused', 'probing', 'ramping') THEN
        IF chosen.gate->>'state' = 'ramping' AND now_s > (chosen.gate->>'since')::float8 + {ramp_s} THEN
            DELETE FROM aurora_gates WHERE provider = chosen.provider AND gate = chosen.gate;
        ELSIF chosen.gate->>'state' = 'paused' OR chosen.created_at < (chosen.gate->>'since')::float8 THEN
            UPDATE aurora_gates SET gate = aurora_gate_after(gate, now_s, chosen.run_id)
                WHERE provider = chosen.provider AND gate = chosen.gate;
            IF NOT FOUND THEN  -- a coordinator has just changed it: the next look decides anew
                RETURN NULL;
            END IF;
        END IF;
    END IF;
    INSERT INTO aurora_shares (pool, workspace, run_id) VALUES (a_pool, chosen.workspace, chosen.run_id)
        ON CONFLICT ON CONSTRAINT aurora_shares_pkey DO UPDATE SET claimed_at = clock_timestamp();
    RETURN chosen.token;
END $body$;
CREATE FUNCTION aurora_take(a_pool text, a_labels text[], a_worker text, a_lease_s float8, a_most integer)
RETURNS TABLE (token text, document text, state text, worker text, fence integer, until float8, cancel text,
    progress bigint, created float8, now float8)
LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $body$
#variable_conflict use_column
DECLARE
    now_s float8;
    chosen text;
    taken integer := 0;
BEGIN
    FOR times IN 1..a_most + {tries} LOOP
        chosen := aurora_next(a_pool, a_labels);
        EXIT WHEN chosen IS NULL;
        now_s := extract(epoch FROM clock_timestamp());
        -- As `lease.claim`, which the worker holds the answer against. No row: it has just been cancelled.
        RETURN QUERY UPDATE aurora_attempts AS own SET state = 'running', worker = a_worker, fence = own.fence + 1,
            until = now_s + a_lease_s, claimed_at = clock_timestamp()
            WHERE own.token = chosen AND own.state = 'queued'
            RETURNING own.token, own.document, own.state, own.worker, own.fence, own.until, own.cancel, own.progress,
                extract(epoch FROM own.created_at)::float8, now_s;
        IF FOUND THEN
            taken := taken + 1;
        END IF;
        EXIT WHEN taken >= a_most;
    END LOOP;
END $body$;
CREATE FUNCTION aurora_ring() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $body$
BEGIN
    PERFORM pg_notify('{bell}' || left(encode(sha256(convert_to(pool, 'UTF8')), 'hex'), {hash}), '')
        FROM arrived WHERE state = 'queued' GROUP BY pool;
    RETURN NULL;
END $body$;
CREATE TRIGGER aurora_ring AFTER INSERT ON aurora_attempts REFERENCING NEW TABLE AS arrived
    FOR EACH STATEMENT EXECUTE FUNCTION aurora_ring();
"""


def turns_schema(schema: str) -> str:
    """Returns the statements that make the tables and functions.

    Args:
        schema: The schema of the database that has the other tables, quoted: the functions look nowhere else.
    """
    return _TABLES + _FUNCTIONS.format(
        schema=schema,
        bell=BELL,
        hash=BELL_HASH,
        tries=_TRIES,
        lock=_TURN_LOCK,
        ends_s=LOCK_ENDS_AFTER_S,
        lost_s=LOST_AFTER_S,
        probe_s=PROBE_LIMIT_S,
        ramp_s=RAMP_LIMIT_S,
        reset_s=WAIT_RESET_S,
    )
