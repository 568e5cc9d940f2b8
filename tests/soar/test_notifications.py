"""Notifications: who is told, in which words, and that nobody who is told can delay or fail a run."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tests.cli.waiting import wait_for

from aurora_core.errors import UnknownKeyError
from aurora_core.settings.config import NotifyConfig
from aurora_soar.errors import NotificationError
from aurora_soar.notifications import outbox as outboxes
from aurora_soar.notifications import receivers
from aurora_soar.notifications.messages import Notification, combined, notification_of
from aurora_soar.notifications.outbox import Outbox
from aurora_soar.notifications.receivers import receiver_of
from aurora_spawner import SpawnResult
from aurora_spawner.tasks.approvals import WHOLE_RUN, ApprovalQuestion
from aurora_spawner.tasks.result import RunState, TaskState
from aurora_spawner.tasks.run_events import ApprovalAsked, ProviderPaused, RunEnded, TaskEnded
from aurora_spawner.workspaces.children import Child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAILED = Notification(event="task_failed", message='2 "Fix" it: no', run="r", task="2", title='"Fix" it', at=0.0)


class Chat(ThreadingHTTPServer):
    """A receiver of posts on the loopback interface."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 204
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                chat.posts.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(chat.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name of the base class
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def key(name: str) -> str:
    if name != "chat":
        raise UnknownKeyError(name, ("X_API_KEY",), "")
    return "s3cret"


def http(url: str, *, body: str | None = None, **headers: str) -> receivers.Receiver:
    return receiver_of(NotifyConfig(on=(), url=url, body=body, headers=headers), project="/p", key=key)


def test_an_address_gets_the_document(chat: Chat) -> None:
    http(f"{chat.url}/hook").send(FAILED)
    ((path, headers, body),) = chat.posts
    assert (path, headers["content-type"]) == ("/hook", "application/json")
    assert json.loads(body) == {
        "event": "task_failed",
        "message": '2 "Fix" it: no',
        "project": "/p",
        "run": "r",
        "task": "2",
        "title": '"Fix" it',
        "agent": "",
        "at": "1970-01-01T00:00:00+00:00",
        "count": 1,
    }


def test_a_body_of_the_user_stays_json_whatever_a_task_is_called(chat: Chat) -> None:
    http(chat.url, body='{"text": "$title: $message", "cost": "$$0"}').send(FAILED)
    assert json.loads(chat.posts[0][2]) == {"text": '"Fix" it: 2 "Fix" it: no', "cost": "$0"}


def test_keys_are_filled_in_when_it_is_sent(chat: Chat) -> None:
    http(chat.url, Authorization="Bearer keys:chat").send(FAILED)
    assert chat.posts[0][1]["authorization"] == "Bearer s3cret"


def test_no_secret_is_in_the_words_of_an_error(chat: Chat) -> None:
    chat.status = 500
    with pytest.raises(NotificationError) as caught:
        http(f"{chat.url}/services/s3cret").send(FAILED)
    assert str(caught.value) == f"could not notify {chat.url}: it answered with status 500"
    with pytest.raises(NotificationError, match="could not notify keys:chat: "):
        http("keys:chat").send(FAILED)
    with pytest.raises(NotificationError, match=r"X_API_KEY"):
        http(chat.url, Authorization="keys:unknown").send(FAILED)


def test_an_answer_that_trickles_does_not_outlast_the_limit() -> None:
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not done.wait(0.05):
                    connection.sendall(b"z")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            with pytest.raises(NotificationError, match=r"it took longer than 0\.4 s"):
                http(f"http://127.0.0.1:{server.getsockname()[1]}").send(FAILED, limit_s=0.4)
        finally:
            done.set()
            thread.join()


def test_a_failure_of_the_system_is_one_of_the_delivery(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    url = chat.url.replace("http:", "https:")
    outbox = Outbox([(frozenset({"task_failed"}), http(url))], debounce_s=0)
    outbox.put(FAILED)
    assert outbox.flush() == (f"notify: could not notify {url}: FileNotFoundError",)


def test_a_command_gets_the_document_in_the_folder_of_the_project(tmp_path: Path) -> None:
    config = NotifyConfig(on=(), command=("sh", "-c", "cat > told.json"))
    receiver_of(config, project=str(tmp_path), key=key).send(FAILED)
    assert json.loads((tmp_path / "told.json").read_text())["task"] == "2"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("sh", "-c", "exit 3"), "exit status 3"),
        (("/no/such/program",), r"notify /no/such/program: /no/such/program: No such file or directory$"),
        (("sh", "-c", "sleep 60 & sleep 60"), "longer than"),
    ],
)
def test_a_command_that_fails_is_named(command: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    receiver = receiver_of(NotifyConfig(on=(), command=command), project=str(tmp_path), key=key)
    with pytest.raises(NotificationError, match=problem) as caught:
        receiver.send(FAILED, limit_s=0.3)
    assert str(caught.value).startswith(f"could not notify {command[0]}: ")


def test_the_desktop_is_told_by_its_own_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/said\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    receiver_of(NotifyConfig(on=(), desktop=True), project="/p", key=key).send(FAILED)
    assert (tmp_path / "said").read_text() == f"--app-name=Aurora\n--\nAurora: task failed\n{FAILED.message}\n"


class Ear:
    """A receiver that remembers."""

    name = "ear"

    def __init__(self) -> None:
        self.heard: list[Notification] = []
        self.open = threading.Event()
        self.open.set()

    def send(self, notification: Notification, *, limit_s: float = 10.0) -> None:
        self.open.wait(limit_s + 60)
        self.heard.append(notification)


def test_what_follows_shortly_is_told_together() -> None:
    ear = Ear()
    outbox = Outbox([(frozenset({"task_failed"}), ear)])
    outbox.put(FAILED)
    wait_for(lambda: bool(ear.heard))
    for number in range(12):
        outbox.put(Notification(event="task_failed", message=f"m{number}", at=number))
    outbox.put(Notification(event="run_ended", message="nobody wants it", at=0))
    assert outbox.flush() == ()
    first, rest = ear.heard
    assert (first.count, rest.count) == (1, 12)
    assert rest.message.splitlines() == [*(f"m{number}" for number in range(10)), "and 2 more"]


def test_an_outbox_can_be_used_again() -> None:
    ear = Ear()
    outbox = Outbox([(frozenset({"task_failed"}), ear)])
    for _ in range(2):
        outbox.put(FAILED)
        assert outbox.flush() == ()
    assert len(ear.heard) == 2


def test_a_receiver_that_hangs_is_left_and_keeps_nothing_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "MOST_WAITING", 3)
    monkeypatch.setattr(outboxes, "END_S", 0.1)
    hanging, ear = Ear(), Ear()
    hanging.open.clear()
    wanted = frozenset({"task_failed", "run_ended"})
    outbox = Outbox([(wanted, hanging), (wanted, ear)], debounce_s=0)
    for _ in range(10):
        outbox.put(FAILED)
        time.sleep(0.02)
    outbox.put(Notification(event="run_ended", message="over", at=0))
    problems = outbox.flush(limit_s=0.5)
    assert problems[0] == "notify: ear was not told everything in time"
    assert "events: too many waited" in problems[1]
    assert sum(each.count for each in ear.heard) == 11
    assert ear.heard[-1].message == "over"
    hanging.open.set()


def test_a_thread_that_was_left_behind_serves_its_queue_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "END_S", 0.1)
    ear = Ear()
    ear.open.clear()
    outbox = Outbox([(frozenset({"task_failed"}), ear)], debounce_s=60)
    outbox.put(FAILED)
    assert outbox.flush(limit_s=0.1) == ("notify: ear was not told everything in time",)
    (left,) = [each for each in threading.enumerate() if each.name == "notifications"]
    outbox.put(FAILED)
    ear.open.set()
    left.join(5)
    assert not left.is_alive()
    assert outbox.flush() == ()
    assert len(ear.heard) == 2


def test_no_command_outlives_the_end_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "LIMIT_S", 0.3)
    started: list[int] = []

    def recorded(*args: Any, **options: Any) -> Child:
        process = Child(*args, **options)
        started.append(process.pid)
        return process

    monkeypatch.setattr(receivers, "Child", recorded)
    config = NotifyConfig(on=(), command=("sleep", "60"))
    outbox = Outbox([(frozenset({"task_failed"}), receiver_of(config, project=str(tmp_path), key=key))])
    outbox.put(FAILED)
    wait_for(lambda: bool(started))
    outbox.put(FAILED)
    assert outbox.flush(limit_s=5.0) == ("notify: could not notify sleep: it took longer than 0.3 s",)
    assert len(started) == 2
    assert not any(psutil.pid_exists(pid) for pid in started)


def test_a_failure_is_told_once_and_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    ear = Ear()
    bad = receiver_of(NotifyConfig(on=(), command=("false",)), project=str(tmp_path), key=key)
    wanted = frozenset({"task_failed"})
    outbox = Outbox([(wanted, bad), (wanted, ear)], debounce_s=0)
    for _ in range(3):
        outbox.put(FAILED)
    assert outbox.flush() == ("notify: could not notify false: it ended with exit status 1",)
    assert sum(each.count for each in ear.heard) == 3


def test_a_failure_whose_status_is_lost_is_told(tmp_path: Path) -> None:
    """As in a program that ignores SIGCHLD, where `subprocess` gives 0 for every status."""
    receiver = receiver_of(NotifyConfig(on=(), command=("false",)), project=str(tmp_path), key=key)
    outbox = Outbox([(frozenset({"task_failed"}), receiver)], debounce_s=0)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        outbox.put(FAILED)
        (problem,) = outbox.flush()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert "its exit status was lost" in problem


def test_which_events_are_told() -> None:
    ended = RunEnded(run_id="r", at=1.0, done=2, total=3, state=RunState.FAILED)
    told = notification_of(ended)
    assert told is not None
    assert (told.event, told.message) == ("run_ended", "r: failed, 2 of 3 tasks ended")
    failure = SpawnResult(task_id="2", agent="a", state=TaskState.FAILED, error="no")
    failed = notification_of(TaskEnded(run_id="r", task_id="2", title="T", agent="a", result=failure))
    assert failed is not None
    assert (failed.event, failed.message, failed.agent) == ("task_failed", "2 T: no", "a")
    candidate = TaskEnded(task_id="2:1", result=failure, candidate_of="2")
    assert notification_of(candidate) is None, "another candidate may succeed"
    assert (
        notification_of(TaskEnded(task_id="2", result=SpawnResult(task_id="2", agent="a", state=TaskState.SUCCEEDED)))
        is None
    )
    for seconds, is_told in ((30, False), (90, True)):
        pause = ProviderPaused(provider="p", at=0.0, until=float(seconds), reason="429", message="paused")
        assert (notification_of(pause) is not None) is is_told


def test_a_question_about_a_whole_run_names_the_run() -> None:
    question = ApprovalQuestion(
        task_id=WHOLE_RUN, gate="merge", subject="task 1 for main", rule="r", reason="brings it"
    )
    asked = ApprovalAsked(run_id="spawn-1", task_id=WHOLE_RUN, approval="k7m2xq", question=question, limit_s=None)
    told = notification_of(asked)
    assert told is not None
    assert told.message == "spawn-1: asks for approval (k7m2xq): brings it: task 1 for main"


def test_one_is_told_as_it_is() -> None:
    assert combined([FAILED]) is FAILED
