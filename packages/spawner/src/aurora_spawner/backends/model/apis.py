"""The model APIs: the request that each expects, and the meaning of its answer's events. Sends nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aurora_spawner.backends.base import Said
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_spawner.backends.fields import Fields

KEY_VARIABLE: Final = "AURORA_MODEL_KEY"
"""The variable that passes the key to the calling program."""
WELL_ENDED: Final = frozenset({"end_turn", "stop", "stop_sequence", "completed", "STOP"})
CUT_OFF: Final = frozenset({"max_tokens", "length", "max_output_tokens", "MAX_TOKENS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The question to a model."""

    model: str
    prompt: str
    instructions: str = ""
    """The text of the system prompt."""
    max_tokens: int
    """The largest answer, in tokens."""
    earlier: tuple[Said, ...] = ()
    """The conversation before the prompt."""

    @property
    def said(self) -> tuple[Said, ...]:
        """The conversation with the prompt as its end."""
        return (*self.earlier, Said(by_user=True, text=self.prompt))


@dataclass(slots=True, kw_only=True)
class Answer:
    """The part of an answer that has arrived."""

    model: str | None = None
    usage: Usage | None = None
    ending: str = ""
    """The stop reason; "" until the model reports one."""
    failure: ReportedFailure | None = None
    """A failure that the API reports during its answer."""
    over: bool = False
    """True if the answer has ended, even if the connection stays open."""

    def closing(self) -> ReportedFailure | None:
        """Returns the failure of an answer that has ended; None for a complete answer."""
        if self.failure is not None or self.ending in WELL_ENDED:
            return self.failure
        if not self.ending:
            return ReportedFailure(code="aborted_streaming", message="the answer ended before it was complete")
        if self.ending in CUT_OFF:
            return ReportedFailure(code="error_max_tokens", message="the answer reached its token limit")
        return ReportedFailure(code=self.ending.lower(), message=f"the model stopped with {self.ending}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """An API of a model."""

    name: str
    provider: str
    """The provider whose rate limits apply at the API's own address."""
    base_url: str
    """The API's own address."""
    path: Callable[[Question], str]
    headers: Callable[[str], Mapping[str, str]]
    """Returns the headers that carry the key."""
    body: Callable[[Question], dict[str, Any]]
    read: Callable[[Fields, Answer], str]
    """Takes an event and the answer so far, which it updates; returns the text that the event adds."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further headers of every call."""


# Anthropic: Messages.


def _anthropic_body(question: Question) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": question.model,
        "max_tokens": question.max_tokens,
        "messages": _turns(question),
        "stream": True,
    }
    return {**body, "system": question.instructions} if question.instructions else body


def _anthropic_read(event: Fields, answer: Answer) -> str:
    kind = event.text("type")
    if kind == "message_start":
        message = event.fields("message")
        answer.model = message.text("model") or None
        answer.usage = _anthropic_usage(message.fields("usage"), Usage())
    elif kind == "content_block_delta":
        return event.fields("delta").text("text")
    elif kind == "message_delta":
        answer.ending = event.fields("delta").text("stop_reason") or answer.ending
        answer.usage = _anthropic_usage(event.fields("usage"), answer.usage or Usage())
    elif kind == "message_stop":
        answer.over = True
    elif kind == "error":
        answer.failure = failure_of(event)
    return ""


def _anthropic_usage(used: Fields, before: Usage) -> Usage:
    """Returns the usage so far: counts are totals, and a count that an event omits stays unchanged."""
    return Usage(
        input_tokens=used.count("input_tokens") or before.input_tokens,
        output_tokens=used.count("output_tokens") or before.output_tokens,
        cache_read_tokens=used.count("cache_read_input_tokens") or before.cache_read_tokens,
        cache_write_tokens=used.count("cache_creation_input_tokens") or before.cache_write_tokens,
    )


def _turns(question: Question) -> list[dict[str, str]]:
    return [{"role": "user" if each.by_user else "assistant", "content": each.text} for each in question.said]


# OpenAI and everything that is compatible: chat completions, then responses.


def _messages(question: Question) -> list[dict[str, str]]:
    system = [{"role": "system", "content": question.instructions}] if question.instructions else []
    return [*system, *_turns(question)]


def _chat_body(question: Question) -> dict[str, Any]:
    return {
        "model": question.model,
        "messages": _messages(question),
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _chat_read(event: Fields, answer: Answer) -> str:
    if event.has("error"):
        answer.failure = failure_of(event)
        return ""
    answer.model = event.text("model") or answer.model
    used = event.fields("usage")
    if used.raw:
        cached = used.fields("prompt_tokens_details").count("cached_tokens")
        answer.usage = _with_cached(used.count("prompt_tokens"), cached, used.count("completion_tokens"))
    text = ""
    for choice in event.rows("choices")[:1]:
        answer.ending = choice.text("finish_reason") or answer.ending
        text += choice.fields("delta").text("content")
    return text


def _with_cached(read: int, cached: int, written: int) -> Usage:
    """Returns the usage of an API that counts cached tokens among the input tokens."""
    return Usage(input_tokens=max(0, read - cached), output_tokens=written, cache_read_tokens=cached)


def _responses_body(question: Question) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": question.model,
        "input": _turns(question) if question.earlier else question.prompt,
        "stream": True,
        "store": False,
    }
    return {**body, "instructions": question.instructions} if question.instructions else body


def _responses_read(event: Fields, answer: Answer) -> str:
    kind, response = event.text("type"), event.fields("response")
    if kind == "response.output_text.delta":
        return event.text("delta")
    if kind in ("response.created", "response.completed", "response.failed", "response.incomplete"):
        answer.model = response.text("model") or answer.model
        used = response.fields("usage")
        if used.raw:
            cached = used.fields("input_tokens_details").count("cached_tokens")
            answer.usage = _with_cached(used.count("input_tokens"), cached, used.count("output_tokens"))
    answer.over = kind in ("response.completed", "response.failed", "response.incomplete")
    if kind == "response.completed":
        answer.ending = "completed"
    elif kind == "response.incomplete":
        answer.ending = response.fields("incomplete_details").text("reason") or "incomplete"
    elif kind == "response.failed":
        answer.failure = failure_of(response)
    elif kind == "error":
        answer.failure = failure_of(event)
    return ""


# Gemini.


def _gemini_path(question: Question) -> str:
    return f"/v1beta/models/{quote(question.model, safe='')}:streamGenerateContent?alt=sse"


def _gemini_body(question: Question) -> dict[str, Any]:
    said = [{"role": "user" if each.by_user else "model", "parts": [{"text": each.text}]} for each in question.said]
    body: dict[str, Any] = {"contents": said}
    system = {"systemInstruction": {"parts": [{"text": question.instructions}]}} if question.instructions else {}
    return {**body, **system}


def _gemini_read(event: Fields, answer: Answer) -> str:
    if event.has("error"):
        answer.failure = failure_of(event)
        return ""
    answer.model = event.text("modelVersion") or answer.model
    used = event.fields("usageMetadata")
    if used.raw:
        written = used.count("candidatesTokenCount") + used.count("thoughtsTokenCount")
        answer.usage = _with_cached(used.count("promptTokenCount"), used.count("cachedContentTokenCount"), written)
    answer.ending = event.fields("promptFeedback").text("blockReason") or answer.ending
    text = ""
    for candidate in event.rows("candidates")[:1]:
        answer.ending = candidate.text("finishReason") or answer.ending
        parts = candidate.fields("content").rows("parts")
        text += "".join(part.text("text") for part in parts if not part.is_true("thought"))
    return text


def failure_of(document: Fields, *, status: int | None = None) -> ReportedFailure:
    """Returns the failure in an API's error, whichever API sent it."""
    error = document.fields("error")
    if not error.raw:
        error = document
    message = error.text("message", "detail") or document.text("message", "detail", "error")
    code = error.text("status", "code", "type")
    return ReportedFailure(
        code="" if code == "error" else code,
        status=status or error.whole("code", "status"),
        message=message[:2000],
        retry_after_s=_retry_delay_s(error),
    )


def _retry_delay_s(error: Fields) -> float | None:
    """Returns the wait that Gemini names among the details: `"retryDelay": "17s"`."""
    for detail in error.rows("details"):
        said = detail.text("retryDelay").removesuffix("s")
        if said.replace(".", "", 1).isascii() and said.replace(".", "", 1).isdecimal():
            return float(said)
    return None


def _bearer(key: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {key}"}


APIS: Final[Mapping[str, Api]] = {
    api.name: api
    for api in (
        Api(
            name="anthropic",
            provider="anthropic",
            base_url="https://api.anthropic.com",
            path=lambda _question: "/v1/messages",
            headers=lambda key: {"x-api-key": key},
            body=_anthropic_body,
            read=_anthropic_read,
            extra={"anthropic-version": "2023-06-01"},
        ),
        Api(
            name="openai",
            provider="openai",
            base_url="https://api.openai.com/v1",
            path=lambda _question: "/chat/completions",
            headers=_bearer,
            body=_chat_body,
            read=_chat_read,
        ),
        Api(
            name="openai-responses",
            provider="openai",
            base_url="https://api.openai.com/v1",
            path=lambda _question: "/responses",
            headers=_bearer,
            body=_responses_body,
            read=_responses_read,
        ),
        Api(
            name="gemini",
            provider="google",
            base_url="https://generativelanguage.googleapis.com",
            path=_gemini_path,
            headers=lambda key: {"x-goog-api-key": key},
            body=_gemini_body,
            read=_gemini_read,
        ),
    )
}
"""The APIs by their names in the configuration."""
