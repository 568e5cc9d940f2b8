"""Questions of agents are checked before they reach the inbox, and an agent in a loop cannot fill it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from aurora_spawner.errors import SpawnerError
from aurora_spawner.runs.agent_questions import QUESTIONS_LIMIT, ask_for_agent
from aurora_spawner.tasks.approvals import ApprovalAnswer, ApprovalQuestion, AskingAttempt


class Inbox:
    def __init__(self, answer: ApprovalAnswer) -> None:
        self.answer, self.asked = answer, list[ApprovalQuestion]()
        self.is_waiting = False

    def answer_to(self, _question: ApprovalQuestion, _number: int) -> None:
        return None

    def is_open(self, question: ApprovalQuestion, _number: int) -> bool:
        return self.is_waiting and question in self.asked

    def count(self, _task_id: str, _number: int, gate: str) -> int:
        return sum(each.gate == gate for each in self.asked)

    async def ask_or_leave(self, question: ApprovalQuestion, _by: AskingAttempt, *, stays: bool) -> ApprovalAnswer:
        assert stays
        self.asked.append(question)
        return self.answer


class Tasks:
    def asking(self, token: str) -> tuple[str, AskingAttempt] | None:
        return ("a", AskingAttempt(number=1, agent="sh")) if token == "mine" else None


def ask(inbox: Inbox, **request: Any) -> dict[str, Any]:
    run = SimpleNamespace(tasks=Tasks(), approvals=inbox)
    return asyncio.run(ask_for_agent(run, {"token": "mine", **request}))  # type: ignore[arg-type]


YES = ApprovalAnswer(approved=True, by="user")


@pytest.mark.parametrize(
    ("answer", "default", "said"),
    [
        (YES, None, {"answer": "yes", "by": "user"}),
        (YES, "80", {"answer": "80", "by": "user"}),
        (ApprovalAnswer(approved=True, by="user", note="81"), "80", {"answer": "81", "by": "user"}),
        (ApprovalAnswer(approved=False, by="user"), "80", {"answer": "no", "by": "user"}),
        (ApprovalAnswer(approved=False, by="limit", note="late"), "80", {"answer": "80", "by": "default"}),
        (ApprovalAnswer(approved=False, by="limit", note="late"), None, {"answer": None, "by": "nobody"}),
    ],
)
def test_an_answer_is_that_of_a_person_or_the_default(
    answer: ApprovalAnswer, default: str | None, said: dict[str, Any]
) -> None:
    assert ask(Inbox(answer), question="Which?", default=default) == said


@pytest.mark.parametrize(
    "request_",
    [
        {"question": " "},
        {"question": 1},
        {"question": "x" * 2_001},
        {"question": "x", "default": 1},
        {"question": "x", "choices": ["a"] * 11},
        {"question": "x", "choices": ["a", 1]},
        {"question": "x", "choices": "ab"},
    ],
)
def test_what_is_no_question_is_refused(request_: dict[str, Any]) -> None:
    inbox = Inbox(YES)
    with pytest.raises(SpawnerError):
        ask(inbox, **request_)
    assert inbox.asked == []


def test_an_attempt_asks_a_limited_number_of_questions() -> None:
    inbox = Inbox(YES)
    for number in range(QUESTIONS_LIMIT):
        ask(inbox, question=f"{number}?")
    with pytest.raises(SpawnerError, match="decide without asking"):
        ask(inbox, question="one more?")
    inbox.is_waiting = True  # the answer to a call that was lost with its coordinator is still to come
    assert ask(inbox, question=f"{QUESTIONS_LIMIT - 1}?")["by"] == "user"


def test_a_key_in_a_question_is_not_shown() -> None:
    inbox = Inbox(YES)
    ask(inbox, question="use sk-ant-api03-" + "a1B2" * 23 + "AA?")
    assert "a1B2a1B2" not in inbox.asked[0].subject
