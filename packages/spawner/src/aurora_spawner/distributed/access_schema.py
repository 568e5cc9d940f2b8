"""The tables and functions in the database that decide which worker may do what; `roles.py` gives roles their rights.

A worker says who it is by its token, in the setting `aurora.worker_token` of its connection. The database keeps the
hash of it. Each statement of a worker is held against it anew, so that a token that was revoked, or has expired,
gives nothing from the next statement on.
"""

from __future__ import annotations

from typing import Final

TOKEN_SETTING: Final = "aurora.worker_token"  # noqa: S105 -- the name of it
KEPT: Final = "7 days"
"""The time for which attempts that are over stay in the database."""
KEPT_REFUSALS: Final = "90 days"
MOST_REFUSALS: Final = 1000
"""Different refusals that are kept, the last ones."""

ACCESS_TABLES: Final = """
CREATE TABLE aurora_worker_tokens (
    id text PRIMARY KEY, hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    pool text NOT NULL CHECK (length(pool) BETWEEN 1 AND 200),
    worker text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL, revoked_at timestamptz
);
CREATE TABLE aurora_refusals (
    name text NOT NULL, pool text NOT NULL, token text NOT NULL, problem text NOT NULL,
    times bigint NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(), last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, pool, token, problem)
);
"""

_FACT_OF_WORKER: Final = """
CREATE FUNCTION {function}() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = {schema}, pg_temp AS $body$
    SELECT {column} FROM aurora_worker_tokens
    WHERE hash = sha256(convert_to(coalesce(current_setting('{setting}', true), ''), 'UTF8'))
        AND revoked_at IS NULL AND expires_at > clock_timestamp() AND worker <> ''
$body$;
"""
"""A function that says one thing about the worker of this connection; NULL if its token is none that holds."""
ACCESS_FUNCTIONS: Final = """
CREATE FUNCTION aurora_admit(a_worker text, a_name text, a_pool text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $body$
DECLARE
    secret text := coalesce(current_setting('{setting}', true), '');
    known aurora_worker_tokens;
    problem text := '';
BEGIN
    IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = 'aurora_attempts'::regclass) THEN
        RETURN '';
    END IF;
    SELECT * INTO known FROM aurora_worker_tokens WHERE hash = sha256(convert_to(secret, 'UTF8'));
    problem := CASE
        WHEN secret = '' THEN 'none'
        WHEN known.id IS NULL THEN 'unknown'
        WHEN known.revoked_at IS NOT NULL THEN 'revoked'
        WHEN known.expires_at <= clock_timestamp() THEN 'expired'
        WHEN known.name <> a_name OR known.pool <> a_pool OR known.worker NOT IN ('', a_worker) THEN 'foreign'
        ELSE '' END;
    IF problem = '' AND known.worker = '' THEN  -- the first that uses it; of two at once one
        UPDATE aurora_worker_tokens SET worker = a_worker WHERE id = known.id AND worker IN ('', a_worker);
        problem := CASE WHEN FOUND THEN '' ELSE 'foreign' END;
    END IF;
    IF problem <> '' THEN
        INSERT INTO aurora_refusals (name, pool, token, problem)
            VALUES (left(a_name, 200), left(a_pool, 200), coalesce(known.id, ''), problem)
            ON CONFLICT ON CONSTRAINT aurora_refusals_pkey
            DO UPDATE SET times = aurora_refusals.times + 1, last_at = clock_timestamp();
        DELETE FROM aurora_refusals WHERE ctid IN
            (SELECT ctid FROM aurora_refusals ORDER BY last_at DESC OFFSET {most});
    END IF;
    RETURN problem;
END $body$;
CREATE FUNCTION aurora_forget_over() RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = {schema}, pg_temp AS $body$
    DELETE FROM aurora_attempts WHERE over_at < clock_timestamp() - interval '{kept}';
    DELETE FROM aurora_refusals WHERE last_at < clock_timestamp() - interval '{kept_refusals}';
    DELETE FROM aurora_shares WHERE claimed_at < clock_timestamp() - interval '{kept}';
$body$;
"""


def access_schema(schema: str) -> str:
    """Returns the statements that make the tables and functions.

    Args:
        schema: The schema of the database that has the other tables, quoted: the functions look nowhere else.
    """
    facts = "".join(
        _FACT_OF_WORKER.format(schema=schema, setting=TOKEN_SETTING, function=function, column=column)
        for function, column in (("aurora_worker_id", "worker"), ("aurora_worker_pool", "pool"))
    )
    functions = ACCESS_FUNCTIONS.format(
        schema=schema, setting=TOKEN_SETTING, most=MOST_REFUSALS, kept=KEPT, kept_refusals=KEPT_REFUSALS
    )
    return ACCESS_TABLES + facts + functions
