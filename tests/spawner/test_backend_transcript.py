"""The transcript shows an agent's events to people."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.transcript import Transcript

STREAMS = Path(__file__).parent / "agent_streams"


def told(stem: str) -> str:
    transcript = Transcript(DIALECTS[stem.split("-", maxsplit=1)[0]])
    content = next(STREAMS.glob(f"{stem}.*")).read_bytes()
    return (transcript.feed(content) + transcript.close()).decode()


@pytest.mark.parametrize(
    ("stem", "lines"),
    [
        ("claude-done", ["I write a note.", "> Write: note.txt", "The note is written."]),
        ("claude-waiting", ["~ retrying: rate_limit (status 429)"] * 2),
        ("claude-refused", ["! API Error: 401 no such key"]),
        ("gemini-done", ["I look first.", "> read_file: a", "All done."]),
        ("codex-done", ["> command_execution: ls", "> file_change: a.py", "Added a.py."]),
    ],
)
def test_events_are_told_in_lines(stem: str, lines: list[str]) -> None:
    assert told(stem) == "".join(f"{line}\n" for line in lines)


@given(st.sampled_from(sorted(STREAMS.iterdir())), st.integers(1, 300))
def test_it_is_the_same_however_the_bytes_come(path: Path, size: int) -> None:
    content = path.read_bytes()
    transcript = Transcript(DIALECTS[path.stem.split("-")[0]])
    pieces = [transcript.feed(content[start : start + size]) for start in range(0, len(content), size)]
    assert b"".join([*pieces, transcript.close()]).decode() == told(path.stem)
