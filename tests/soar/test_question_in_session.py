"""A question that is cut off stays a turn of its session, and the cache neither spoils it nor is spoilt by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import few
from tests.soar.killed_questions import QUESTION, Counted, orchestrator
from tests.soar.test_question_resume import Stopping

from aurora_core import ChunkKind, Memory, Project
from aurora_soar import NotResumableError
from aurora_soar.answer_cache import AnswerCache
from aurora_soar.resumption.record import asked_question
from aurora_soar.sessions import SessionStore
from aurora_soar.taskruns.resume import list_resumable

if TYPE_CHECKING:
    from aurora_soar.sessions import Conversation, Turn

FOLLOW_UP = "and explain how it computes the backoff delay and why it gives up after the limit"


class DiedError(Exception):
    """The end of a process, right after it has written a turn."""


@pytest.fixture
def cache(project: Project) -> AnswerCache:
    return AnswerCache(project.aurora_dir / "answers")


def dying(conversation: Conversation) -> Conversation:
    """The same session, in a process that dies when it has written the turn."""

    def add(turn: Turn) -> Turn:
        conversation.add(turn)
        raise DiedError

    return replace(conversation, add=add)


def cached_answers(project: Project) -> int:
    return len([*(project.aurora_dir / "answers").glob("answer-*.json")])


@pytest.mark.parametrize("at", few(["plan", "answer", "turn"], 1))
def test_a_follow_up_that_is_resumed_is_one_turn_after_those_that_it_has_seen(
    project: Project, memory: Memory, at: str
) -> None:
    sessions = SessionStore(project)
    soar = orchestrator(project, memory)
    first = soar.execute("Where is retry_loop defined?", conversation=sessions.conversation("work"))
    conversation = sessions.conversation("work")
    if at == "turn":
        with pytest.raises(DiedError):
            soar.execute(FOLLOW_UP, conversation=dying(conversation))
    else:
        soar._model = Stopping(Counted(project.root), at)
        assert soar.execute(FOLLOW_UP, conversation=conversation).interrupted
    (left,) = list_resumable(project.runs_db)
    soar.execute("Where is LIMIT defined?", conversation=sessions.conversation("work"))
    resumed = soar.resume(left.run.run_id)
    assert resumed.ok
    assert (resumed.session, resumed.asked) == ("work", FOLLOW_UP)
    assert resumed.question.text.startswith("Explain how `retry_loop` computes")
    assert resumed.carried is not None
    assert resumed.carried.turns.carried == (first.query_id,), "the turn that was asked meanwhile is not seen"
    (session,) = sessions.all()
    (turn,) = [each for each in session.turns if each.query_id == resumed.query_id]
    assert (turn.asked, turn.subject, len(session.turns)) == (FOLLOW_UP, "retry_loop", 3)


def test_a_cached_answer_is_given_once_more_without_a_call_and_recorded_once(
    project: Project, memory: Memory, cache: AnswerCache
) -> None:
    sessions = SessionStore(project)
    soar = orchestrator(project, memory, cache=cache)
    first = soar.execute(QUESTION, conversation=sessions.conversation())
    asked = (project.root / "asked").read_text()
    with pytest.raises(DiedError):
        soar.execute(QUESTION, conversation=dying(sessions.conversation()))
    (left,) = list_resumable(project.runs_db)
    again = soar.resume(left.run.run_id)
    assert (again.cached_from, again.answer, again.ok) == (first.query_id, first.answer, True)
    assert (project.root / "asked").read_text() == asked
    assert [len(each.turns) for each in sessions.all()] == [1, 1]
    assert list_resumable(project.runs_db) == []
    with pytest.raises(NotResumableError):
        soar.resume(again.query_id)
    recorded = memory.search(QUESTION, kinds=[ChunkKind.REAS])
    assert [hit.reasoning.run_id for hit in recorded if hit.reasoning] == [first.query_id]
    assert cached_answers(project) == 1


def test_a_resumed_question_goes_on_with_its_own_work_though_another_was_answered_meanwhile(
    project: Project, memory: Memory, cache: AnswerCache
) -> None:
    soar = orchestrator(project, memory, cache=cache)
    soar._model = Stopping(Counted(project.root), "answer")
    cut_off = soar.execute(QUESTION)
    orchestrator(project, memory, cache=cache).execute(QUESTION)
    resumed = soar.resume(cut_off.query_id)
    assert (resumed.ok, resumed.cached_from, resumed.run_id) == (True, "", cut_off.run_id)
    assert [call.agent for call in resumed.plan_calls] == ["coder"], "its plan, and what that has cost, stays its own"


@pytest.mark.parametrize("changed", [False, True])
def test_an_answer_that_rests_on_code_of_two_states_is_not_cached(
    project: Project, memory: Memory, cache: AnswerCache, *, changed: bool
) -> None:
    soar = orchestrator(project, memory, cache=cache)
    soar._model = Stopping(Counted(project.root), "answer")
    cut_off = soar.execute(QUESTION)
    if changed:
        (project.root / "other.py").write_text("def other():\n    return 1\n")
        memory.index()
    assert soar.resume(cut_off.query_id).ok
    assert cached_answers(project) == (0 if changed else 1)


def test_what_may_not_come_from_the_cache_may_not_after_a_resume(project: Project, memory: Memory) -> None:
    fresh = AnswerCache(project.aurora_dir / "answers", fresh=True)
    soar = orchestrator(project, memory, cache=fresh)
    soar._model = Stopping(Counted(project.root), "plan")
    cut_off = soar.execute(QUESTION)
    assert asked_question(project.runs_db, cut_off.query_id).fresh
