"""Conversation logs are found by their execution and read again; broken ones are named, also those of others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aurora_soar import Aurora, LogFileError
from aurora_soar.report.read_log import find_log, read_log

if TYPE_CHECKING:
    from pathlib import Path

EARLIER = """# SOAR Conversation Log

**Query ID**: soar-1
**Timestamp**: 2026-01-15T17:06:49

---

```json
{"query_id": "soar-1", "query": "Why?", "phases": {"phase6_synthesize": {"answer": "So.\\n```json\\n{}\\n```"}}}
```
"""


def test_a_log_is_found_by_its_execution_and_says_what_the_result_said(shop: Path) -> None:
    with Aurora.open() as aurora:
        result = aurora.ask("Where is Till.scan?")
        found = find_log(aurora.project.conversation_logs, result.query_id)
        assert find_log(aurora.project.conversation_logs, "soar-0") is None
    assert found is not None
    assert found.path == result.log_path
    assert found.document == json.loads(json.dumps(result.to_dict()))
    assert found.phase("phase6_synthesize")["answer"] == result.answer
    assert found.phase("phase9") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# SOAR\n", "holds no JSON block"),
        (EARLIER[:180], "line 9: the JSON block is broken"),
        (EARLIER.replace('{"query_id"', '[{"query_id"').replace('}"}}}', '}"}}}]'), "broken"),
        ("```json\n[]\n```", "is no object"),
        ("```json\n" + "[" * 100_000, "broken"),
    ],
)
def test_a_broken_log_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "log.md"
    path.write_text(text)
    with pytest.raises(LogFileError) as broken:
        read_log(path)
    assert said in str(broken.value)
    assert str(path) in str(broken.value)


def test_a_log_whose_answer_holds_json_blocks_is_read_whole(tmp_path: Path) -> None:
    folder = tmp_path / "2026" / "01"
    folder.mkdir(parents=True)
    (folder / "why.md").write_text(EARLIER)
    (folder / "pipe.md").symlink_to("/dev/zero")
    found = find_log(tmp_path, "soar-1")
    assert found is not None
    assert found.phase("phase6_synthesize")["answer"].startswith("So.")
