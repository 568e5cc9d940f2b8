"""A model is asked until its answer is valid, with the exact error, and no answer is lost."""

from __future__ import annotations

import asyncio

import pytest

from aurora_soar import Completion, ModelAnswerError
from aurora_soar.models.structured import TRIES, Replies, ask_until_valid


class Scripted:
    """A model with prepared answers."""

    name = "scripted"

    def __init__(self, *answers: str, error: str | None = None) -> None:
        self.answers = [Completion(text=text, agent="scripted", usage=None, error=None) for text in answers]
        if error is not None:
            self.answers.append(Completion(text="", agent="scripted", usage=None, error=error))
        self.prompts: list[str] = []

    async def ask(self, prompt: str, *, title: str) -> Completion:
        assert title == "number"
        self.prompts.append(prompt)
        return self.answers[len(self.prompts) - 1]


def number(completion: Completion) -> int:
    if not completion.text.isdigit():
        raise ModelAnswerError(f"{completion.text!r} is not a number")
    return int(completion.text)


def ask(model: Scripted) -> Replies[int]:
    return asyncio.run(ask_until_valid(model, "A number, please.", number, title="number"))


def test_a_valid_answer_ends_the_questions() -> None:
    model = Scripted("7", "8")
    replies = ask(model)
    assert (replies.value, len(replies.calls), replies.errors) == (7, 1, ())
    assert model.prompts == ["A number, please."]


def test_each_repeat_names_the_last_error_only() -> None:
    model = Scripted("one", "two", "3")
    replies = ask(model)
    assert replies.value == 3
    assert replies.errors == ("'one' is not a number", "'two' is not a number")
    assert "'one'" in model.prompts[1]
    assert "'two'" in model.prompts[2]
    assert "'one'" not in model.prompts[2], "the request would grow with each try"
    assert all(prompt.startswith("A number, please.") for prompt in model.prompts)


def test_after_the_last_try_there_is_no_value_and_every_answer_is_kept() -> None:
    model = Scripted("one", "two", "three", "4")
    replies = ask(model)
    assert replies.value is None
    assert len(replies.calls) == len(replies.errors) == TRIES == 3


def test_a_zero_is_a_value() -> None:
    replies = ask(Scripted("0"))
    assert replies.value == 0
    assert len(replies.calls) == 1


@pytest.mark.parametrize("before", [(), ("one",)])
def test_a_model_that_fails_is_not_asked_again(before: tuple[str, ...]) -> None:
    model = Scripted(*before, error="timeout after 120 s")
    replies = ask(model)
    assert replies.value is None
    assert replies.errors[-1] == "timeout after 120 s"
    assert len(model.prompts) == len(before) + 1


def test_an_error_of_the_reader_itself_is_not_swallowed() -> None:
    def broken(_: Completion) -> int:
        raise KeyError("defect")

    with pytest.raises(KeyError, match="defect"):
        asyncio.run(ask_until_valid(Scripted("1"), "?", broken, title="number"))
