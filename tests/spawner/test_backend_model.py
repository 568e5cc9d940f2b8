"""The `model` backend: the real program against a server of our own on the loopback, well behaved and otherwise."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exhaustive import few
from tests.warm_python import fork_own_agents

from aurora_spawner import Run, RunOptions, SpawnTask, TaskState
from aurora_spawner.backends.base import AgentBackend
from aurora_spawner.backends.fields import Fields
from aurora_spawner.backends.model import backend as backend_module
from aurora_spawner.backends.model.apis import APIS, Answer
from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.backends.model.call import Redactor, _retry_after_s
from aurora_spawner.backends.model.limit_headers import windows_in
from aurora_spawner.backends.model.sse import EVENT_LIMIT, SseReader, StreamError
from aurora_spawner.classification.causes import Cause
from aurora_spawner.classification.classifier import ErrorClassifier, FailureEvidence
from aurora_spawner.errors import BackendError, MissingExtraError
from aurora_spawner.tasks.usage import Usage
from aurora_spawner.tasks.usage_windows import UsageWindow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.backends.base import Reply

KEY = "sk-secret-0123456789"
ALL = sorted(APIS)


def anthropic(text: str, *, stop: str = "end_turn") -> list[dict[str, Any]]:
    usage = {"input_tokens": 11, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 1}
    return [
        {"type": "message_start", "message": {"model": "m-2026", "usage": usage}},
        {"type": "ping"},
        *({"type": "content_block_delta", "delta": {"type": "text_delta", "text": piece}} for piece in pieces(text)),
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]


def chat(text: str, *, stop: str = "stop") -> list[dict[str, Any]]:
    usage = {"prompt_tokens": 14, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3}}
    return [
        *({"model": "m-2026", "choices": [{"delta": {"content": piece}}]} for piece in pieces(text)),
        {"model": "m-2026", "choices": [{"delta": {}, "finish_reason": stop}]},
        {"model": "m-2026", "choices": [], "usage": usage},
    ]


def responses(text: str, *, stop: str = "") -> list[dict[str, Any]]:
    usage = {"input_tokens": 14, "output_tokens": 7, "input_tokens_details": {"cached_tokens": 3}}
    end = {"model": "m-2026", "usage": usage}
    return [
        {"type": "response.created", "response": {"model": "m-2026"}},
        *({"type": "response.output_text.delta", "delta": piece} for piece in pieces(text)),
        {"type": "response.incomplete", "response": {**end, "incomplete_details": {"reason": stop}}}
        if stop
        else {"type": "response.completed", "response": end},
    ]


def gemini(text: str, *, stop: str = "STOP") -> list[dict[str, Any]]:
    usage = {"promptTokenCount": 14, "cachedContentTokenCount": 3, "candidatesTokenCount": 5, "thoughtsTokenCount": 2}
    said = [
        {"candidates": [{"content": {"parts": [{"text": piece}]}}], "modelVersion": "m-2026"}
        for piece in pieces(text)
    ]
    thought = {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}]}}]}
    return [
        thought,
        *said,
        {"candidates": [{"finishReason": stop}], "usageMetadata": usage, "modelVersion": "m-2026"},
    ]


def pieces(text: str) -> list[str]:
    return [text[at : at + 4000] for at in range(0, len(text), 4000)]


SPEECH = {"anthropic": anthropic, "openai": chat, "openai-responses": responses, "gemini": gemini}
CUT = {"anthropic": "max_tokens", "openai": "length", "openai-responses": "max_output_tokens", "gemini": "MAX_TOKENS"}
ERRORS: dict[str, dict[str, Any]] = {
    "anthropic": {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}},
    "openai": {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}},
    "openai-responses": {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}},
    "gemini": {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}},
}


class Handler(BaseHTTPRequestHandler):
    """Plays the scenario that the first part of the path names, for the API that the rest tells."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass

    def do_POST(self) -> None:
        scenario = self.path.split("/")[1]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        self.server.count[scenario] += 1
        with suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, scenario.partition("-")[0])(*scenario.split("-")[1:])

    @property
    def api(self) -> str:
        rest = self.path.split("/", 2)[2]
        known = {"v1/messages": "anthropic", "chat/completions": "openai", "responses": "openai-responses"}
        return known.get(rest, "gemini")

    def stream(self, events: list[dict[str, Any]], *, end: bool = True) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in events:
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        if end and self.api == "openai":
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def refuse(self, status: int, document: object, **headers: str) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    # The scenarios.

    def ok(self) -> None:
        self.stream(SPEECH[self.api]("Hello, wörld."))

    def huge(self) -> None:
        self.stream(SPEECH[self.api]("word " * 100_000))

    def empty(self) -> None:
        self.stream(SPEECH[self.api](""))

    def cut(self) -> None:
        self.stream(SPEECH[self.api]("half of", stop=CUT[self.api]))

    def limited(self, seconds: str = "17") -> None:
        self.refuse(429, ERRORS[self.api], retry_after=seconds)

    def window(self) -> None:
        told = {"status": "rejected", "5h-status": "rejected", "5h-reset": "4000000000", "5h-utilization": "1.0"}
        headers = {f"anthropic-ratelimit-unified-{name}": value for name, value in told.items()}
        self.refuse(429, ERRORS[self.api], **headers)

    def status(self, code: str) -> None:
        self.refuse(int(code), {"error": {"message": f"no: {KEY}", "type": "error"}})

    def once(self, code: str) -> None:
        if self.server.count[f"once-{code}"] == 1:
            self.status(code)
        else:
            self.ok()

    def drop(self) -> None:
        self.stream(SPEECH[self.api]("half of it" * 1000)[:3], end=False)

    def abort(self) -> None:
        self.close_connection = True

    def hang(self) -> None:
        self.server.ended.wait(20)

    def lingering(self) -> None:
        self.ok()
        self.wfile.flush()
        self.server.ended.wait(20)

    def stall(self) -> None:
        self.stream(SPEECH[self.api]("half of it")[:1], end=False)
        self.wfile.flush()
        self.server.ended.wait(20)

    def garbage(self) -> None:
        self.refuse(200, b"<html>\xff\x00 welcome to the hotel network</html>" * 20)

    def noise(self) -> None:
        self.stream([])
        self.wfile.write(b'data: not json\n\ndata: [1]\n\n:comment\n\ndata: {"type": "unheard", "usage": 7}\n\n')

    def failing(self) -> None:
        told: dict[str, Any] = {"type": "response.failed", "response": ERRORS[self.api]}
        self.stream(
            [*SPEECH[self.api]("half of it")[:2], told if self.api == "openai-responses" else ERRORS[self.api]]
        )


class Server(ThreadingHTTPServer):
    """Remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.count: Counter[str] = Counter()
        self.ended = threading.Event()

    def url(self, scenario: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{scenario}"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program's start in an interpreter of its own is seen in tests/e2e."""
    fork_own_agents(monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield found
        found.ended.set()
        found.shutdown()
        thread.join()


def backend(server: Server, scenario: str, api: str = "openai", **more: Any) -> ModelBackend:
    return ModelBackend(
        name="model", api=api, model="m", base_url=server.url(scenario), **{"key": lambda: KEY, "idle_s": 5.0, **more}
    )


def ask(of: ModelBackend, prompt: str = "Say hello.") -> tuple[Reply, subprocess.CompletedProcess[bytes]]:
    """Run the program as an attempt would, without a supervisor."""
    invocation = of.invoke(SpawnTask(prompt))
    done = subprocess.run(
        invocation.command,
        input=prompt.encode(),
        env={**os.environ, **invocation.env},
        capture_output=True,
        timeout=50,
        check=False,
    )
    return of.read(done.stdout.decode(), done.stderr.decode()), done


def cause(reply: Reply) -> Cause:
    return ErrorClassifier().classify(FailureEvidence(exit_code=1, reported=reply.reported)).cause


@pytest.mark.parametrize("api", ALL)
def test_an_answer_comes_with_its_usage_and_model(server: Server, api: str) -> None:
    reply, done = ask(backend(server, "ok", api))
    assert (reply.text, reply.finished, reply.failure, done.returncode) == ("Hello, wörld.", True, None, 0)
    assert reply.model == "m-2026"
    assert reply.usage is not None
    expected = Usage(input_tokens=11, output_tokens=7, cache_read_tokens=3)
    assert Usage(**{**reply.usage.to_json(), "cache_write_tokens": 0}) == expected
    assert done.stderr == b""


@pytest.mark.parametrize("api", ALL)
def test_the_question_is_asked_as_the_api_wants_it_without_tools(server: Server, api: str, tmp_path: Path) -> None:
    of = backend(server, "ok", api)
    task = SpawnTask("Count to three.", model="m-9", instructions="You are terse.")
    run = Run.create(
        tmp_path / "runs.db",
        [task],
        {"model": of},
        RunOptions(default_agent="model", cwd=tmp_path, spool=tmp_path / "spool"),
    )
    (result,) = run.execute_sync().results.values()
    assert (result.state, result.output) == (TaskState.SUCCEEDED, "Hello, wörld.")
    ((path, headers, body),) = server.asked
    assert "tools" not in body
    assert body.get("model", path) == "m-9" or "models/m-9:streamGenerateContent?alt=sse" in path
    asked = json.dumps(body)
    assert "Count to three." in asked
    assert "You are terse." in asked
    assert asked.count("terse") == 1
    sent = {name.lower(): value for name, value in headers.items()}
    assert KEY in (sent.get("x-api-key"), sent.get("x-goog-api-key"), sent.get("authorization", "")[7:])


def test_the_key_is_in_no_argument_no_file_and_no_output(server: Server, tmp_path: Path) -> None:
    of = backend(server, "status-401")
    assert KEY not in repr(of) + " ".join(of.invoke(SpawnTask("x")).command)
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("x")],
        {"model": of},
        RunOptions(
            default_agent="model",
            cwd=tmp_path,
            spool=tmp_path / "s",
        ),
    )
    (result,) = run.execute_sync().results.values()
    assert "no: ***" in (result.error or "")
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("api", ALL)
def test_a_limit_is_not_pressed_and_told_with_its_wait(server: Server, api: str) -> None:
    reply, done = ask(backend(server, "limited", api))
    assert done.returncode == 1
    assert reply.reported is not None
    assert (reply.reported.status, reply.reported.retry_after_s, reply.reported.message) == (429, 17.0, "slow down")
    assert cause(reply) is Cause.RATE_LIMIT
    assert server.count["limited"] == 1


def test_a_usage_window_is_read_from_headers(server: Server) -> None:
    reply, _done = ask(backend(server, "window", "anthropic"))
    assert reply.windows == (UsageWindow(name="5-hour", used_percent=100.0, resets_at=4e9, exhausted=True),)
    evidence = FailureEvidence(exit_code=1, reported=reply.reported, windows=reply.windows)
    found = ErrorClassifier().classify(evidence)
    assert (found.cause, found.window) == (Cause.RATE_LIMIT, reply.windows[0])


@pytest.mark.parametrize(
    ("headers", "windows"),
    [
        ({"7d-status": "allowed", "7d-reset": "10", "7d-utilization": "0.5"}, [("weekly", 50.0, 10.0, False)]),
        ({"7d_opus-reset": "1970-01-01T00:01:00Z"}, [("weekly opus", None, 60.0, False)]),
        ({"status": "rejected", "reset": "7"}, [("", None, 7.0, True)]),
        ({"5h-reset": "soon", "5h-utilization": "nan"}, [("5-hour", None, None, False)]),
        ({"5h-status": "rejected", "overage-status": "allowed"}, []),
        ({"representative-claim": "five_hour", "5h-reset": "9" * 400}, [("5-hour", None, None, False)]),
        ({}, []),
    ],
)
def test_windows_in_headers(headers: dict[str, str], windows: list[tuple[Any, ...]]) -> None:
    told = windows_in({f"Anthropic-RateLimit-Unified-{name}": value for name, value in headers.items()})
    assert [(each.name, each.used_percent, each.resets_at, each.exhausted) for each in told] == windows


@given(st.dictionaries(st.text(max_size=40).map(lambda end: f"anthropic-ratelimit-unified-{end}"), st.text()))
def test_no_header_raises(headers: dict[str, str]) -> None:
    windows_in(headers)


@pytest.mark.parametrize(
    ("status", "expected", "calls"),
    few(
        [
            (400, Cause.BAD_REQUEST, 1),
            (401, Cause.AUTHENTICATION, 1),
            (402, Cause.BILLING, 1),
            (404, Cause.NOT_FOUND, 1),
            (307, None, 1),
            (500, Cause.SERVER_ERROR, 2),
            (503, Cause.OVERLOADED, 1),
            (529, Cause.OVERLOADED, 1),
        ],
        4,
    ),
)
def test_each_status_is_told_and_only_passing_faults_are_tried_again(
    server: Server, status: int, expected: Cause | None, calls: int
) -> None:
    reply, done = ask(backend(server, f"status-{status}"))
    assert (done.returncode, server.count[f"status-{status}"], reply.retries) == (1, calls, calls - 1)
    assert reply.reported is not None
    assert reply.reported.status == status
    assert expected is None or cause(reply) is expected
    assert KEY.encode() not in done.stdout + done.stderr


def test_a_fault_that_passes_is_got_over(server: Server) -> None:
    reply, done = ask(backend(server, "once-502"))
    assert (reply.text, reply.finished, reply.retries, done.returncode) == ("Hello, wörld.", True, 1, 0)


@pytest.mark.parametrize("api", ALL)
def test_an_answer_that_breaks_off_is_a_failure_that_keeps_what_came(server: Server, api: str) -> None:
    reply, done = ask(backend(server, "drop", api))
    assert (done.returncode, reply.finished) == (1, False)
    assert reply.text.startswith("half of it")
    assert cause(reply) is Cause.INTERRUPTED
    assert server.count["drop"] == 1


def test_a_connection_that_is_closed_without_a_word_is_tried_again(server: Server) -> None:
    reply, _ = ask(backend(server, "abort"))
    assert server.count["abort"] == 2
    assert cause(reply) is Cause.INTERRUPTED


@pytest.mark.parametrize("scenario", ["hang", "stall"])
def test_silence_ends_after_its_limit(server: Server, scenario: str) -> None:
    reply, done = ask(backend(server, scenario, idle_s=0.5))
    assert done.returncode == 1
    assert cause(reply) is Cause.API_TIMEOUT
    assert server.count[scenario] == 1


@pytest.mark.parametrize("api", ["anthropic", "openai", "openai-responses"])
def test_an_answer_that_is_over_is_not_waited_for(server: Server, api: str) -> None:
    reply, _ = ask(backend(server, "lingering", api, idle_s=15.0))
    assert (reply.text, reply.finished) == ("Hello, wörld.", True)


def test_a_server_that_is_not_there_is_a_matter_of_the_network() -> None:
    with Server() as gone:
        of = backend(gone, "ok")
    reply, done = ask(of)
    assert (done.returncode, reply.retries) == (1, 1)
    assert cause(reply) is Cause.NETWORK


@pytest.mark.parametrize("api", ALL)
def test_a_huge_answer_is_whole(server: Server, api: str) -> None:
    reply, _ = ask(backend(server, "huge", api))
    assert (len(reply.text), reply.finished) == (500_000, True)


@pytest.mark.parametrize("api", ALL)
def test_an_answer_that_was_cut_at_its_limit_is_no_success(server: Server, api: str) -> None:
    reply, _ = ask(backend(server, "cut", api))
    assert (reply.text, reply.finished) == ("half of", False)
    assert "reached its token limit" in (reply.failure or "")


@pytest.mark.parametrize("api", ALL)
def test_a_failure_in_the_middle_of_an_answer_is_told(server: Server, api: str) -> None:
    reply, done = ask(backend(server, "failing", api))
    assert (done.returncode, reply.finished) == (1, False)
    assert cause(reply) is Cause.RATE_LIMIT


def test_an_empty_answer_is_a_failed_task(server: Server, tmp_path: Path) -> None:
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("x")],
        {"model": backend(server, "empty")},
        RunOptions(
            default_agent="model",
            cwd=tmp_path,
            spool=tmp_path / "spool",
        ),
    )
    (result,) = asyncio.run(run.execute()).results.values()
    assert (result.state, result.error) == (TaskState.FAILED, "it exited without an answer")
    assert result.usage is not None


@pytest.mark.parametrize("scenario", ["garbage", "noise"])
def test_what_is_no_answer_is_told_and_never_taken_for_one(server: Server, scenario: str) -> None:
    reply, done = ask(backend(server, scenario))
    assert (done.returncode, reply.finished, reply.text) == (1, False, "")
    assert reply.failure is not None
    assert done.stderr == b""


def test_an_address_that_is_none_is_told(server: Server) -> None:
    reply, done = ask(ModelBackend(name="model", api="openai", model="m", base_url="no-scheme"))
    assert (done.returncode, done.stderr) == (1, b"")
    assert reply.failure is not None


def test_a_module_of_the_project_does_not_stand_in_for_ours(server: Server, tmp_path: Path) -> None:
    (tmp_path / "httpx.py").write_text("raise SystemExit('not this one')")
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("x")],
        {"model": backend(server, "ok")},
        RunOptions(
            default_agent="model",
            cwd=tmp_path,
            spool=tmp_path / "spool",
        ),
    )
    assert run.execute_sync().ok


def test_whose_limits_it_meets() -> None:
    assert ModelBackend(name="a", api="gemini", model="m").provider == "google"
    assert (
        ModelBackend(name="a", api="openai", model="m", base_url="http://127.0.0.1:8080/v1").provider
        == "127.0.0.1:8080"
    )
    assert ModelBackend(name="a", api="openai", model="m", named_provider="mine").provider == "mine"


def test_an_api_that_is_not_there_and_a_missing_model_are_errors() -> None:
    with pytest.raises(BackendError, match="unknown api telepathy; known APIs: anthropic"):
        ModelBackend(name="a", api="telepathy", model="m")
    with pytest.raises(BackendError, match="has no model; name one"):
        ModelBackend(name="a", api="openai", model="")
    assert isinstance(ModelBackend(name="a", api="openai", model="m"), AgentBackend)


@pytest.mark.parametrize("missing", [("httpx",), ("httpx", "tenacity")])
def test_a_model_without_the_extra_says_which_one_to_install(
    missing: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_module, "find_spec", lambda name: None if name in missing else ModuleSpec(name, None))
    model = ModelBackend(name="asked", api="openai", model="m", base_url="http://127.0.0.1:9")
    with pytest.raises(MissingExtraError) as caught:
        model.invoke(SpawnTask("Say hello."))
    assert (caught.value.extra, caught.value.packages) == ("models", missing)
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("Say hello.", "asked", id="1")],
        {"asked": model},
        RunOptions(default_agent="asked", cwd=tmp_path, spool=tmp_path / "runs"),
    )
    assert run.execute_sync().results["1"].error == (
        f"agent asked: needs {' and '.join(missing)}, not installed here: pip install 'aurora-spawner[models]'"
    )


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    ["type", "message", "usage", "delta", "choices", "candidates", "error", "response", "content", "parts", "text"]
)


@given(st.sampled_from(ALL), st.dictionaries(_KEYS, _JSON | st.dictionaries(_KEYS, _JSON, max_size=3), max_size=6))
def test_no_event_raises(api: str, event: dict[str, Any]) -> None:
    answer = Answer()
    assert isinstance(APIS[api].read(Fields(event), answer), str)
    answer.closing()


@given(st.binary(max_size=300), st.integers(1, 50))
def test_a_stream_reads_the_same_however_it_is_cut(content: bytes, size: int) -> None:
    whole, cut = SseReader(), SseReader()
    at_once = [*whole.feed(content), *whole.close()]
    by_pieces: list[str] = []
    for at in range(0, len(content), size):
        by_pieces += cut.feed(content[at : at + size])
    assert [*by_pieces, *cut.close()] == at_once


def test_an_event_without_end_is_given_up() -> None:
    reader = SseReader()
    for _ in range(EVENT_LIMIT >> 20):
        assert list(reader.feed(b"x" * (1 << 20))) == []
    with pytest.raises(StreamError, match="8 MiB"):
        list(reader.feed(b"x"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "99999999"}, 86_400.0),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_from_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert _retry_after_s(headers) == seconds


def test_a_date_to_wait_for_is_read_too() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=100)
    found = _retry_after_s({"retry-after": format_datetime(soon, usegmt=True)})
    assert found is not None
    assert 90 < found <= 100
    assert _retry_after_s({"retry-after": format_datetime(soon - timedelta(days=1), usegmt=True)}) == 0.0


@given(st.text("ab", min_size=1, max_size=4), st.lists(st.text("abc", max_size=6), max_size=8))
def test_a_secret_is_taken_out_of_a_text_however_it_is_cut(secret: str, pieces: list[str]) -> None:
    blanking = Redactor(secret)
    told = "".join([*map(blanking.feed, pieces), blanking.close()])
    whole = "".join(pieces)
    assert secret not in told
    if secret not in whole:
        assert told == whole
