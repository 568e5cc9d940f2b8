"""Requests to a session: one line of JSON each."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aurora_spawner.conversations.transcript import checked_turn

__all__ = ["LINE_LIMIT", "BadLineError", "Request", "read_request"]

LINE_LIMIT: Final = 8 << 20
"""The most bytes of a line: a turn of the greatest length in escapes of six bytes fits in."""


_Name = Annotated[str, Field(min_length=1)]


class BadLineError(ValueError):
    """A line that is no request; says what it has to be."""


class Request(BaseModel):
    """One line: exactly one of its fields but `text`, `note` and `always`.

    Attributes:
        say: a turn.
        answer: the id of a question, with the answer as `text`.
        approve: the id of something that is asked for; with `always` in the rest of the session.
        deny: the id of something that is asked for, with the reason as `note`.
        interrupt: ends the turn that runs.
        switch: the agent of the next turns.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    say: str | None = None
    answer: _Name | None = None
    text: str = ""
    approve: _Name | None = None
    deny: _Name | None = None
    note: str = ""
    always: bool = False
    interrupt: bool = False
    switch: _Name | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Request:
        wanted = [self.say, self.answer, self.approve, self.deny, self.switch, self.interrupt or None]
        if sum(each is not None for each in wanted) != 1:
            raise ValueError("it has exactly one of say, answer, approve, deny, interrupt and switch")
        if self.say is not None and not self.say.strip():
            raise ValueError("say is empty")
        return self


def read_request(line: bytes) -> Request:
    """Reads a line.

    Raises:
        BadLineError: it is none that can be understood.
        TurnTooLongError: it has a turn that is too long.
    """
    if len(line) > LINE_LIMIT:
        raise BadLineError(f"the line has more than {LINE_LIMIT:,} bytes")
    try:
        request = Request.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadLineError(f"{place}: {first['msg']}" if place else first["msg"]) from error
    if request.say is not None:
        checked_turn(request.say)
    return request
