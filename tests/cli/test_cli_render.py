"""Values look the same everywhere: text for people, documents with stable keys for programs."""

import time

import click
import pytest

from aurora_cli.render import doctor_checks, hits, index, stats
from aurora_cli.render.moments import to_the_minute
from aurora_cli.render.posts import post_lines
from aurora_cli.render.run_comparison import comparison_lines
from aurora_core import ChunkKind, Hit, IndexReport, LeftOutGroup, MemoryStats, SkippedFile
from aurora_soar.doctor.checks import CheckResult, Level
from aurora_spawner.replay.comparison import RunComparison, RunTotals, TaskComparison, TaskSide
from aurora_spawner.tasks.posts import Post, PostedBy, PostKind


def hit(**changed: object) -> Hit:
    values: dict[str, object] = {
        "chunk_id": "7",
        "file": "src/till.py",
        "line_start": 10,
        "line_end": 12,
        "name": "Till.scan",
        "kind": ChunkKind.CODE,
        "symbol_type": "method",
        "content": "def scan(self):\n    # add\n    return 1",
        "signature": "def scan(self) -> int",
        "bm25_score": 0.9,
        "activation_score": 0.1,
        "semantic_score": 0.0,
        "hybrid_score": 0.95,
    }
    return Hit(**{**values, **changed})  # type: ignore[arg-type]


def lines(*found: Hit, scores: bool = False, content: bool = False) -> list[str]:
    return [click.unstyle(line) for line in hits.as_lines(found, scores=scores, content=content)]


def test_a_hit_is_its_place_name_kind_and_score_then_its_signature() -> None:
    assert lines(hit()) == ["src/till.py:10-12  Till.scan  (method, 0.950)", "    def scan(self) -> int"]


def test_a_hit_without_a_signature_shows_its_first_line_with_words() -> None:
    assert lines(hit(signature=None, content="\n\n  # Prices\n\nWhole cents."))[1] == "    # Prices"


def test_a_hit_without_any_words_shows_nothing_below() -> None:
    assert lines(hit(signature=None, content=" \n "))[1] == "    "


def test_the_parts_of_a_score_stand_below() -> None:
    assert (
        lines(hit(), scores=True)[1] == "    bm25 0.900  name 0.000  activation 0.100  semantic 0.000  hybrid 0.950"
    )


def test_content_has_the_files_line_numbers() -> None:
    assert lines(hit(), content=True)[1:] == [
        "     10  def scan(self):",
        "     11      # add",
        "     12      return 1",
        "",
    ]


def test_what_a_file_holds_cannot_steer_the_terminal() -> None:
    shown = lines(hit(file="a\x1b[2J.py", name="x\x07", content="\x1b]0;t\x07", signature=None), content=True)
    assert not any(ord(char) < 32 for line in shown for char in line)


def test_hits_for_programs_keep_their_order() -> None:
    document = hits.as_document("scan", [hit(chunk_id="2"), hit(chunk_id="1")])
    rows = document["hits"]
    assert isinstance(rows, list)
    assert [row["chunk_id"] for row in rows] == ["2", "1"]
    assert rows[0]["kind"] == "code"


def report(*skipped: SkippedFile) -> IndexReport:
    return IndexReport(
        files_seen=10,
        files_indexed=3,
        files_unchanged=6,
        files_removed=1,
        files_skipped=skipped,
        chunks_added=40,
        chunks_removed=4,
        chunks_total=90,
        duration_s=0.25,
    )


def test_an_index_report_is_one_line() -> None:
    assert index.as_text(report()) == ("10 files (3 read, 6 unchanged, 1 removed), 90 chunks (+40 -4) in 0.2 s")


def test_skipped_files_are_named_up_to_a_limit() -> None:
    skipped = [SkippedFile(path=f"big{number}.py", reason="larger than 600 kB") for number in range(7)]
    shown = list(index.skipped_lines(report(*skipped)))
    assert shown[0] == "skipped big0.py: larger than 600 kB"
    assert shown[-1] == "skipped 2 more files (--json lists all)"
    assert len(shown) == 6


def test_no_skipped_file_is_no_line() -> None:
    assert list(index.skipped_lines(report())) == []


def test_a_report_for_programs_names_every_skipped_file() -> None:
    skipped = [SkippedFile(path=f"big{number}.py", reason="larger") for number in range(7)]
    document = index.as_document(report(*skipped))
    assert document["files_skipped"] == [{"path": f"big{number}.py", "reason": "larger"} for number in range(7)]
    assert set(document) == {
        "files_seen", "files_indexed", "files_unchanged", "files_removed", "files_skipped", "chunks_added",
        "chunks_removed", "chunks_total", "duration_s", "left_out",
    }  # fmt: skip


def test_files_that_are_not_indexed_for_what_they_are_are_one_line() -> None:
    groups = (
        LeftOutGroup(reason="is binary", count=1412, examples=("a.bin",), kinds=((".bin", 1380), (".png", 30))),
        LeftOutGroup(reason="is generated", count=3, examples=("a.py",), kinds=((".py", 3),)),
    )
    assert index.not_indexed(groups) == "not indexed: 1,412 binary (.bin 1,380, .png 30, …), 3 generated (.py 3)"


def memory(**changed: object) -> MemoryStats:
    values: dict[str, object] = {
        "files": 1200,
        "chunks": 34567,
        "by_kind": {"kb": 500, "code": 34067},
        "languages": {".py": 1100, ".md": 100},
        "database_bytes": 12_345_678,
        "schema_version": 1,
        "last_indexed_at": 1_000_000_000.0,
    }
    return MemoryStats(**{**values, **changed})  # type: ignore[arg-type]


def test_stats_are_one_fact_a_line_most_first() -> None:
    assert stats.as_text(memory()).splitlines() == [
        "files         1,200",
        "chunks        34,567 (code 34,067, documents 500)",
        "languages     .py 1,100, .md 100",
        "database      12.3 MB, schema 1",
        "last indexed  2001-09-09 01:46:40 UTC",
    ]


def test_moments_are_labelled_and_the_same_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    post = Post(number=1, at=1e9, kind=PostKind.FACT, text="seen", by=PostedBy.USER)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        lines = list(post_lines(post))
        assert to_the_minute(1e9) == "2001-09-09 01:46 UTC"
    time.tzset()
    assert lines[0].startswith("1  2001-09-09 01:46:40 UTC  fact by the user")


def test_stats_of_an_empty_memory_say_none_and_never() -> None:
    text = stats.as_text(memory(files=0, chunks=0, by_kind={}, languages={}, last_indexed_at=None))
    assert "languages     none" in text
    assert "last indexed  never" in text


def test_stats_for_programs_have_stable_keys() -> None:
    assert stats.as_document(memory(last_indexed_at=None)) == {
        "files": 1200,
        "chunks": 34567,
        "by_kind": {"kb": 500, "code": 34067},
        "languages": {".py": 1100, ".md": 100},
        "database_bytes": 12_345_678,
        "schema_version": 1,
        "last_indexed_at": None,
        "left_out": [],
    }


def test_stats_say_what_was_left_out_and_why() -> None:
    groups = (
        LeftOutGroup(reason="is named in .gitignore", count=1500, examples=("a.log", "b/", "c\x1b[2J")),
        LeftOutGroup(reason="is binary", count=9, examples=("d.x", "e.y"), kinds=((".x", 8), (".y", 1))),
        LeftOutGroup(reason="is generated", count=1, examples=("d.py",), kinds=((".py", 1),)),
    )
    lines = stats.as_text(memory(left_out=groups)).splitlines()
    assert lines[-4:] == [
        "left out",
        "      1,500  is named in .gitignore: a.log, b/, c\\x1b[2J, …",
        "          9  is binary (.x 8, .y 1): d.x, e.y, …",
        "          1  is generated: d.py",
    ]


GOOD = CheckResult(check="git", level=Level.OK, message="git 2")
POOR = CheckResult(check="memory", level=Level.WARN, message="not indexed yet", advice="run `aur mem index`")
BAD = CheckResult(check="config", level=Level.FAIL, message="config.yaml:1: is odd", advice="correct it")


def test_a_finding_is_a_line_and_its_advice_below() -> None:
    shown = [click.unstyle(line) for line in doctor_checks.as_lines([GOOD, POOR])]
    assert shown == [
        "ok    git       git 2",
        "warn  memory    not indexed yet",
        "                → run `aur mem index`",
    ]


def test_only_a_failure_keeps_a_check_up_from_being_ok() -> None:
    assert doctor_checks.as_document([GOOD, POOR])["ok"] is True
    assert doctor_checks.as_document([GOOD, BAD])["ok"] is False


def test_runs_whose_tasks_are_alike_are_called_so_in_both_numbers() -> None:
    run = RunTotals(run_id="spawn-1", state="done", seconds=1.0, attempts=1, cost_usd=None, tokens=0)
    side = TaskSide(
        state="succeeded",
        agent="echo",
        attempts=1,
        seconds=1.0,
        cost_usd=None,
        tokens=None,
        commit=None,
        files=None,
        insertions=None,
        deletions=None,
        error=None,
        answer_length=2,
    )
    task = TaskComparison(task_id="1", title="Say hello", first=side, second=side, same_task=True, same_answer=True)
    for tasks, words in (((task,), "the only task came out alike"), ((task, task), "all 2 tasks alike")):
        found = RunComparison(first=run, second=run, tasks=tasks)
        assert list(comparison_lines(found, all_tasks=False))[-1] == words
