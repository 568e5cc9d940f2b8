"""The application: lays out the panes, looks again and again, and turns keys into actions."""

from __future__ import annotations

import asyncio
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from textual.app import App
from textual.binding import Binding
from textual.widgets import Static

from aurora_cli.exits import ExitCode
from aurora_cli.render.words import count, one_line
from aurora_cli.watch.columns import cut
from aurora_cli.watch.dialogs import Answer, AnswerQuestion, ConfirmCancel, WholeLine
from aurora_cli.watch.facts import Facts, Wanted
from aurora_cli.watch.log_pane import LogPane
from aurora_cli.watch.pace import IDLE_S, POLL_S, next_pause_s
from aurora_cli.watch.row_list import RowList
from aurora_cli.watch.task_rows import Filter, TaskRows
from aurora_cli.watch.view import alert_rows, budget_line, question_of, run_rows, top_line
from aurora_policies.errors import PoliciesError
from aurora_spawner.control.log_tail import LogTail
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from aurora_cli.watch.ports import RunsReader, RunsSteering
    from aurora_spawner.control.approvals import ApprovalRow
    from aurora_spawner.control.live_runs import LiveRun
    from aurora_spawner.control.logs import Stream

__all__ = ["WatchApp"]

Value = TypeVar("Value")

KEYS: Final = "p/r pause/resume  c/C cancel task/run  a/d approve/deny  l log  f filter  q quit"
_LEAST_ROOM: Final = 30
"""Columns without which what is at work is told alone, without the cost."""
_CSS: Final = """
Screen, ModalScreen { background: ansi_default; color: ansi_default; }
RowList, LogPane { scrollbar-size: 0 0; background: ansi_default; overflow-x: hidden; }
Static { background: ansi_default; height: 1; text-wrap: nowrap; }
.heading { text-style: bold; }
#tasks { height: 1fr; min-height: 2; }
#message { text-style: bold; }
#keys-line { text-style: dim; }
ModalScreen { align: center middle; }
.dialog { width: 90%; max-width: 110; height: auto; max-height: 90%; border: round ansi_yellow; padding: 0 1; }
.dialog Static { height: auto; text-wrap: wrap; }
#question { height: auto; max-height: 60vh; scrollbar-size: 1 1; }
.dialog Input { border: none; height: 1; background: ansi_default; }
"""


class WatchApp(App[ExitCode]):
    """The live view of runs: of one project, or of all workspaces.

    Args:
        first: What was read before the start, so that what cannot be read at all is an error of the command.
        project: The name of the project.
    """

    CSS = _CSS
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave"),
        Binding("ctrl+c", "interrupt", priority=True),
        Binding("tab", "app.focus_next"),
        Binding("shift+tab", "app.focus_previous"),
        Binding("p", "pause"),
        Binding("r", "resume"),
        Binding("c", "cancel(True)"),
        Binding("C", "cancel(False)"),
        Binding("a", "answer(False)"),
        Binding("d", "answer(True)"),
        Binding("l", "zoom"),
        Binding("escape", "unzoom"),
        Binding("f", "filter"),
        Binding("e", "stream"),
    ]

    def __init__(self, reader: RunsReader, steering: RunsSteering, first: Facts, *, project: str) -> None:
        super().__init__(ansi_color=True)
        self._reader = reader
        self._steering = steering
        self._facts = first
        self._project = project
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="watch")
        self._look_now = asyncio.Event()
        self._filter = Filter.ALL
        self._tasks = TaskRows(first)
        self._tail: tuple[str, str, LogTail] | None = None
        """The run and the task whose output is followed, and the place in it."""
        self._stream_of_errors = False
        self._zoomed = False
        """True while the output has the whole screen."""
        self._said = ""
        self.failure: Exception | None = None
        """The error that has ended the view."""

    def compose(self) -> ComposeResult:
        """Lays out the panes."""
        yield Static(id="top", classes="heading", markup=False)
        yield RowList(id="runs", shares=(0, 0, 1, 0), empty="no run yet; start one with: aur spawn tasks.md")
        yield Static("Needs a look", id="alerts-title", classes="heading", markup=False)
        yield RowList(id="alerts", shares=(1,), empty="")
        yield Static(id="tasks-title", classes="heading", markup=False)
        yield RowList(id="tasks", shares=(0, 4, 0, 5), empty="no task to show")
        yield Static(id="log-title", classes="heading", markup=False)
        yield LogPane(id="log")
        yield Static(id="message", markup=False)
        yield Static(KEYS, id="keys-line", markup=False)

    def on_mount(self) -> None:
        """Shows what was read before the start, and begins to look."""
        self.query_one("#tasks").focus()
        self._draw()
        self.run_worker(self._follow(), exclusive=True)

    # Looking.

    async def _follow(self) -> None:
        try:
            while True:
                begun, used = time.monotonic(), time.process_time()
                await self._look()
                await self._wait(begun, used)
        except Exception as error:  # noqa: BLE001 - the command reports it, once the terminal is restored
            self.failure = error
            self.exit(ExitCode.NOT_REACHED)

    async def _look(self) -> None:
        runs, tasks = self.query_one("#runs", RowList), self.query_one("#tasks", RowList)
        on_screen = tuple(map(self._tasks.key_at, tasks.on_screen)) if len(self._tasks) else ()
        wanted = Wanted(run_id=runs.key, tasks=on_screen)
        try:
            self._facts = await self._in_thread(lambda: self._reader.look(wanted))
        except (SpawnerError, PoliciesError, OSError) as error:
            self._say(f"cannot be read: {error}")
            await self._in_thread(self._reader.close)  # the next look opens it again
            return
        self._draw()
        await self._read_log()

    async def _wait(self, begun: float, used: float) -> None:
        """Waits until it is time for the next look: after a change, or so that the seconds go on."""
        while True:
            asked = await self._asked_within(POLL_S)
            passed = time.monotonic() - begun
            until_s = next_pause_s(time.process_time() - used)
            if asked or passed >= max(IDLE_S, until_s):
                return
            if passed >= until_s and await self._has_changed():
                return
            await self._read_log()

    async def _asked_within(self, seconds: float) -> bool:
        """Returns True once the user asks for a look; False if they do not within some time."""
        try:
            async with asyncio.timeout(seconds):
                await self._look_now.wait()
        except TimeoutError:
            return False
        self._look_now.clear()
        return True

    async def _has_changed(self) -> bool:
        try:
            return await self._in_thread(self._reader.has_changed)
        except (SpawnerError, OSError):  # the look says what is wrong
            return True

    async def _read_log(self) -> None:
        if self._tail is None:
            return
        run_id, task_id, tail = followed = self._tail
        try:
            piece = await self._in_thread(lambda: self._reader.tail(run_id, task_id, tail))
        except (SpawnerError, OSError) as error:
            self._say(f"its output cannot be read: {error}")
            return
        if piece is not None and followed is self._tail:
            self.query_one("#log", LogPane).add(piece)

    async def _in_thread(self, work: Callable[[], Value]) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # Drawing.

    def _draw(self) -> None:
        facts = self._facts
        runs, alerts = run_rows(facts), alert_rows(facts)
        self._tasks = TaskRows(facts, self._filter)
        self.query_one("#runs", RowList).show(runs, [each.key for each in runs])
        self.query_one("#alerts", RowList).show(alerts, [each.key for each in alerts])
        keys = [self._tasks.key_at(place) for place in range(len(self._tasks))]
        self.query_one("#tasks", RowList).show(self._tasks, keys, start=self._tasks.first_active())
        self._draw_titles()
        self._fit(len(runs), len(alerts))
        self._follow_selected()

    def _draw_titles(self) -> None:
        facts, width = self._facts, self.size.width
        clock = datetime.fromtimestamp(facts.at).astimezone().strftime("%H:%M:%S")
        left, right = top_line(facts, self._project), f"{budget_line(facts.spending)}  {clock}"
        room = width - len(right) - 1
        self._put("#top", f"{cut(left, room)} {right}" if room > _LEAST_ROOM else left)
        of = one_line(facts.selected.run.run_id) if facts.selected else ""
        shown = "" if self._filter is Filter.ALL else f", {self._filter} only (f shows others)"
        self._put("#tasks-title", f"{count(len(self._tasks), 'task')} of {of}{shown}" if of else "Tasks")
        stream = "standard error" if self._stream_of_errors else "output"
        task = self.query_one("#tasks", RowList).key
        self._put("#log-title", f"The {stream} of {one_line(task, 60)}" if task else "Output")
        self._put("#message", self._said)

    def _put(self, selector: str, words: str) -> None:
        """Shows a line, which costs nothing if it stands there already."""
        line = self.query_one(selector, Static)
        fitted = cut(words, self.size.width)
        if line.content != fitted:
            line.update(fitted, layout=False)

    def _fit(self, runs: int, alerts: int) -> None:
        """Shares out the lines of the screen; what has nothing to show takes none."""
        lines = self.size.height
        share = max(1, lines // 8)
        heights = {"#runs": max(1, min(runs, share)), "#alerts": min(alerts, share), "#alerts-title": min(alerts, 1)}
        zoomed = self._zoomed
        for selector, height in heights.items():
            pane = self.query_one(selector)
            pane.display = height > 0 and not zoomed
            pane.styles.height = height
        for selector in ("#tasks", "#tasks-title"):
            self.query_one(selector).display = not zoomed
        self.query_one("#log").styles.height = "1fr" if zoomed else max(2, lines // 5)

    def _follow_selected(self) -> None:
        """Follows the output of the task at the cursor."""
        live, task = self._facts.selected, self.query_one("#tasks", RowList).key
        if live is None or task is None:
            self._tail = None
            self.query_one("#log", LogPane).clear("")
            return
        stream: Stream = "stderr" if self._stream_of_errors else "stdout"
        run_id = live.run.run_id
        if self._tail is None or (*self._tail[:2], self._tail[2].stream) != (run_id, task, stream):
            self._tail = (run_id, task, LogTail(stream=stream))
            self.query_one("#log", LogPane).clear("it has printed nothing yet")
            self._look_now.set()

    def _say(self, sentence: str) -> None:
        self._said = one_line(sentence, 400)
        self._put("#message", self._said)

    def on_resize(self) -> None:
        """Shares out the lines of the new screen."""
        self._draw()

    # Keys.

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Shows the tasks of another run, or the output of another task."""
        if event.rows.id == "runs":
            self._look_now.set()
        elif event.rows.id == "tasks":
            self._follow_selected()
            self._draw_titles()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Opens what was chosen: a question, or the output of a task."""
        if event.rows.id == "alerts":
            self._open_alert(str(event.rows.key))
        elif event.rows.id == "tasks":
            self.action_zoom()
        else:
            self.query_one("#tasks").focus()

    def _open_alert(self, key: str) -> None:
        if question_of(key, self._facts) is not None:
            self.action_answer(denying=False)
            return
        line = next((each.cells[0] for each in alert_rows(self._facts) if each.key == key), "")
        self.push_screen(WholeLine(line))

    def action_leave(self) -> None:
        """Ends the view; the runs go on."""
        self.exit(ExitCode.DONE)

    def action_interrupt(self) -> None:
        """Ends the view, as Ctrl-C ends other commands; the runs go on."""
        self.exit(ExitCode.INTERRUPTED)

    def action_zoom(self) -> None:
        """Gives the output the whole screen, or takes it back."""
        self._zoomed = not self._zoomed
        self._draw()
        self.query_one("#log" if self._zoomed else "#tasks").focus()

    def action_unzoom(self) -> None:
        """Takes the whole screen back from the output."""
        if self._zoomed:
            self.action_zoom()

    def action_filter(self) -> None:
        """Lists all tasks, the active ones, or the failed ones."""
        self._filter = self._filter.following
        self._draw()

    def action_stream(self) -> None:
        """Follows standard error instead of standard output, or the other way round."""
        self._stream_of_errors = not self._stream_of_errors
        self._draw()

    def action_pause(self) -> None:
        """Pauses the selected run."""
        if (live := self._selected()) is not None:
            self._act(lambda: self._steering.pause(live.run.run_id))

    def action_resume(self) -> None:
        """Continues the selected run."""
        if (live := self._selected()) is not None:
            self._act(lambda: self._steering.resume(live))

    def action_cancel(self, task: bool) -> None:
        """Cancels the selected task, or the run, after a question."""
        live = self._facts.selected if task else self._selected()
        task_id = self.query_one("#tasks", RowList).key if task else None
        if live is None or (task and task_id is None):
            return
        run_id = live.run.run_id
        what = f"task {one_line(str(task_id), 60)} of {run_id}" if task else f"the run {run_id}"
        agents = "its agent ends" if task else f"{count(len(live.status.running), 'agent')} of it end now"
        effect = f"{agents}; what is not done can be resumed later."

        def act(sure: bool | None) -> None:
            if sure:
                self._act(lambda: self._steering.cancel(run_id, task_id))

        self.push_screen(ConfirmCancel(what, effect), act)

    def action_answer(self, denying: bool) -> None:
        """Shows the question at the cursor, or the first one, and takes its answer."""
        asked = self._question()
        if asked is None:
            self._say("no question is open")
            return

        def act(answer: Answer | None) -> None:
            if answer is not None:
                self._act(
                    lambda: self._steering.answer(
                        asked.approval, approved=answer.approved, note=answer.note, always=answer.always
                    )
                )

        self.push_screen(AnswerQuestion(asked, now=self._facts.at, denying=denying), act)

    def _selected(self) -> LiveRun | None:
        """Returns the run at the cursor, of which the tasks may not be read yet."""
        key = self.query_one("#runs", RowList).key
        found = next((each for each in self._facts.runs if each.run.run_id == key), None)
        if found is None:
            self._say("no run is selected")
        return found

    def _question(self) -> ApprovalRow | None:
        alerts = self.query_one("#alerts", RowList)
        keys = [alerts.key] if alerts.has_focus else []
        keys += [each.key for each in alert_rows(self._facts)]
        return next((found for key in keys if key and (found := question_of(key, self._facts))), None)

    def _act(self, work: Callable[[], str]) -> None:
        """Does something that may take seconds, and shows the sentence that comes of it."""
        self._say("…")

        async def act() -> None:
            self._say(await asyncio.to_thread(work))
            self._look_now.set()

        self.run_worker(act())

    @contextmanager
    def ending_on_signals(self) -> Iterator[None]:
        """Ends the view in order on the signals that end a command, so that the terminal is restored."""
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {each: signal.getsignal(each) for each in signals}
        for each, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(each, lambda *_: self._end_soon())
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _end_soon(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.action_interrupt)
