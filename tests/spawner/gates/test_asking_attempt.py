"""The attempt behind a tool call, by the token that its hook sends."""

from pathlib import Path

from aurora_spawner.attempts.executor import RunningAttempt
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.runs.in_flight import HedgeAttempt, TaskInFlight
from aurora_spawner.tasks.approvals import AskingAttempt


def running(token: str) -> RunningAttempt:
    return RunningAttempt(token=token, folder=Path("/nowhere"), supervisor=own_identity())


def test_a_hedge_asks_for_itself() -> None:
    flight = TaskInFlight(running=running("first"), number=3, agent="claude")
    flight.hedge = HedgeAttempt(agent="codex", number=4, running=running("second"))
    assert flight.asking("first") == AskingAttempt(number=3, agent="claude")
    assert flight.asking("second") == AskingAttempt(number=4, agent="codex")
    assert flight.asking("third") is None
    assert TaskInFlight().asking("") is None
