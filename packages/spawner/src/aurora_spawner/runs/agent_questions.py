"""Questions that agents ask a person themselves, through the inbox of their run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import SpawnerError
from aurora_spawner.gates.masking import masked
from aurora_spawner.tasks.approvals import AGENT_GATE, ApprovalQuestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.runs.approval_inbox import ApprovalInbox
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
        if (found := run.tasks.asking(token)) is not None:
            return found
        await asyncio.sleep(0.05)
    return None


async def ask_for_agent(run: RunContext, request: Mapping[str, Any]) -> dict[str, Any]:
    """Asks a person what an agent wants to know; returns the answer once there is one, and whose it is.

    Without an answer in time it is the default.

    Raises:
        SpawnerError: No attempt of this run asks; else as for `ask_person`.
    """
    asking = await asking_attempt(run, str(request.get("token")))
    if asking is None:
        raise SpawnerError("no attempt of this run asks")
    task_id, attempt = asking
    _question, answer = await ask_person(run.approvals, task_id, attempt, request)
    return said(answer, request.get("default"))


async def ask_person(
    inbox: ApprovalInbox, task_id: str, attempt: AskingAttempt, request: Mapping[str, Any], *, once: bool = True
) -> tuple[ApprovalQuestion, ApprovalAnswer]:
    """Asks a person what a request of an attempt wants to know; returns the question and the answer.

    Args:
        once: the same question of the same attempt is one: if its first call was lost, it gets the answer that was
            given meanwhile, and it stays open if its caller hangs up.

    Raises:
        SpawnerError: The request has no question, or the attempt has asked too often.
        ApprovalCutOffError: The attempt ends.
    """
    default, choices = request.get("default"), request.get("choices") or []
    question = question_of(task_id, request.get("question"), default, choices)
    answer = inbox.answer_to(question, attempt.number) if once else None
    if answer is None:
        is_new = not (once and inbox.is_open(question, attempt.number))
        if is_new and inbox.count(task_id, attempt.number, AGENT_GATE) >= QUESTIONS_LIMIT:
            raise SpawnerError(f"this attempt has asked {QUESTIONS_LIMIT} questions; decide without asking")
        answer = await inbox.ask_or_leave(question, attempt, stays=once)
    return question, answer


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
