"""Questions that agents ask a person themselves, through the inbox of their run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import SpawnerError
from aurora_spawner.gates.masking import masked
from aurora_spawner.tasks.approvals import AGENT_GATE, ApprovalQuestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.approvals import ApprovalAnswer, AskingAttempt

QUESTIONS_LIMIT: Final = 20
"""The most questions of one attempt; an agent in a loop must not fill the inbox."""
TEXT_LIMIT: Final = 2_000
"""Characters of a question, and of its default."""
CHOICES_LIMIT: Final = 10
KNOWN_WITHIN_S: Final = 10.0
"""The time in which a new coordinator takes over the attempts that it has found."""


async def asking_attempt(run: RunContext, token: str) -> tuple[str, AskingAttempt] | None:
    """Returns a running attempt and its task; one that was found after a restart is known a moment later."""
    for _ in range(int(KNOWN_WITHIN_S / 0.05)):
        if (found := attempt_of(run, token)) is not None:
            return found
        await asyncio.sleep(0.05)
    return None


def attempt_of(run: RunContext, token: str) -> tuple[str, AskingAttempt] | None:
    """Returns the task and the attempt of a token; None if no attempt has it that is known to run."""
    for task_id, flight in run.tasks.in_flight.items():
        if (attempt := flight.asking(token)) is not None:
            return task_id, attempt
    return None


async def ask_for_agent(run: RunContext, request: Mapping[str, Any]) -> dict[str, Any]:
    """Asks a person what an agent wants to know; returns the answer once there is one, and whose it is.

    The same question of the same attempt is asked once: if its first call was lost, it gets the answer that was given
    meanwhile. Without an answer in time it is the default.

    Raises:
        SpawnerError: The request has no question, or no attempt of this run asks, or it has asked too often.
    """
    asking = await asking_attempt(run, str(request.get("token")))
    if asking is None:
        raise SpawnerError("no attempt of this run asks")
    task_id, attempt = asking
    default, choices = request.get("default"), request.get("choices") or []
    question = question_of(task_id, request.get("question"), default, choices)
    earlier = run.approvals.answer_to(question, attempt.number)
    if earlier is None:
        is_new = not run.approvals.is_open(question, attempt.number)
        if is_new and run.approvals.count(task_id, attempt.number, AGENT_GATE) >= QUESTIONS_LIMIT:
            raise SpawnerError(f"this attempt has asked {QUESTIONS_LIMIT} questions; decide without asking")
        earlier = await run.approvals.ask_or_leave(question, attempt, stays=True)
    return said(earlier, default)


def question_of(task_id: str, text: object, default: object, choices: object) -> ApprovalQuestion:
    """Returns a question of an agent as the inbox takes it.

    Raises:
        SpawnerError: It is none, or too long.
    """
    texts = [each if isinstance(each, str) else "" for each in choices] if isinstance(choices, list) else [""]
    if not isinstance(text, str) or not text.strip() or not isinstance(default, str | None):
        raise SpawnerError("a question is a text, and so is its default")
    if len(texts) > CHOICES_LIMIT or not all(texts):
        raise SpawnerError(f"choices are at most {CHOICES_LIMIT} texts")
    if max(map(len, (text, default or "", *texts))) > TEXT_LIMIT:
        raise SpawnerError(f"a question has at most {TEXT_LIMIT} characters, and so has each answer to it")
    wants = f"asks you to choose: {' | '.join(texts)}" if texts else "asks you"
    otherwise = f"; without an answer: {default}" if default else "; without an answer it goes on as it can"
    return ApprovalQuestion(
        task_id=task_id, gate=AGENT_GATE, subject=masked(text), rule="question", reason=masked(wants + otherwise)
    )


def said(answer: ApprovalAnswer, default: str | None) -> dict[str, Any]:
    """Returns an answer in words, and whose it is: user, default or nobody."""
    by_person = answer.by == "user"
    plain = "yes" if answer.approved else "no"
    text = (answer.note or (default if answer.approved and default else plain)) if by_person else default
    return {"answer": text, "by": "user" if by_person else "default" if default else "nobody"}
