"""Sessions of questions: durable, safe with two at once, forgettable; what "it" means is named without a model."""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

import aurora_soar.sessions
from aurora_core import Project
from aurora_soar import Aurora, NoSessionError, SessionIdError
from aurora_soar.phases.background import Background
from aurora_soar.question.follow_up import resolve
from aurora_soar.sessions import ANSWER_KEPT, SessionStore, Turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def turn(number: int = 0, *, session: str = "work", answer: str = "At till.py:1.", **more: str) -> Turn:
    said: dict[str, Any] = {
        "asked": "Where is Till.scan?",
        "question": "Where is Till.scan?",
        "subject": "Till.scan",
        **more,
    }
    query_id = f"soar-{number or uuid4()}"  # each execution has a name of its own
    return Turn(session=session, number=max(1, number), query_id=query_id, at=float(number), answer=answer, **said)


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(Project.init(tmp_path))


@pytest.mark.parametrize(
    ("asked", "question"),
    [
        ("and who calls it?", "Who calls `Till.scan`?"),
        ("Where is it tested?", "Where is `Till.scan` tested?"),
        ("What does this function return?", "What does `Till.scan` return?"),
        ("What are its tests?", "What are `Till.scan`'s tests?"),
        ("Why is that?", "Why is `Till.scan`?"),
        ("and the tests?", "The tests of `Till.scan`?"),
        ("Why?", "Why `Till.scan`?"),
        ("What about Till.total?", "Where is `Till.total`?"),
        ("but how does it raise an error?", "How does `Till.scan` raise an error?"),
        # These stand for themselves.
        ("Where is Basket.add defined and who calls it?", None),
        ("How does the scheduler pick the tasks of a run when they fail?", None),
        ("Is it possible to pay by card?", None),
        ("Where are retries limited?", None),
        ("Which function that reads prices is slow?", None),
        ("Explain the class that reads prices", None),
    ],
)
def test_a_follow_up_names_what_it_is_about(asked: str, question: str | None) -> None:
    assert resolve(asked, [turn()]).text == (question or asked)
    assert resolve(asked, []).text == asked, "without an earlier turn nothing is meant"


def test_the_subject_of_plain_words_is_named_without_quotes() -> None:
    resolved = resolve("and who changes it?", [turn(subject="retry limit")])
    assert (resolved.text, resolved.subject) == ("Who changes retry limit?", "retry limit")


def test_turns_are_numbered_and_survive_garbage_and_a_cut_line(store: SessionStore, tmp_path: Path) -> None:
    store.add(turn())
    file = tmp_path / ".aurora" / "logs" / "turns.jsonl"
    whole = file.read_bytes()
    file.write_bytes(b"\xff\x00garbage\n[]\n" + whole + whole[: len(whole) // 2])
    assert store.add(turn()).number == 2
    (session,) = store.all()
    assert [each.number for each in session.turns] == [1, 2]


def _add(root: Path, number: int) -> None:
    for _ in range(10):
        SessionStore(Project(root=root)).add(turn(session=f"s{number % 2}"))


def test_several_at_once_lose_no_turn(tmp_path: Path) -> None:
    Project.init(tmp_path)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add, args=(tmp_path, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    sessions = SessionStore(Project(root=tmp_path)).all()
    assert [sorted(t.number for t in each.turns) for each in sessions] == [list(range(1, 21))] * 2


def test_a_session_can_be_forgotten_and_the_others_stay(store: SessionStore) -> None:
    for name in ("work", "play", "work"):
        store.add(turn(session=name))
    assert store.forget("work") == 2
    assert [each.id for each in store.all()] == ["play"]
    assert store.forget("work") == 0


def test_the_file_stays_bounded_and_the_newest_turns_stay(
    store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aurora_soar.sessions, "_LARGEST", 20_000)
    for number in range(20):
        store.add(turn(answer="x" * 10 * ANSWER_KEPT, asked=f"Question {number}"))
    assert (tmp_path / ".aurora/logs/turns.jsonl").stat().st_size < 60_000
    (session,) = store.all()
    assert session.turns[-1].asked == "Question 19"
    assert len(session.turns[-1].answer) == ANSWER_KEPT


def test_the_latest_session_is_continued_and_a_bad_name_refused(store: SessionStore) -> None:
    with pytest.raises(NoSessionError, match="no question was asked"):
        store.conversation(latest=True)
    store.add(turn(1, session="old"))
    store.add(turn(2, session="new"))
    assert store.conversation(latest=True).id == "new"
    assert [each.session for each in store.conversation("old").turns] == ["old"]
    assert store.conversation("other").turns == ()
    for name in ("", "../x", "a b", "x" * 65, "-x", "ä"):
        with pytest.raises(SessionIdError):
            store.conversation(name)


def test_a_link_in_place_of_the_file_is_not_followed(store: SessionStore, tmp_path: Path) -> None:
    store.add(turn())
    (tmp_path / ".aurora/logs/turns.jsonl").unlink()
    (tmp_path / ".aurora/logs/turns.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        store.add(turn())
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_in_its_place_is_named_and_nothing_hangs(
    store: SessionStore, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    store.add(turn())
    (tmp_path / ".aurora/logs/turns.jsonl").unlink()
    make(tmp_path / ".aurora/logs/turns.jsonl")
    for use in (store.all, lambda: store.add(turn())):
        with pytest.raises(OSError, match=r"is not a regular file.*turns\.jsonl"):
            use()


def test_what_does_not_fit_the_budget_is_named_newest_turns_first() -> None:
    turns = [turn(number, answer=f"answer {number} " + "word " * 460) for number in range(1, 7)]
    carried = Background.of(turns, ()).turns
    assert carried.tokens <= carried.budget == 2_000
    assert carried.carried == ("soar-4", "soar-5", "soar-6")
    assert carried.left_out == ("turn 1", "turn 2", "turn 3")
    assert carried.text.index("answer 4") < carried.text.index("answer 6")


def test_a_single_turn_that_is_too_long_is_cut_and_that_is_said() -> None:
    carried = Background.of([turn(answer="word " * 4_000)], ()).turns
    assert carried.tokens <= carried.budget
    assert carried.left_out == ("the end of turn 1",)


def test_a_question_goes_on_from_the_one_before(shop: Path) -> None:
    (shop / "src" / "sale.py").write_text(
        "from till import Till\n\n\ndef sell(till: Till) -> int:\n    return till.scan(3)\n"
    )
    with Aurora.open() as aurora:
        with pytest.raises(NoSessionError):
            aurora.ask("Who calls it?", continue_session=True)
        first = aurora.ask("Where is Till.scan?")
        second = aurora.ask("and who calls it?", continue_session=True)
        assert second.question.text == "Who calls `Till.scan`?"
        assert "src/sale.py:5" in second.answer
        assert "Taken as: Who calls `Till.scan`?" in second.response
        third = aurora.ask("And who calls it?", session_id="other")
        assert third.question.text == "And who calls it?", "a session of its own knows nothing of the others"
        (other, latest) = aurora.sessions.all()
    assert (other.id, latest.id) == ("other", first.query_id)
    assert [each.query_id for each in latest.turns] == [first.query_id, second.query_id]
    document = second.to_dict()["session"]
    assert document["asked"] == "and who calls it?"  # type: ignore[index]
    assert document["turns"]["carried"] == [first.query_id]  # type: ignore[index]
