"""`aur mem`: index, search and stats of a real project."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import few

from aurora_cli.commands.mem import search
from aurora_cli.exits import ExitCode
from aurora_core import ChunkKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]


def test_indexing_a_new_folder_sets_it_up_and_says_so(aur: Aur, shop: Path) -> None:
    outcome = aur("mem", "index")
    assert outcome.returncode == ExitCode.DONE
    assert "setting up a project" in outcome.stderr
    assert outcome.stdout.startswith("4 files (4 read, 0 unchanged, 0 removed)")
    assert (shop / ".aurora" / "memory.db").exists()


def test_a_second_index_reads_only_what_has_changed(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    (shop / "src/shop/till.py").write_text("def sell() -> None:\n    pass\n", encoding="utf-8")
    (shop / "README.md").unlink()
    document = json.loads(aur("mem", "index", "--json").stdout)
    assert document["files_indexed"] == 1
    assert document["files_unchanged"] == 2
    assert document["files_removed"] == 1
    assert document["files_skipped"] == []


def test_indexing_works_from_a_folder_inside_the_project(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aur("mem", "index")
    monkeypatch.chdir(shop / "src")
    outcome = aur("mem", "index", "shop")
    assert outcome.returncode == ExitCode.DONE
    assert outcome.stderr == ""
    assert not (shop / "src" / ".aurora").exists()


def test_a_file_that_is_too_large_is_named_and_the_rest_is_indexed(aur: Aur, shop: Path) -> None:
    (shop / "big.py").write_text("x = 1\n" * 200_000, encoding="utf-8")
    outcome = aur("mem", "index")
    assert outcome.returncode == ExitCode.DONE
    assert "skipped big.py: larger than 600 kB" in outcome.stderr


def test_files_that_are_no_text_are_told_in_one_line_and_in_the_stats(aur: Aur, shop: Path) -> None:
    for number in range(3):
        (shop / f"{number}.bin").write_bytes(b"\0" * 9)
    (shop / "server.pem").write_text("x\n")
    outcome = aur("mem", "index")
    assert outcome.stderr.splitlines()[-1] == "not indexed: 3 binary (.bin 3), 1 may hold secrets (.pem 1)"
    assert outcome.stdout.startswith("4 files (4 read")
    assert "0 unchanged" in outcome.stdout
    again = aur("mem", "index")
    assert again.stdout.startswith("4 files (0 read, 4 unchanged, 0 removed)")
    assert again.stderr == outcome.stderr.splitlines()[-1] + "\n"
    assert "  3  is binary: 0.bin, 1.bin, 2.bin" in aur("mem", "stats").stdout


def test_a_project_without_a_file_to_index_says_why(
    aur: Aur, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only").mkdir()
    monkeypatch.chdir(tmp_path / "only")
    (tmp_path / "only" / "picture.png").write_bytes(b"\x89PNG\0")
    aur("init")
    (tmp_path / "only" / ".gitignore").unlink(missing_ok=True)
    aur("mem", "index")
    outcome = aur("mem", "search", "anything")
    assert "aur mem index` first" not in outcome.stderr
    assert outcome.stderr == "no file of this project is indexed; not indexed: 1 binary (.png 1)\n"


def test_many_skipped_files_are_counted(aur: Aur, shop: Path) -> None:
    for number in range(8):
        (shop / f"big{number}.py").write_text("x = 1\n" * 120_000, encoding="utf-8")
    assert "skipped 3 more files" in aur("mem", "index").stderr


def test_a_mistyped_folder_is_a_usage_error_that_names_the_nearest(aur: Aur, shop: Path) -> None:
    outcome = aur("mem", "index", "scr")
    assert outcome.returncode == ExitCode.USAGE
    assert "no such file or folder: scr" in outcome.stderr
    assert "did you mean src?" in outcome.stderr
    assert not (shop / ".aurora").exists()


def test_a_folder_outside_the_project_is_refused(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    (shop.parent / "other").mkdir()
    outcome = aur("mem", "index", "../other")
    assert outcome.returncode == ExitCode.USAGE
    assert "other" in outcome.stderr


def test_outside_a_project_the_named_folder_is_set_up_and_not_the_current_one(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop.parent / "elsewhere"
    here.mkdir()
    (here / "link").symlink_to(shop)
    monkeypatch.chdir(here)
    outcome = aur("mem", "index", "link", "--json")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert f"setting up a project in {shop}" in outcome.stderr
    assert json.loads(outcome.stdout)["files_indexed"] == 4
    assert not (here / ".aurora").exists()
    (shop / "src" / "shop" / "new.py").write_text("ANSWER = 42\n", encoding="utf-8")
    assert json.loads(aur("mem", "index", "../shop/src", "--json").stdout)["files_indexed"] == 1
    assert not (shop / "src" / ".aurora").exists()


def test_outside_a_project_a_file_sets_nothing_up(aur: Aur, shop: Path) -> None:
    outcome = aur("mem", "index", "README.md")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert f"no project in {shop}" in outcome.stderr
    assert "aur init" in outcome.stderr
    assert not (shop / ".aurora").exists()


def test_search_shows_place_name_and_first_line_best_first(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    outcome = aur("mem", "search", "price", "of", "article")
    assert outcome.returncode == ExitCode.DONE
    first, second = outcome.stdout.splitlines()[:2]
    assert first.startswith("src/shop/stock.py:6-")
    assert "price_of" in first
    assert second == "    def price_of(article: str) -> int"


def test_scores_and_content_are_shown_on_request(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    outcome = aur("mem", "search", "price_of", "--limit", "1", "--show-scores", "--show-content")
    assert "bm25 " in outcome.stdout
    assert "activation " in outcome.stdout
    assert "      6  def price_of(article: str) -> int:" in outcome.stdout


def test_a_kind_limits_the_search(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    document = json.loads(aur("mem", "search", "prices", "--kind", "kb", "--json").stdout)
    assert document["query"] == "prices"
    assert {hit["kind"] for hit in document["hits"]} == {"kb"}


def test_a_minimal_score_leaves_out_what_is_below(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    every = json.loads(aur("mem", "search", "price", "--json").stdout)["hits"]
    best = json.loads(aur("mem", "search", "price", "--min-score", "0.99", "--json").stdout)["hits"]
    assert len(best) < len(every)
    assert all(hit["hybrid_score"] >= 0.99 for hit in best)


def test_the_keys_of_a_hit_are_stable(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    (hit,) = json.loads(aur("mem", "search", "price_of", "--limit", "1", "--json").stdout)["hits"]
    assert set(hit) == {
        "chunk_id", "file", "line_start", "line_end", "name", "kind", "symbol_type", "signature", "content",
        "bm25_score", "name_score", "activation_score", "semantic_score", "hybrid_score", "reasoning", "stale",
    }  # fmt: skip
    assert (hit["file"], hit["line_start"], hit["name"]) == ("src/shop/stock.py", 6, "price_of")


def test_the_kinds_on_offer_are_those_of_the_memory() -> None:
    (option,) = [parameter for parameter in search.command.params if parameter.name == "kinds"]
    assert list(option.type.choices) == [kind.value for kind in ChunkKind]  # type: ignore[attr-defined]


def test_nothing_found_is_said_and_is_no_failure(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    outcome = aur("mem", "search", "zebra")
    assert outcome.returncode == ExitCode.DONE
    assert outcome.stdout == ""
    assert "nothing found for 'zebra'" in outcome.stderr


def test_an_empty_query_is_a_usage_error(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    assert aur("mem", "search", " ").returncode == ExitCode.USAGE


def test_an_empty_index_is_said(aur: Aur, shop: Path) -> None:
    (shop / ".aurora").mkdir()
    assert "run `aur mem index` first" in aur("mem", "search", "price").stderr


def test_searching_where_there_is_no_project_is_an_error_with_a_way_out(aur: Aur, shop: Path) -> None:
    outcome = aur("mem", "search", "price")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "aur init" in outcome.stderr
    assert not (shop / ".aurora").exists()


def test_a_name_is_shown_with_its_text_and_its_callers(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    outcome = aur("mem", "show", "price_of")
    assert outcome.returncode == ExitCode.DONE
    lines = outcome.stdout.splitlines()
    assert lines[0].startswith("src/shop/stock.py:6-")
    assert "      6  def price_of(article: str) -> int:" in lines
    assert "  src/shop/till.py:14  Till.scan: self.total_cents += price_of(article)" in lines


def test_a_qualified_name_is_shown_to_programs(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    document = json.loads(aur("mem", "show", "Till.scan", "--json").stdout)
    (definition,) = document["definitions"]
    assert (definition["file"], definition["name"]) == ("src/shop/till.py", "Till.scan")
    assert [caller["name"] for caller in document["callers"]] == ["main"]


def test_a_name_that_nothing_defines_is_a_goal_not_reached(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    outcome = aur("mem", "show", "zebra")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "aur mem search zebra" in outcome.stderr


def test_a_place_that_search_prints_is_shown(aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aur("mem", "index")
    place = aur("mem", "search", "price_of", "--limit", "1").stdout.split("  ")[0]
    shown = aur("mem", "show", place)
    assert shown.returncode == ExitCode.DONE
    assert shown.stdout.splitlines()[0].startswith(place)
    monkeypatch.chdir(shop / "src" / "shop")
    assert aur("mem", "show", "stock.py:7").stdout == aur("mem", "show", "src/shop/stock.py:price_of").stdout


def test_a_file_is_shown_to_programs_under_the_words_that_were_asked(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    document = json.loads(aur("mem", "show", "src/shop/till.py", "--json").stdout)
    assert (document["name"], document["callers"]) == ("src/shop/till.py", [])
    starts = [each["line_start"] for each in document["definitions"]]
    assert len(starts) > 1
    assert starts == sorted(starts)


def test_a_file_that_is_not_in_the_memory_is_a_usage_error_with_the_next_step(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    (shop / "src/shop/fresh.py").write_text("def fresh() -> None: ...\n", encoding="utf-8")
    outcome = aur("mem", "show", "src/shop/fresh.py")
    assert outcome.returncode == ExitCode.USAGE
    assert "src/shop/fresh.py: is not in the memory: `aur mem index` adds new files" in outcome.stderr


def test_stats_tell_what_the_memory_holds(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    text = aur("mem", "stats").stdout
    assert "files         4" in text
    document = json.loads(aur("mem", "stats", "--json").stdout)
    assert document["files"] == 4
    assert document["chunks"] == sum(document["by_kind"].values())
    assert document["database_bytes"] > 0


def test_stats_of_an_unindexed_project_say_never(aur: Aur, shop: Path) -> None:
    (shop / ".aurora").mkdir()
    assert "last indexed  never" in aur("mem", "stats").stdout


@pytest.mark.parametrize("words", [["mem", "search", "price"], ["mem", "stats"], ["mem", "index"]])
def test_a_corrupt_database_is_named_with_the_way_out(aur: Aur, shop: Path, words: list[str]) -> None:
    aur("mem", "index")
    database = shop / ".aurora" / "memory.db"
    for file in database.parent.glob("memory.db*"):
        file.unlink()
    database.write_bytes(b"no database at all, but long enough to look like one " * 100)
    outcome = aur(*words)
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "memory.db" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    "content", few([b"SQLite format 3\0" + b"\xff" * 9000, b"no database at all " * 400, b""], 1)
)
def test_a_memory_in_any_state_is_made_again(aur: Aur, shop: Path, content: bytes) -> None:
    aur("mem", "index")
    for file in (shop / ".aurora").glob("memory.db*"):
        file.unlink()
    (shop / ".aurora" / "memory.db").write_bytes(content)
    assert json.loads(aur("mem", "rebuild", "--json").stdout)["files_indexed"] == 4
    assert "price_of" in aur("mem", "search", "price").stdout
    assert aur("doctor").returncode == ExitCode.DONE


def test_a_damaged_memory_names_the_command_that_mends_it(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    (shop / ".aurora" / "memory.db").write_bytes(b"no database at all " * 400)
    assert "aur mem rebuild" in aur("mem", "search", "price").stderr
    assert "aur mem rebuild" in aur("doctor").stdout


def test_rebuilding_keeps_earlier_answers_and_needs_a_project(aur: Aur, shop: Path) -> None:
    assert aur("mem", "rebuild").returncode == ExitCode.ENVIRONMENT
    remember(aur)
    outcome = aur("mem", "rebuild")
    assert outcome.stdout.startswith("4 files (4 read")
    assert earlier_answers(aur)


def remember(aur: Aur) -> None:
    """Ask something, so that the answer is kept."""
    aur("soar", "How does the till scan an article and add its price?")


def earlier_answers(aur: Aur) -> list[str]:
    hits = json.loads(aur("mem", "search", "till article price", "--kind", "reas", "--json").stdout)["hits"]
    return [hit["chunk_id"] for hit in hits]


def test_an_earlier_answer_is_forgotten_by_the_number_that_search_shows(aur: Aur, shop: Path) -> None:
    remember(aur)
    (chunk,) = earlier_answers(aur)
    assert f"chunk {chunk})" in aur("mem", "search", "till article price", "--kind", "reas").stdout
    outcome = aur("mem", "forget", chunk)
    assert (outcome.returncode, outcome.stdout) == (ExitCode.DONE, "forgot 1 of 1\n")
    assert earlier_answers(aur) == []


@pytest.mark.parametrize("chunk", ["1", "999999", "x"])
def test_what_is_no_earlier_answer_is_not_forgotten(aur: Aur, shop: Path, chunk: str) -> None:
    aur("mem", "index")
    before = json.loads(aur("mem", "stats", "--json").stdout)["chunks"]
    outcome = aur("mem", "forget", chunk, "--json")
    assert outcome.returncode == ExitCode.NOT_REACHED
    document = json.loads(outcome.stdout)
    assert (document["forgotten"], document["unknown"]) == ([], [chunk])
    assert json.loads(aur("mem", "stats", "--json").stdout)["chunks"] == before


@pytest.mark.parametrize(
    ("text", "place"), [("tool: [", "config.yaml:1"), ("spawner:\n  max_concurent: 3\n", "config.yaml:2")]
)
def test_a_configuration_that_makes_no_sense_is_a_usage_error_with_its_line(
    aur: Aur, shop: Path, text: str, place: str
) -> None:
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text(text, encoding="utf-8")
    outcome = aur("mem", "index")
    assert outcome.returncode == ExitCode.USAGE
    assert place in outcome.stderr


def test_watching_follows_edits_until_it_is_interrupted(start_aur: Callable[..., Popen[str]], shop: Path) -> None:
    watch = start_aur("mem", "watch", "--json")
    assert watch.stdout is not None
    assert json.loads(watch.stdout.readline())["files_indexed"] == 4
    (shop / "src/shop/till.py").write_text("def refund() -> None:\n    pass\n", encoding="utf-8")
    change = json.loads(watch.stdout.readline())
    assert change["paths"] == ["src/shop/till.py"]
    assert change["files_indexed"] == 1
    watch.send_signal(signal.SIGINT)
    assert watch.wait(20) == ExitCode.INTERRUPTED


def test_an_answer_is_shown_with_where_it_comes_from(aur: Aur, shop: Path) -> None:
    aur("soar", "what does price_of return?")
    found = aur("mem", "search", "what does price_of return", "--kind", "reas")
    assert "    from soar-" in found.stdout
    (hit,) = json.loads(aur("mem", "search", "price", "--kind", "reas", "--json").stdout)["hits"]
    assert hit["reasoning"]["run_id"].startswith("soar-")


def test_a_model_that_is_not_there_is_named(aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURORA_MEMORY_SEMANTIC_MODEL", "/nowhere/model")
    outcome = aur("mem", "index")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "/nowhere/model: is not the folder of a model2vec model" in outcome.stderr


def test_answers_are_shared_between_projects_that_both_say_so(
    aur: Aur, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_MEMORY_SHARE_ANSWERS", "yes")
    assert aur("soar", "what does price_of return?").returncode == ExitCode.DONE
    other = tmp_path / "other"
    other.mkdir()
    (other / "till.py").write_text("def price_of(item):\n    return item.price\n", encoding="utf-8")
    monkeypatch.chdir(other)
    told = aur("soar", "what does price_of return?")
    assert f", in {shop})" in told.stdout
    monkeypatch.setenv("AURORA_MEMORY_SHARE_ANSWERS", "no")
    assert f", in {shop})" not in aur("soar", "what does price_of return?").stdout
