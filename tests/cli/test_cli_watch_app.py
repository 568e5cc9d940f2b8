"""The live view on a screen: what it looks like, what its keys do, and what it does without a terminal."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.finished_runs import Shed, writes
from tests.cli.screens import text_of
from tests.cli.terminals import on_terminal
from tests.cli.watched import asking, facts_of, live, month, question, task, works_on
from textual.widgets import Input

from aurora_cli.exits import ExitCode
from aurora_cli.watch.app import WatchApp
from aurora_cli.watch.facts import Facts, Reader, Spending, Wanted
from aurora_cli.watch.row_list import RowList
from aurora_cli.watch.steering import Steering
from aurora_soar import Aurora
from aurora_spawner import TaskState
from aurora_spawner.control.log_tail import TailPiece
from aurora_spawner.errors import JournalError
from aurora_spawner.supervision.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess

    from textual.pilot import Pilot

    from aurora_spawner.control.log_tail import LogTail

    Aur = Callable[..., CompletedProcess[str]]

SNAPSHOTS = Path(__file__).with_name("snapshots")


class Shown(Reader):
    """A reader of facts that a test has made."""

    def __init__(self, facts: Facts, log: bytes = b"", *, trouble: Exception | None = None) -> None:
        self.facts = facts
        self.trouble = trouble
        self.wanted = Wanted()
        self._log = log

    def close(self) -> None:
        pass

    def has_changed(self) -> bool:
        return False

    def look(self, wanted: Wanted) -> Facts:
        self.wanted = wanted
        if self.trouble is not None:
            raise self.trouble
        selected = next((each for each in self.facts.runs if each.run.run_id == wanted.run_id), self.facts.selected)
        return replace(self.facts, selected=selected)

    def tail(self, run_id: str, task_id: str, tail: LogTail) -> TailPiece | None:
        piece, self._log = TailPiece(content=self._log, anew=False), b""
        return piece


class Recorded(Steering):
    """Notes what it is asked to do, and does nothing."""

    def __init__(self) -> None:
        self.done: list[tuple[object, ...]] = []

    def pause(self, run_id: str) -> str:
        self.done.append(("pause", run_id))
        return "paused it"

    def cancel(self, run_id: str, task_id: str | None) -> str:
        self.done.append(("cancel", run_id, task_id))
        return "cancelled it"

    def answer(self, approval: str, *, approved: bool, note: str = "", always: bool = False, user: str = "") -> str:
        assert not user  # it is the user of this terminal
        self.done.append(("answer", approval, approved, note, always))
        return "answered it"


def busy_facts() -> Facts:
    rows = [
        task("1", "Read the parser", state=TaskState.SUCCEEDED),
        task("2", "Write the lexer", "1", state=TaskState.RUNNING, attempts=1),
        task("3", "Test the lexer", "2"),
        task("4", "Clean up what is left of the old one", state=TaskState.RUNNING, attempts=2),
    ]
    run = asking(
        live(running=[works_on("2"), works_on("4", agent="codex", attempt=2)]), question("4", shape="rm -rf")
    )
    counts = {"succeeded": 1, "running": 2, "pending": 1}
    run = replace(run, status=replace(run.status, tasks=counts))
    facts = facts_of(run, *rows)
    lines = {"2": "> Edit: src/lexer.py"}
    return replace(facts, last_lines=lines, spending=Spending(month=month(41.0), by_run={"spawn-1": 1.5}))


def app_of(facts: Facts, log: bytes = b"", **more: Exception) -> tuple[WatchApp, Recorded]:
    steering = Recorded()
    return WatchApp(Shown(facts, log, **more), steering, facts, project="shop"), steering


async def until(pilot: Pilot[Any], met: Callable[[], bool]) -> None:
    for _ in range(400):
        if met():
            return
        await pilot.pause(0.02)
    pytest.fail(f"it did not come:\n{text_of(pilot.app)}")


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_utc")
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40), (40, 12)])
async def test_the_screen_is_as_it_was_drawn_before(columns: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    app, _ = app_of(busy_facts(), b"reads src/lexer.py\n> Edit: src/lexer.py\nnow the tests\n")
    async with app.run_test(size=(columns, rows)) as pilot:
        await until(pilot, lambda: "now the tests" in text_of(app))
        shown = text_of(app) + "\n"
    assert all(len(line) <= columns for line in shown.splitlines())
    snapshot = SNAPSHOTS / f"watch_{columns}x{rows}.txt"
    if "UPDATE_GOLDEN" in os.environ:
        snapshot.write_text(shown, encoding="utf-8")
    assert shown == snapshot.read_text(encoding="utf-8")


async def test_a_cancellation_is_asked_about_first() -> None:
    app, steering = app_of(busy_facts())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        assert "Cancel task 2 of spawn-1?" in text_of(app)
        await pilot.press("n", "c", "escape", "C")
        assert "Cancel the run spawn-1?" in text_of(app)
        assert "2 agents of it end now" in text_of(app)
        await pilot.press("enter")
        assert steering.done == []
        await pilot.press("c", "y")
        await until(pilot, lambda: "cancelled it" in text_of(app))
        await pilot.press("C", "y")
        await until(pilot, lambda: len(steering.done) == 2)
    assert steering.done == [("cancel", "spawn-1", "2"), ("cancel", "spawn-1", None)]


async def test_questions_are_answered_in_place() -> None:
    app, steering = app_of(busy_facts())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a")
        assert "rm -rf lib" in text_of(app)
        assert "a = approve, w = for the whole run, d = deny, Esc = leave it open" in text_of(app)
        await pilot.press("escape")
        assert steering.done == []
        await pilot.press("a", "a")
        await until(pilot, lambda: "answered it" in text_of(app))
        await pilot.press("a", "w", "d", *"use mv", "enter")
        await until(pilot, lambda: len(steering.done) == 3)
        await pilot.press("d", "escape")
    assert steering.done == [
        ("answer", "k7m2xq", True, "", False),
        ("answer", "k7m2xq", True, "", True),
        ("answer", "k7m2xq", False, "use mv", False),
    ]


async def test_a_whole_run_is_approved_only_where_that_can_be() -> None:
    run = asking(live(), question(""))
    app, steering = app_of(facts_of(run, task("1")))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a", "w")
        assert isinstance(app.screen.query_one("#words"), Input)
        await pilot.press("escape")
    assert steering.done == []


async def test_an_agent_gets_the_words_that_are_typed() -> None:
    run = asking(live(), question(gate="agent", subject="Which port?"))
    app, steering = app_of(facts_of(run, task("1")))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a")
        assert "Which port?" in text_of(app)
        assert "approve" not in text_of(app).split("Which port?")[1]
        await pilot.press("enter")
        assert steering.done == [], "an empty answer is none"
        await pilot.press(*"qwad l", "enter")
        await until(pilot, lambda: steering.done == [("answer", "k7m2xq", True, "qwad l", False)])
        await pilot.press("d", "escape")
    assert len(steering.done) == 1


async def test_the_end_of_a_long_command_can_be_seen_before_it_is_approved() -> None:
    run = asking(live(), question(subject=f"echo {'x ' * 1_900}; rm -rf lib"))
    app, _ = app_of(facts_of(run, task("1")))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a")
        assert "a = approve" in text_of(app)
        assert "; rm -rf lib" not in text_of(app)
        await pilot.press(*["down"] * 60)
        await until(pilot, lambda: "; rm -rf lib" in text_of(app))
        assert "a = approve" in text_of(app)


async def test_keys_move_filter_and_zoom() -> None:
    app, steering = app_of(busy_facts(), b"one\ntwo\n")
    async with app.run_test(size=(80, 24)) as pilot:
        tasks = app.query_one("#tasks", RowList)
        assert tasks.key == "2", "the first that works is followed"
        await pilot.press("down", "down", "down")
        assert (tasks.key, "The output of 4" in text_of(app)) == ("4", True)
        await pilot.press("f")
        assert "2 tasks of spawn-1, active only" in text_of(app)
        await pilot.press("f")
        assert "no task to show" in text_of(app)
        await pilot.press("f", "home", "e")
        assert "The standard error of" in text_of(app)
        await pilot.press("l")
        assert "tasks of" not in text_of(app)
        await pilot.press("escape", "end", "pageup", "p")
        assert "tasks of" in text_of(app)
        await until(pilot, lambda: steering.done == [("pause", "spawn-1")])


async def test_another_run_is_chosen_by_its_row() -> None:
    other = live(run=replace(live().run, run_id="spawn-2"))
    facts = busy_facts()
    app, _ = app_of(replace(facts, runs=(*facts.runs, other)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("shift+tab", "shift+tab", "down")
        await until(pilot, lambda: "of spawn-2" in text_of(app))


async def test_keys_steer_the_run_at_the_cursor_before_its_tasks_are_read() -> None:
    other = live(run=replace(live().run, run_id="spawn-2"))
    facts = busy_facts()
    app, steering = app_of(
        replace(facts, runs=(*facts.runs, other)), trouble=JournalError(Path("runs.db"), "is busy")
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("shift+tab", "shift+tab", "down", "p", "C")
        await until(pilot, lambda: "spawn-2?" in text_of(app))
        await pilot.press("y")
        await until(pilot, lambda: len(steering.done) == 2)
    assert steering.done == [("pause", "spawn-2"), ("cancel", "spawn-2", None)]


async def test_a_journal_that_cannot_be_read_any_longer_is_told_and_the_view_stays() -> None:
    app, _ = app_of(busy_facts(), trouble=JournalError(Path("runs.db"), "is damaged"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "cannot be read: runs.db: is damaged" in text_of(app))
        assert "Write the lexer" in text_of(app)
        await pilot.press("q")
    assert app.return_value is ExitCode.DONE


async def test_a_defect_of_ours_ends_the_view_and_is_kept_for_the_command() -> None:
    app, _ = app_of(busy_facts(), trouble=ZeroDivisionError())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: not app.is_running)
    assert isinstance(app.failure, ZeroDivisionError)


async def test_1000_tasks_can_be_walked_through() -> None:
    rows = [task(str(each), state=TaskState.RUNNING if each == 500 else TaskState.PENDING) for each in range(1, 1001)]
    app, _ = app_of(facts_of(live(running=[works_on("500")]), *rows))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "500 do it" in text_of(app))
        await pilot.press("end")
        await until(pilot, lambda: "1000 do it" in text_of(app))
        reader = app._reader
        assert isinstance(reader, Shown)
        await until(pilot, lambda: "1000" in reader.wanted.tasks)
        assert len(reader.wanted.tasks) < 24


def test_a_real_run_is_read_followed_and_ends_meanwhile(shed: Shed) -> None:
    run = shed.create(writes("1", "one.txt", "first"), writes("2", "two.txt", "second"))

    async def look_on() -> None:
        with Aurora.open(shed.path) as aurora:
            reader = Reader(aurora)
            app = WatchApp(reader, Steering(aurora), reader.look(Wanted()), project="shed")
            async with app.run_test(size=(100, 30)) as pilot:
                assert "created" in text_of(app)
                await asyncio.to_thread(run.execute_sync)
                await until(pilot, lambda: "2 succeeded" in text_of(app) and "work: on main" in text_of(app))
                await until(pilot, lambda: "done" in text_of(app))
            reader.close()

    asyncio.run(look_on())


def test_keys_on_a_run_without_a_process_say_what_to_do(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    run = shed.create(writes("1", "one.txt", "first"))
    with Aurora.open(shed.path) as aurora:
        steering, reader = Steering(aurora), Reader(aurora)
        (seen,) = reader.look(Wanted()).runs
        assert f"resume it from a shell with: aur resume {run.run_id}" in steering.resume(seen)
        assert steering.pause(run.run_id).startswith(f"not done: run {run.run_id} is not running")
        assert steering.cancel(run.run_id, "1") == f"cancelling {run.run_id}/1"
        assert steering.cancel(run.run_id, "7").startswith(f"not done: run {run.run_id} has no task")
        assert "not done: " in steering.answer("k7m2xq", approved=True)
        monkeypatch.setenv(TOKEN_VARIABLE, "1")
        assert "an agent" in steering.answer("k7m2xq", approved=True)
        reader.close()


def test_a_key_that_fails_ends_no_view(shed: Shed) -> None:
    (shed.path / ".aurora" / "policies.yaml").write_text("budgets: {}\n")
    with Aurora.open(shed.path) as aurora:
        steering = Steering(aurora)
        assert "did you mean budget?" in steering.said(lambda: str(aurora.policies))
        assert "not done: bug in Aurora: ZeroDivisionError" in steering.said(lambda: str(1 / 0))


def test_without_a_terminal_it_is_a_usage_error_that_names_the_other_form(aur: Aur, shed: Shed) -> None:
    refused = aur("status", "--watch")
    assert refused.returncode == ExitCode.USAGE
    assert "aur status --json" in refused.stderr
    assert aur("status", "--watch", "--json").returncode == ExitCode.USAGE


def test_what_cannot_be_read_at_all_is_an_error_before_the_view_starts(shed: Shed) -> None:
    status, written = on_terminal("status", "--watch", "spawn-1")
    assert (status, "spawn-1" in written, "Traceback" in written) == (ExitCode.USAGE, True, False)
    shed.journal.write_bytes(b"this is no database, " * 100)
    status, written = on_terminal("status", "--watch")
    assert (status, "runs.db" in written, "\x1b[?1049h" in written) == (ExitCode.ENVIRONMENT, True, False)
