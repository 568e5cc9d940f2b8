"""The tables of runs, tasks, attempts and their recovery, updated in the transaction of each event.

`CHANGES` has the statements of each fact. Their parameters are `:run_id`, `:task_id`, `:at` and the fact's own
fields, with lists and objects as JSON. A fact without statements changes no table.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.journal.approval_facts import (
    ApprovalAnswered,
    ApprovalRequested,
    ApprovalWithdrawn,
    GrantRevoked,
    GrantStored,
)
from aurora_spawner.journal.entries import field_names
from aurora_spawner.journal.facts import (
    AttemptEnded,
    AttemptIntended,
    AttemptStarted,
    BreakerMoved,
    CancelWithdrawn,
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
from aurora_spawner.journal.work_facts import (
    ChecksIntended,
    RunDelivered,
    WorkChecked,
    WorkDiscarded,
    WorkMerged,
    WorkReturned,
    WorkReviewed,
    WorkspaceIntended,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from aurora_spawner.journal.entries import Entry

CHANGES: Final[Mapping[type[Fact], tuple[str, ...]]] = {
    RunCreated: (
        """
        INSERT INTO runs (run_id, kind, state, created_at, cwd, spool, max_concurrent, default_agent,
            default_timeout_s, options)
        VALUES (:run_id, :run_kind, 'created', :at, :cwd, :spool, :max_concurrent, :default_agent,
            :default_timeout_s, :options)
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
    WorkspaceIntended: (
        "UPDATE tasks SET worktree = :path, branch = :branch WHERE run_id = :run_id AND task_id = :task_id",
    ),
    ChecksIntended: (
        """
        UPDATE tasks SET checking = json_object('number', :number, 'commit', :commit)
        WHERE run_id = :run_id AND task_id = :task_id
        """,
    ),
    WorkChecked: (
        """
        UPDATE tasks SET checked = json_insert(COALESCE(checked, '[]'), '$[#]', json(:checked))
        WHERE run_id = :run_id AND task_id = :task_id
        """,
    ),
    WorkReturned: (
        """
        UPDATE tasks SET returned = json_insert(COALESCE(returned, '[]'), '$[#]', json(:returned))
        WHERE run_id = :run_id AND task_id = :task_id
        """,
    ),
    WorkReviewed: (
        """
        UPDATE tasks SET reviews = json_insert(COALESCE(reviews, '[]'), '$[#]', json(:review))
        WHERE run_id = :run_id AND task_id = :task_id
        """,
    ),
    WorkDiscarded: ("UPDATE tasks SET merge = :merge WHERE run_id = :run_id AND task_id = :task_id",),
    WorkMerged: ("UPDATE tasks SET merge = :merge WHERE run_id = :run_id AND task_id = :task_id",),
    RunDelivered: ("UPDATE runs SET delivery = :delivery WHERE run_id = :run_id",),
    AttemptIntended: (
        """
        INSERT INTO attempts (run_id, task_id, number, state, token, agent, folder, role, intended_at)
        VALUES (:run_id, :task_id, :number, 'intended', :token, :agent, :folder, :role, :at)
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
        UPDATE tasks SET state = 'pending', started_at = NULL, ended_at = NULL, result = NULL, merge = NULL,
            spec = :task, content_hash = json_extract(:task, '$.content_hash'),
            checked = CASE WHEN :why IN ('interrupted', 'cancelled') THEN checked END, checking = NULL,
            returned = CASE WHEN :why IN ('interrupted', 'cancelled') THEN returned END,
            reviews = CASE WHEN :why IN ('interrupted', 'cancelled') THEN reviews END,
            cancel_asked = cancel_asked AND :why IN ('interrupted', 'cancelled')
        WHERE run_id = :run_id AND task_id = :task_id
        """,
        # An attempt that the end of a run cut off continues; anything else starts again.
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
    ApprovalRequested: (
        """
        INSERT INTO approvals (run_id, approval, task_id, number, agent, gate, subject, rule, reason, shape, limit_s,
            asked_at, state)
        VALUES (:run_id, :approval, :task_id, :number, :agent, :gate, :subject, :rule, :reason, :shape, :limit_s, :at,
            'open')
        """,
    ),
    ApprovalAnswered: (
        """
        UPDATE approvals SET state = CASE WHEN :approved THEN 'approved' ELSE 'denied' END, answered_at = :at,
            answered_by = :by, note = :note, answered_user = :user
        WHERE run_id = :run_id AND approval = :approval AND state = 'open'
        """,
    ),
    ApprovalWithdrawn: (
        """
        UPDATE approvals SET state = 'withdrawn', answered_at = :at, note = :why
        WHERE run_id = :run_id AND approval = :approval AND state = 'open'
        """,
    ),
    GrantStored: ("UPDATE approvals SET granted = 1 WHERE run_id = :run_id AND approval = :approval",),
    GrantRevoked: ("UPDATE approvals SET granted = 0 WHERE run_id = :run_id AND approval = :approval",),
}


_BEFORE_FIELDS: Final = ("at", "run_id", "task_id")


def _compiled(kind: str, statement: str) -> tuple[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]]:
    """Returns a statement with parameters by position, and the getter of their values; by name they take longer."""
    columns = (*_BEFORE_FIELDS, *field_names(kind))
    places = [columns.index(name) for name in _PARAMETER.findall(statement)]
    one = itemgetter(slice(places[0], places[0] + 1))
    return _PARAMETER.sub("?", statement), itemgetter(*places) if len(places) > 1 else one


_PARAMETER: Final = re.compile(r":(\w+)")
_STATEMENTS: Final = {
    fact.kind: tuple(_compiled(fact.kind, statement) for statement in statements)
    for fact, statements in CHANGES.items()
}


def project(entry: Entry, at: float, connection: sqlite3.Connection) -> None:
    """Applies a fact to the tables; `at` is its Unix time."""
    run_id, task_id, kind, _payload, values = entry
    row = (at, run_id, task_id, *values)
    for statement, parameters in _STATEMENTS.get(kind, ()):
        connection.execute(statement, parameters(row))
