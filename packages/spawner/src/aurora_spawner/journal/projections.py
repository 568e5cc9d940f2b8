"""The tables of runs, tasks, attempts and their recovery, kept in step with the events in the same transaction.

What each fact changes is a table of statements. They see `:run_id`, `:task_id`, `:at` and the fact's own fields by
name, lists and objects among them as JSON. A fact that is not in the table changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.journal.facts import (
    AttemptEnded,
    AttemptIntended,
    AttemptStarted,
    BreakerMoved,
    CancelWithdrawn,
    Entry,
    Fact,
    RecoveryTransitioned,
    RunCleaned,
    RunCreated,
    RunEnded,
    RunPaused,
    RunTaken,
    RunUnpaused,
    TaskCancelled,
    TaskReopened,
    TasksAdded,
    TaskSettled,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

CHANGES: Final[Mapping[type[Fact], tuple[str, ...]]] = {
    RunCreated: (
        """
        INSERT INTO runs (run_id, kind, state, created_at, cwd, spool, max_concurrent, default_agent,
            default_timeout_s)
        VALUES (:run_id, :run_kind, 'created', :at, :cwd, :spool, :max_concurrent, :default_agent,
            :default_timeout_s)
        """,
    ),
    TasksAdded: (
        """
        INSERT INTO tasks (run_id, task_id, position, state, content_hash, spec, added_by)
        SELECT :run_id, json_extract(value, '$.id'), :first_position + key, 'pending',
            json_extract(value, '$.content_hash'), value, :added_by
        FROM json_each(:tasks)
        """,
        """
        UPDATE tasks SET (spec, content_hash) = (
            SELECT value, json_extract(value, '$.content_hash') FROM json_each(:rewired)
            WHERE json_extract(value, '$.id') = task_id
        )
        WHERE run_id = :run_id AND task_id IN (SELECT json_extract(value, '$.id') FROM json_each(:rewired))
        """,
    ),
    RunTaken: (
        """
        UPDATE runs SET state = 'running', paused = 0, started_at = COALESCE(started_at, :at), ended_at = NULL,
            lease = :lease, holder = :holder
        WHERE run_id = :run_id
        """,
    ),
    RunPaused: ("UPDATE runs SET paused = 1 WHERE run_id = :run_id",),
    RunUnpaused: ("UPDATE runs SET paused = 0 WHERE run_id = :run_id",),
    RunEnded: ("UPDATE runs SET state = :state, ended_at = :at, lease = NULL, holder = NULL WHERE run_id = :run_id",),
    RunCleaned: ("DELETE FROM runs WHERE run_id = :run_id",),
    AttemptIntended: (
        """
        INSERT INTO attempts (run_id, task_id, number, state, token, agent, folder, intended_at)
        VALUES (:run_id, :task_id, :number, 'intended', :token, :agent, :folder, :at)
        """,
        """
        UPDATE tasks SET state = 'running', attempts = :number, started_at = COALESCE(started_at, :at)
        WHERE run_id = :run_id AND task_id = :task_id
        """,
    ),
    AttemptStarted: (
        """
        UPDATE attempts SET state = 'started', supervisor = :supervisor, started_at = COALESCE(started_at, :at)
        WHERE run_id = :run_id AND task_id = :task_id AND number = :number
        """,
    ),
    AttemptEnded: (
        """
        UPDATE attempts SET state = 'ended', ended_at = :at, reason = :reason, exit_code = :exit_code
        WHERE run_id = :run_id AND task_id = :task_id AND number = :number
        """,
    ),
    TaskSettled: (
        """
        UPDATE tasks SET state = json_extract(:result, '$.state'), ended_at = :at, result = :result
        WHERE run_id = :run_id AND task_id = :task_id
        """,
    ),
    TaskReopened: (
        """
        UPDATE tasks SET state = 'pending', started_at = NULL, ended_at = NULL, result = NULL, spec = :task,
            content_hash = json_extract(:task, '$.content_hash'),
            cancel_asked = cancel_asked AND :why IN ('interrupted', 'cancelled')
        WHERE run_id = :run_id AND task_id = :task_id
        """,
        # What the end of a run cut off goes on where it was; anything else begins anew.
        """
        DELETE FROM recoveries
        WHERE run_id = :run_id AND task_id = :task_id AND :why NOT IN ('interrupted', 'cancelled')
        """,
    ),
    TaskCancelled: ("UPDATE tasks SET cancel_asked = 1 WHERE run_id = :run_id AND task_id = :task_id",),
    CancelWithdrawn: ("UPDATE tasks SET cancel_asked = 0 WHERE run_id = :run_id AND task_id = :task_id",),
    RecoveryTransitioned: (
        """
        INSERT INTO recoveries (run_id, task_id, state, agent, due, changes)
        VALUES (:run_id, :task_id, json_extract(:change, '$.to_state'), json_extract(:change, '$.agent'), :due,
            json_array(json(:change)))
        ON CONFLICT DO UPDATE SET state = excluded.state, agent = excluded.agent, due = excluded.due,
            changes = json_insert(changes, '$[#]', json(:change))
        """,
        """
        UPDATE tasks SET state = 'pending'
        WHERE :waits AND run_id = :run_id AND task_id = :task_id AND state = 'running'
        """,
    ),
    BreakerMoved: (
        """
        INSERT INTO breakers (run_id, agent, at, breaker) VALUES (:run_id, :agent, :at, :breaker)
        ON CONFLICT DO UPDATE SET at = excluded.at, breaker = excluded.breaker
        """,
    ),
}


def project(entry: Entry, fields: Mapping[str, Any], at: float, connection: sqlite3.Connection) -> None:
    """Change the tables as a fact says.

    Args:
        fields: The fact's, lists and objects as JSON.
        at: Its Unix time.
    """
    statements = CHANGES.get(type(entry.fact))
    if not statements:
        return
    values = {"run_id": entry.run_id, "task_id": entry.task_id, "at": at, **fields}
    for statement in statements:
        connection.execute(statement, values)
