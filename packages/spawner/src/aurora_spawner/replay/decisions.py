"""The decisions among the events of a run, in the form in which a replay compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.journal import facts, work_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Fields = dict[str, Any]
"""The fields of an event that are compared; times, tokens and texts for people are not among them."""


def decision_in(kind: str, said: Mapping[str, Any]) -> Fields | None:
    """Returns what is compared of an event; None if the event is no decision of the coordinator.

    Args:
        said: Its fields.

    Raises:
        KeyError, TypeError: It is malformed.
    """
    reader = _READERS.get(kind)
    return None if reader is None else reader(said)


def subject_of(kind: str, task_id: str | None, said: Mapping[str, Any]) -> str:
    """Returns what a decision is about: decisions about the same are made in the same order.

    What recovery decides about a task is written with whatever is written of the task next, so it is apart.
    """
    if kind == facts.BreakerMoved.kind:
        return f"breaker {said['agent']}"
    return kind if task_id is None else f"{kind} of task {task_id}"


def in_words(kind: str, decision: Mapping[str, Any]) -> str:
    """Describes a decision for people."""
    match kind:
        case facts.AttemptIntended.kind:
            return f"attempt {decision['number']} by @{decision['agent']} starts"
        case facts.RecoveryTransitioned.kind:
            cause = f" ({decision['cause']})" if decision["cause"] else ""
            return f"{decision['from_state']} → {decision['to_state']} with @{decision['agent']}{cause}"
        case facts.TaskSettled.kind:
            return f"settled as {decision['state']} by @{decision['agent']}, retries: {decision['retry_count']}"
        case facts.BreakerMoved.kind:
            return f"circuit of @{decision['agent']} {decision['state']}, failures: {decision['failures']}"
        case _:
            said = ", ".join(f"{name} {value}" for name, value in decision.items())
            return f"{kind.replace('_', ' ')}: {said}" if said else kind.replace("_", " ")


def _intended(said: Mapping[str, Any]) -> Fields | None:
    if said["role"] != facts.WORK:
        return None
    return {"number": said["number"], "agent": said["agent"]}


def _claimed(said: Mapping[str, Any]) -> Fields | None:
    return None if said["seen"] else {"files": list(said["files"])}


def _moved(said: Mapping[str, Any]) -> Fields:
    change = said["change"]
    return {name: change[name] for name in ("from_state", "to_state", "step", "agent", "category", "cause")}


def _breaker(said: Mapping[str, Any]) -> Fields:
    breaker = said["breaker"]
    return {"agent": said["agent"], "state": breaker["state"], "failures": len(breaker["failures"])}


def _settled(said: Mapping[str, Any]) -> Fields:
    result = said["result"]
    found: Fields = {name: result[name] for name in ("state", "agent", "retry_count", "fallback", "original_agent")}
    choice = result["choice"]
    if result["state"] == "skipped":
        found["error"] = result["error"]
    if choice is not None:
        found["winner"] = choice["winner"]
    return found


def _added(said: Mapping[str, Any]) -> Fields | None:
    if said["added_by"] is None:
        return None
    rewired = {each["id"]: each["depends_on"] for each in said["rewired"]}
    return {"added_by": said["added_by"], "tasks": [each["id"] for each in said["tasks"]], "rewired": rewired}


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Fields | None]]] = {
    facts.AttemptIntended.kind: _intended,
    work_facts.FilesClaimed.kind: _claimed,
    facts.RecoveryTransitioned.kind: _moved,
    facts.BreakerMoved.kind: _breaker,
    facts.TaskSettled.kind: _settled,
    facts.TaskReopened.kind: lambda said: {"why": said["why"]},
    facts.TasksAdded.kind: _added,
    facts.BatchTripped.kind: lambda said: {"action": said["action"]},
}


def wait_s(said: Mapping[str, Any]) -> float | None:
    """Returns the wait before a retry that a decision asks for; None if it asks for none."""
    due = said.get("due")
    return None if due is None else float(due) - float(said["change"]["at"])


def wait_words(seconds: float | None) -> str:
    """Describes the wait before a retry for people."""
    return "waits for no retry" if seconds is None else f"waits {seconds:.1f} s"


def subject_words(task_id: str | None) -> str:
    """Returns the beginning of a sentence about a task; empty for the run."""
    return "" if task_id is None else f"task {task_id}: "
