"""The program of the `model` backend: sends one question to a model and prints its answer as events.

    python -m aurora_spawner.backends.model.call --api openai --base-url URL --model NAME < prompt

The key is in AURORA_MODEL_KEY. Events are lines of JSON: start, text, usage, retry, then done or failed. A call that
fails before any answer is retried once if a retry may soon succeed. A rate limit or overload (429, 503, 529) is not
retried here: the provider gate makes all agents of an account wait together.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.base import Said
from aurora_spawner.backends.fields import Fields, object_in
from aurora_spawner.backends.model.apis import APIS, KEY_VARIABLE, Answer, Api, Question, failure_of
from aurora_spawner.backends.model.limit_headers import windows_in
from aurora_spawner.backends.model.sse import SseReader, StreamError
from aurora_spawner.tasks.failure import ReportedFailure, believed_wait_s

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import httpx

TRIES: Final = 2
WAIT_S: Final = (0.3, 1.5)
"""The bounds of the random wait between two tries."""
CONNECT_S: Final = 10.0
ERROR_BYTES: Final = 64 << 10
"""The bytes read of an error's body."""
REDACTED: Final = "***"
"""The text that replaces the key if a server repeats it."""
_WORTH_RETRYING: Final = frozenset({500, 502, 504})


class CallError(Exception):
    """A call that failed.

    Attributes:
        again: True if a retry may succeed soon.
    """

    def __init__(self, failure: ReportedFailure, *, again: bool = False) -> None:
        self.failure = failure
        self.again = again
        super().__init__(failure.text)


@dataclass(slots=True)
class Redactor:
    """Removes a secret from a text that arrives in pieces, even if a piece ends within it."""

    secret: str = field(repr=False)
    _held: str = field(default="", repr=False)
    """The end of the text so far, if it may be the start of the secret."""

    def feed(self, piece: str) -> str:
        """Returns the part of the text that is safe to show."""
        if not self.secret:
            return piece
        text = (self._held + piece).replace(self.secret, REDACTED)
        longest = min(len(text), len(self.secret) - 1)
        held = next((size for size in range(longest, 0, -1) if self.secret.startswith(text[-size:])), 0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def close(self) -> str:
        """Returns the held text, which is not the secret after all."""
        held, self._held = self._held, ""
        return held


@dataclass(slots=True, kw_only=True)
class Call:
    """A call of a model."""

    api: Api
    url: str
    question: Question
    key: str = field(repr=False)
    idle_s: float
    """The longest silence within an answer, in seconds."""
    emit: Callable[[dict[str, Any]], None]
    answered: bool = False
    """True once part of the answer is printed: a retry would print it twice."""

    def run(self) -> bool:
        """Calls the model and emits events; returns True if the answer is complete."""
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

        tries = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_random(*WAIT_S),
            retry=retry_if_exception(self._may_try_again),
            before_sleep=lambda state: self._emit_retry(
                state.outcome.exception() if state.outcome else None, state.upcoming_sleep
            ),
            reraise=True,
        )
        try:
            tries(self._call)
        except CallError as error:
            self.emit({"type": "failed", **self._public(error.failure)})
            return False
        self.emit({"type": "done"})
        return True

    def _may_try_again(self, error: BaseException) -> bool:
        return isinstance(error, CallError) and error.again and not self.answered

    def _emit_retry(self, error: BaseException | None, delay_s: float) -> None:
        failure = error.failure if isinstance(error, CallError) else ReportedFailure()
        self.emit({"type": "retry", "attempt": 1, "delay_s": round(delay_s, 3), **self._public(failure)})

    def _public(self, failure: ReportedFailure) -> dict[str, Any]:
        """Returns a failure as JSON values, without the key, which some servers repeat."""
        public = failure.to_json()
        if self.key:
            public["message"] = failure.message.replace(self.key, REDACTED)
        return public

    def _call(self) -> None:
        """Calls the model once.

        Raises:
            CallError: The answer is missing or incomplete.
        """
        import httpx

        headers = {**self.api.extra, **(self.api.headers(self.key) if self.key else {})}
        timeout = httpx.Timeout(self.idle_s, connect=CONNECT_S)
        # A model on this machine is called without TLS, and need not wait until all certificates are read.
        verify = not self.url.startswith("http:")
        try:
            with (
                httpx.Client(timeout=timeout, follow_redirects=False, verify=verify) as client,
                client.stream("POST", self.url, json=self.api.body(self.question), headers=headers) as response,
            ):
                self._emit_windows(response.headers)
                if response.status_code != 200:
                    raise _refused(response)
                self._read(response)
        except httpx.TimeoutException as error:
            silent = f"no data for {self.idle_s:.0f} s"
            reason = "no connection in time" if isinstance(error, httpx.ConnectTimeout) else silent
            raise CallError(ReportedFailure(code="deadline_exceeded", message=f"{self._place}: {reason}")) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise CallError(
                ReportedFailure(code="invalid_request_error", message=f"{self._place}: {error}")
            ) from error
        except httpx.TransportError as error:
            raise self._broken(error) from error

    def _emit_windows(self, headers: Mapping[str, str]) -> None:
        windows = windows_in(headers)
        if windows:
            self.emit({"type": "windows", "windows": [asdict(window) for window in windows]})

    @property
    def _place(self) -> str:
        return self.url.partition("?")[0]

    def _broken(self, error: httpx.TransportError) -> CallError:
        import httpx

        if isinstance(error, httpx.ConnectError):
            failure = ReportedFailure(message=f"connection error: {self._place} cannot be reached ({error})")
        else:
            message = f"connection error: {self._place} closed the connection ({type(error).__name__})"
            failure = ReportedFailure(code="aborted_streaming", message=message)
        return CallError(failure, again=True)

    def _read(self, response: httpx.Response) -> None:
        answer, reader, redactor = Answer(), SseReader(), Redactor(self.key)
        started, beginning = False, b""
        try:
            for piece in chain(response.iter_bytes(), (b"",)):
                beginning = beginning or piece[:200]
                for data in reader.feed(piece) if piece else reader.close():
                    started = self._take(data, answer, redactor, started=started)
                if answer.over:  # some servers keep the connection open
                    break
        except StreamError as error:
            raise CallError(ReportedFailure(code="api_error", message=f"{self._place}: {error}")) from error
        finally:
            self._emit_text(redactor.close())
            if answer.usage is not None:
                self.emit({"type": "usage", "model": answer.model or self.question.model, **answer.usage.to_json()})
        if not started:
            shown = beginning.decode("utf-8", "replace")
            message = f"{self._place} did not answer with a stream of events: {shown!r}"
            raise CallError(ReportedFailure(code="api_error", message=message))
        failure = answer.closing()
        if failure is not None:
            raise CallError(failure, again=failure.status in _WORTH_RETRYING or not answer.ending)

    def _take(self, data: str, answer: Answer, redactor: Redactor, *, started: bool) -> bool:
        """Takes one event; returns True once an event of this API has arrived."""
        event = object_in(data)
        if event is None:
            answer.over = answer.over or data.strip() == "[DONE]"
            return started
        text = self.api.read(event, answer)
        if not started:
            self.emit({"type": "start", "model": answer.model or self.question.model})
        self.answered = self.answered or bool(text)
        self._emit_text(redactor.feed(text))
        return True

    def _emit_text(self, text: str) -> None:
        if text:
            self.emit({"type": "text", "text": text})


def _refused(response: httpx.Response) -> CallError:
    """Returns the error of an answer whose status is not 200."""
    status = response.status_code
    content = b""
    for piece in response.iter_bytes():
        content += piece
        if len(content) > ERROR_BYTES:
            break
    text = content[:ERROR_BYTES].decode("utf-8", "replace")
    document = object_in(text) or (object_in(text.strip()[1:-1]) if text.lstrip().startswith("[") else None)
    failure = failure_of(document or Fields({"message": " ".join(text.split())[:300]}), status=status)
    waits = _retry_after_s(response.headers) or failure.retry_after_s
    message = failure.message or f"the provider answered with status {status}"
    reported = ReportedFailure(code=failure.code, status=status, message=message, retry_after_s=waits)
    return CallError(reported, again=status in _WORTH_RETRYING)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Returns the wait that the provider names, in seconds, milliseconds or as a date."""
    for name, factor in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if text and text.isascii() and text.replace(".", "", 1).isdecimal() and len(text) < 16:
            return believed_wait_s(text, unit_s=factor)
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
        moment = until if until.tzinfo else until.replace(tzinfo=UTC)
        return believed_wait_s(max(0.0, (moment - datetime.now(UTC)).total_seconds()))
    except (ValueError, TypeError, OverflowError):
        return None


def _emit(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="aurora_spawner.backends.model.call", description="Ask a model one question; the prompt is on stdin."
    )
    parser.add_argument("--api", choices=sorted(APIS), required=True)
    parser.add_argument("--base-url", default="")
    parser.add_argument("--model", required=True)
    parser.add_argument("--max-tokens", type=int, required=True)
    parser.add_argument("--idle-s", type=float, required=True)
    parser.add_argument("--instructions", type=Path, help="a file with the system prompt")
    parser.add_argument("--earlier", type=Path, help="a file with the conversation before the prompt")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Calls the model; returns the exit code, 0 for a complete answer."""
    given = _arguments(words)
    api = APIS[given.api]
    prompt = sys.stdin.buffer.read().decode("utf-8", "replace")
    instructions = given.instructions.read_text(encoding="utf-8") if given.instructions else ""
    earlier = json.loads(given.earlier.read_text(encoding="utf-8")) if given.earlier else ()
    question = Question(
        model=given.model,
        prompt=prompt,
        instructions=instructions.strip(),
        max_tokens=given.max_tokens,
        earlier=tuple(Said(by_user=each["by_user"], text=each["text"]) for each in earlier),
    )
    call = Call(
        api=api,
        url=(given.base_url or api.base_url).rstrip("/") + api.path(question),
        question=question,
        key=os.environ.pop(KEY_VARIABLE, ""),
        idle_s=given.idle_s,
        emit=_emit,
    )
    return 0 if call.run() else 1


if __name__ == "__main__":
    status = main(sys.argv[1:])
    gc.freeze()  # the interpreter's last collections would visit all that was imported
    sys.exit(status)
