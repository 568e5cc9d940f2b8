"""The meaning of agents' event streams: a small corpus of our own, and real captures if present."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples, few

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.backends.base import Reply
from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.events import RetryNotice, Text, ToolCall
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.backends.reply_builder import digest_of
from aurora_spawner.backends.stream import LINE_LIMIT, EventStream
from aurora_spawner.classification.classifier import ErrorClassifier, FailureEvidence
from aurora_spawner.runs.evidence import Verdict, judge
from aurora_spawner.tasks.usage import Usage

STREAMS = Path(__file__).parent / "agent_streams"
CAPTURES = os.environ.get("AURORA_AGENT_CAPTURES", "")


def backend_of(stem: str) -> CliBackend:
    kind = stem.split("-", maxsplit=1)[0]
    return CliBackend(name=kind, kind=kind)


def reply_to(stem: str) -> Reply:
    path = next(STREAMS.glob(f"{stem}.*"))
    return backend_of(stem).read_stream([path.read_bytes()])


@pytest.mark.parametrize("stem", ["claude-done", "codex-done"])
def test_a_huge_answer_comes_whole(stem: str) -> None:
    said = reply_to(stem).text
    path = next(STREAMS.glob(f"{stem}.*"))
    huge = "ü" * 300_000 + said
    content = path.read_text().replace(json.dumps(said), json.dumps(huge)).encode()
    pieces = [content[at : at + 65_536] for at in range(0, len(content), 65_536)]
    assert backend_of(stem).read_stream(pieces).text == huge


def verdict_on(
    reply: Reply, *, exit_code: int | None = 0, reason: EndReason = EndReason.EXITED, stderr: str = ""
) -> Verdict:
    end = AttemptEnd(reason=reason, exit_code=exit_code, stderr=stderr)
    return judge(end, reply, outputs=(), cwd=Path("/"))


def cause_of(
    reply: Reply, *, exit_code: int | None = 1, reason: EndReason = EndReason.EXITED, stderr: str = ""
) -> str:
    evidence = FailureEvidence(reason=reason, exit_code=exit_code, reported=reply.reported, stderr=stderr)
    return ErrorClassifier().classify(evidence).cause.value


@pytest.mark.parametrize(
    ("stem", "answer", "session", "usage", "model"),
    [
        ("claude-done", "The note is written.", "5f0c", (30, 12, 500, 7, 0.25), "big-model"),
        ("codex-done", "Added a.py.", "th-1", (300, 40, 600, 0, None), None),
        ("gemini-done", "All done.", "g-1", (300, 9, 100, 0, None), "pro"),
        ("opencode-done", "Two files.", "ses_1", (20, 10, 6, 4, 0.75), None),
        ("qwen-done", "Done it.", "5f0c", (100, 20, 200, 0, None), "big-model"),
        ("copilot-done", "Ready.", "cop-1", None, None),
        ("copilot-blanked", "Ready.", "cop-1", None, None),
        ("cline-done", "Seen.", None, (50, 5, 1, 2, 0.125), "m"),
        ("aider-done", "I change it.\n\nApplied edit to a.py", None, (500, 20, 1000, 0, 0.01), None),
        ("claude-subagent", "outer words", "5f0c", (30, 12, 500, 7, 0.25), "big-model"),
    ],
)
def test_a_good_end_is_told_with_answer_session_and_usage(
    stem: str, answer: str, session: str | None, usage: tuple[Any, ...] | None, model: str | None
) -> None:
    reply = reply_to(stem)
    assert verdict_on(reply).success
    assert (reply.text.strip(), reply.session_id, reply.model) == (answer, session, model)
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd")
    assert reply.usage == (usage and Usage(**dict(zip(names, usage, strict=True))))
    assert (reply.unknown_events, reply.broken_lines) == (0, 0)


@pytest.mark.parametrize(
    ("stem", "cause"),
    [
        ("claude-refused", "authentication"),
        ("claude-interrupted", "interrupted"),
        ("claude-limit", "limit_reached"),
        ("claude-waiting", "rate_limit"),
        ("codex-refused", "authentication"),
        ("codex-limited", "rate_limit"),
        ("codex-waiting", "rate_limit"),
        ("gemini-refused", "authentication"),
        ("gemini-limited", "rate_limit"),
        ("opencode-limited", "rate_limit"),
        ("qwen-refused", "authentication"),
        ("copilot-refused", "authentication"),
        ("cline-failed", "rate_limit"),
        ("cline-refused", "authentication"),
        ("aider-refused", "authentication"),
    ],
)
def test_a_reported_failure_outweighs_exit_code_0_and_names_its_cause(stem: str, cause: str) -> None:
    reply = reply_to(stem)
    assert not verdict_on(reply, exit_code=0).success
    assert cause_of(reply) == cause


@pytest.mark.parametrize("stem", ["claude-cut", "codex-cut", "opencode-cut"])
def test_exit_code_0_without_an_end_is_no_success(stem: str) -> None:
    verdict = verdict_on(reply_to(stem), exit_code=0)
    assert verdict.error == "it exited with code 0, but never said that it was done"


def test_a_line_that_is_too_long_to_be_read_is_named_where_it_may_have_been_the_answer() -> None:
    begins = b'{"type":"system","subtype":"init","session_id":"s"}\n'
    ends = b'{"type":"result","subtype":"success","is_error":false,"result":"' + b"x" * (9 << 20) + b'"}\n'
    reply = digest_of(DIALECTS["claude"], [begins, ends])
    done = "it exited with code 0, but never said that it was done"
    said = f"{done}; a line of more than 8 MB of its output could not be read"
    assert (reply.broken_lines, reply.too_long_lines) == (1, 1)
    assert verdict_on(reply, exit_code=0).error == said


@pytest.mark.parametrize(
    ("stem", "said"),
    [
        ("claude-silent", "it exited without an answer"),
        ("gemini-loop", "it reports: Loop detected, stopping execution"),
        ("opencode-long", "it reports: it stopped: length"),
        ("claude-interrupted", "it reports: aborted_tools"),
    ],
)
def test_what_is_no_answer_says_why(stem: str, said: str) -> None:
    assert verdict_on(reply_to(stem)).error == said


@pytest.mark.parametrize("stem", ["claude-retried", "codex-retried", "copilot-retried", "aider-retried"])
def test_a_failure_that_was_overcome_is_none(stem: str) -> None:
    reply = reply_to(stem)
    assert verdict_on(reply).success
    assert (reply.retries, reply.reported) == (1, None)


def test_an_event_of_success_counts_although_the_exit_code_does_not() -> None:
    assert verdict_on(reply_to("claude-done"), exit_code=1).success
    assert not verdict_on(reply_to("claude-done"), exit_code=None, reason=EndReason.DEADLINE).success


def test_what_an_agent_waited_for_when_it_was_ended_is_known() -> None:
    assert cause_of(reply_to("claude-waiting"), exit_code=None, reason=EndReason.DEADLINE) == "rate_limit"
    assert cause_of(reply_to("claude-cut"), exit_code=None, reason=EndReason.DEADLINE) == "deadline"


def test_a_wait_that_the_provider_asks_for_is_kept() -> None:
    reported = reply_to("opencode-limited").reported
    assert reported is not None
    assert reported.retry_after_s == 9


def test_what_is_not_understood_is_counted_and_harms_nothing() -> None:
    reply = reply_to("claude-newer")
    assert verdict_on(reply).success
    assert (reply.lines, reply.unknown_events, reply.broken_lines) == (6, 1, 2)


def test_events_come_as_soon_as_their_lines_are_whole() -> None:
    stream = EventStream(DIALECTS["claude"])
    content = (STREAMS / "claude-done.jsonl").read_bytes()
    first, second, third, _rest = content.split(b"\n", 3)
    assert stream.feed(first[:50]) == []
    assert len(stream.feed(first[50:] + b"\n" + second)) == 1
    assert stream.feed(b"\n") == [Text(text="I write a note.")]
    assert stream.feed(third) == []
    assert stream.close() == [ToolCall(name="Write", id="t1", about="note.txt")]


def test_a_retry_notice_tells_attempt_delay_and_status() -> None:
    events = EventStream(DIALECTS["claude"]).feed((STREAMS / "claude-waiting.jsonl").read_bytes())
    notice = events[1]
    assert isinstance(notice, RetryNotice)
    assert (notice.attempt, notice.delay_s, notice.status) == (1, 0.7, 429)


def test_a_giant_line_is_passed_over_in_bounded_memory() -> None:
    stream = EventStream(DIALECTS["claude"])
    for _ in range(2 * LINE_LIMIT // (1 << 20)):
        stream.feed(b"x" * (1 << 20))
        assert sum(map(len, stream._pieces)) <= LINE_LIMIT
    events = stream.feed(b'\n{"type":"result","subtype":"success","is_error":false,"result":"fine"}\n')
    assert len(events) == 1
    assert stream.counts.broken == 1


def test_a_last_event_that_was_cut_off_counts_by_its_beginning() -> None:
    long = "word, " * 20_000
    said = {"type": "assistant", "message": {"content": [{"type": "text", "text": long}]}}
    last = {"type": "result", "subtype": "success", "session_id": "q", "is_error": False, "result": long}
    stream = f"{json.dumps(said)}\n{json.dumps(last)[:65_536]}"
    reply = backend_of("qwen").read(stream, "")
    assert verdict_on(reply).success
    assert reply.text == long
    failed = json.dumps({**last, "is_error": True})[:65_536]
    assert not verdict_on(backend_of("qwen").read(f"{json.dumps(said)}\n{failed}", "")).success
    before_it_is_told = json.dumps(last)[:70]
    assert not verdict_on(backend_of("qwen").read(f"{json.dumps(said)}\n{before_it_is_told}", "")).success


def test_every_known_cli_has_its_dialect() -> None:
    assert set(PROFILES) <= set(DIALECTS)


# Whatever an agent prints, it is read.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
NAMES = sorted({name for path in STREAMS.glob("*.jsonl") for name in re.findall(r'"(\w+)":', path.read_text())})
WORDS = sorted({word for path in STREAMS.glob("*.jsonl") for word in re.findall(r': "([\w.-]+)"', path.read_text())})
LIKELY = st.recursive(
    st.sampled_from(WORDS) | st.integers(-5, 700) | st.booleans() | st.none() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=16,
)
KINDS = st.sampled_from(sorted(DIALECTS))


def check(reply: Reply) -> None:
    assert reply.lines >= reply.unknown_events + reply.broken_lines
    assert reply.usage is None or reply.usage.total_tokens >= 0
    verdict = verdict_on(reply)
    assert verdict.success == (verdict.error is None)
    if reply.failure:
        assert not verdict.success


@given(KINDS, st.lists(st.binary(max_size=200), max_size=8))
def test_any_bytes_are_read(kind: str, pieces: list[bytes]) -> None:
    check(digest_of(DIALECTS[kind], pieces))


@pytest.mark.parametrize("kind", few(sorted(DIALECTS), 3))
@settings(max_examples=examples(60))
@given(data=st.data())
def test_any_objects_are_read(kind: str, data: st.DataObject) -> None:
    dialect = DIALECTS[kind]
    types = st.sampled_from(sorted(dialect.readers or ["x"]))
    lines = []
    for _ in range(data.draw(st.integers(1, 6))):
        event = data.draw(st.dictionaries(st.sampled_from(NAMES), LIKELY | JSON, max_size=8))
        lines.append(json.dumps({**event, "type": data.draw(types)}))
    check(digest_of(dialect, ["\n".join(lines).encode()]))


@given(st.sampled_from(sorted(STREAMS.iterdir())), st.data())
def test_a_stream_that_breaks_off_anywhere_is_read_and_piecewise_as_whole(path: Path, data: st.DataObject) -> None:
    dialect, content = DIALECTS[path.stem.split("-")[0]], path.read_bytes()
    cut = content[: data.draw(st.integers(0, len(content)))]
    size = data.draw(st.integers(1, 400))
    pieces = [cut[start : start + size] for start in range(0, len(cut), size)]
    reply = digest_of(dialect, pieces)
    check(reply)
    assert reply == digest_of(dialect, [cut])


@given(st.sampled_from(sorted(STREAMS.iterdir())), st.data())
def test_a_damaged_stream_is_read(path: Path, data: st.DataObject) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 12))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    check(digest_of(DIALECTS[path.stem.split("-")[0]], [bytes(content)]))


@given(st.integers(1, 5_000))
def test_deep_nesting_is_read(depth: int) -> None:
    line = b'{"type":"turn.failed","error":' + b'{"error":' * depth + b"1" + b"}" * depth + b"}"
    for dialect in DIALECTS.values():
        check(digest_of(dialect, [line]))


# Real captures.

SUCCEED = {
    *("aider-edit", "aider-tools", "cline-tools-json", "codex-tools-json", "claude-tools-streamjson"),
    *("claude-hook-bypass", "claude-hook-default", "claude-json", "claude-mcp-permission", "claude-nogate-default"),
    *("claude-partial", "claude-slow", "codex-hook-trusted", "codex-hook-untrusted", "copilot-tools", "qwen-tools"),
    *("gemini-hook", "gemini-policy", "gemini-tools-streamjson", "opencode-tools-json"),
    *(f"{kind}-plain" for kind in ("claude", "codex", "copilot", "gemini", "opencode", "qwen")),
    *(f"{kind}-r429" for kind in ("claude", "codex", "copilot", "gemini", "opencode", "qwen")),
    *(f"{kind}-r529" for kind in ("claude", "codex", "gemini", "opencode")),
    *(f"{kind}-drop" for kind in ("claude", "codex", "copilot", "opencode", "qwen")),
}
CAUSES = {
    **{f"{kind}-r401": "authentication" for kind in ("claude", "codex", "copilot", "gemini", "opencode", "qwen")},
    **{f"{kind}-hang": "deadline" for kind in ("claude", "codex", "copilot", "gemini", "opencode", "qwen")},
    **{f"{kind}-stall": "deadline" for kind in ("claude", "codex", "gemini", "opencode")},
    **{f"{kind}-SIGKILL": "memory" for kind in ("claude", "codex", "copilot", "gemini", "opencode", "qwen")},
    **{f"{kind}-SIGTERM": "interrupted" for kind in ("claude", "codex", "copilot", "opencode", "qwen")},
    **{f"{kind}-SIGINT": "interrupted" for kind in ("claude", "copilot", "qwen")},
    "codex-SIGINT": "no_evidence",  # exit code 1, and nothing said
    **{f"{kind}-SIGINT": "deadline" for kind in ("gemini", "opencode")},  # ignored
    "gemini-SIGTERM": "deadline",
    **dict.fromkeys(("claude-r429ever", "claude-r429ever-retries2", "codex-r429ever"), "rate_limit"),
    "opencode-r429ever": "rate_limit",
    "gemini-r429ever": "deadline",  # it tries again and tells nobody
    **{f"{kind}-r500ever": "server_error" for kind in ("claude", "codex", "copilot")},
    **{f"{kind}-r500ever": "deadline" for kind in ("gemini", "opencode", "qwen")},
    **dict.fromkeys(("codex-dropever", "gemini-drop", "gemini-dropever"), "network"),
    **{f"{kind}-dropever": "deadline" for kind in ("claude", "opencode")},
    "claude-r400": "bad_request",
    "claude-hang-timeout3s": "api_timeout",
    "claude-maxbudget": "limit_reached",
    "claude-maxturns": "limit_reached",
}
OF_OTHER_PROTOCOLS = {"claude-control-protocol", "codex-appserver"}


def captures() -> list[Path]:
    return sorted(Path(CAPTURES).glob("*.txt")) if CAPTURES else []


def read_capture(path: Path) -> tuple[dict[str, Any], str, str]:
    """Returns the attempt's end, its stdout and its stderr; each line of a capture starts with a time."""
    facts: dict[str, Any] = {}
    streams: dict[str, list[str]] = {"stdout": [], "stderr": []}
    current = ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("# result: "):
            facts = json.loads(line.removeprefix("# result: "))
        elif line.startswith("# ---- "):
            current = line.split()[2]
        elif current:
            streams[current].append(re.sub(r"^ *\d+\.\d\d ?", "", line, count=1))
    return facts, "\n".join(streams["stdout"]), "\n".join(streams["stderr"])


@pytest.mark.skipif(not CAPTURES, reason="AURORA_AGENT_CAPTURES names no folder of captures")
def test_every_capture_is_expected_to_mean_something() -> None:
    there = {path.stem for path in captures() if path.stem.split("-")[0] in DIALECTS} - OF_OTHER_PROTOCOLS
    assert there == SUCCEED | set(CAUSES)


@pytest.mark.skipif(not CAPTURES, reason="AURORA_AGENT_CAPTURES names no folder of captures")
@pytest.mark.parametrize("stem", sorted(SUCCEED | set(CAUSES)))
def test_a_capture_means_what_happened(stem: str) -> None:
    facts, stdout, stderr = read_capture(Path(CAPTURES) / f"{stem}.txt")
    reply = backend_of(stem).read(stdout, stderr)
    reason = EndReason.DEADLINE if facts["status"] == "timeout" else EndReason.EXITED
    verdict = verdict_on(reply, exit_code=facts["rc"], reason=reason, stderr=stderr)
    if stem in SUCCEED:
        assert verdict.success, verdict.error
        assert reply.text.strip()
    else:
        assert not verdict.success
        assert cause_of(reply, exit_code=facts["rc"], reason=reason, stderr=stderr) == CAUSES[stem]
    assert reply.broken_lines <= 1
    if not stem.startswith("copilot"):  # whose key was a letter, which it blanked out everywhere
        assert reply.unknown_events == 0
