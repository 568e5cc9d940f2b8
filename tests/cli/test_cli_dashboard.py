"""The dashboard over real HTTP: what it shows, what it does, who gets in, and what a page misses (nothing)."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.cli.finished_runs import Shed
from tests.cli.sites import HOSTILE, PLACE, Site, served
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.dashboard.stream import Seen
from aurora_cli.exits import ExitCode
from aurora_soar.aurora.root import Aurora
from aurora_spawner import RunReport, SpawnTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]
    Start = Callable[..., Popen[str]]


@pytest.fixture
def site(shed: Shed) -> Iterator[Site]:
    with served(shed) as found:
        yield found


def act(client: httpx.Client, page: str, **fields: str) -> str:
    key = re.search(r'name="key" value="(\w+)"', client.get(page).text)
    assert key
    answer = client.post("/act", data={"key": key[1], **fields}, headers={"accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["said"])


def events(
    client: httpx.Client, path: str, *, until: Callable[[str, str], bool], **headers: str
) -> list[tuple[str, str, str]]:
    """Reads a stream until an event of a kind and with data that is looked for: (id, kind, data) of each."""
    found: list[tuple[str, str, str]] = []
    fields: dict[str, str] = {}
    with client.stream("GET", path, headers=headers) as stream:
        for line in stream.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "event" in fields:
                found.append((fields.get("id", ""), fields["event"], fields.get("data", "")))
                if until(found[-1][1], found[-1][2]):
                    return found
            fields = {}
    return found


def work(shed: Shed, *texts: str) -> RunReport:
    return shed.run(*(SpawnTask(text, id=str(number)) for number, text in enumerate(texts, 1)))


def test_runs_tasks_changes_and_pictures_are_shown(shed: Shed, site: Site) -> None:
    report = work(shed, "echo new > new.txt; echo written", "exit 3")
    with site.client() as client:
        assert f'href="{PLACE}/runs/{report.run_id}"' in client.get("/").text
        page = client.get(f"/runs/{report.run_id}").text
        assert "1 succeeded, 1 failed" in page
        assert page.count('<tr id="task-') == 2
        task = client.get(f"/runs/{report.run_id}/tasks/1").text
        assert '<span class="add">+new</span>' in task
        assert "written" in task
        assert "exited with code 3" in client.get(f"/runs/{report.run_id}/tasks/2").text
        picture = client.get(f"/runs/{report.run_id}/picture.svg")
        assert picture.headers["content-type"] == "image/svg+xml"
        assert "<svg" in picture.text
        log = events(client, f"/log/{report.run_id}/1", until=lambda kind, _data: kind == "end")
        assert "written" in "".join(json.loads(data) for _, kind, data in log if kind == "text")
        assert client.get("/budget").status_code == 200


def test_the_memory_is_searched_with_scores_by_part(shed: Shed, site: Site) -> None:
    with Aurora.open(shed.path, existing=True) as aurora, aurora.open_memory() as memory:
        memory.index()
    with site.client() as client:
        found = client.get("/search", params={"q": "line 7"}).text
        assert "app.py:1" in found
        assert "activation 0." in found
        assert "Nothing was found" in client.get("/search", params={"q": "zzznowhere"}).text


def test_what_agents_wrote_stays_text(shed: Shed, site: Site) -> None:
    report = shed.run(
        SpawnTask(
            f"# {HOSTILE}\nprintf '%s' '<script>alert(2)</script>' > 'a<b>.txt'; echo '<b>bold</b>'", id="<i>1</i>"
        )
    )
    with site.client() as client:
        for path in ("/", f"/runs/{report.run_id}", f"/runs/{report.run_id}/tasks/<i>1</i>"):
            answer = client.get(path)
            assert answer.status_code == 200
            text = answer.text.replace('<script src="/place/static/dashboard.js" defer></script>', "")
            assert not re.search(r"<script|<img src=x|<i>1|<b>bold|a<b>|\x1b", text), path
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"cookie": "aurora_dashboard=wrong"}, 401),
        ({"cookie": 'aurora_dashboard="'}, 401),
        ({"cookie": f"aurora_dashboard={'a' * 30}", "host": "rebound.example"}, 421),
        ({"cookie": f"aurora_dashboard={'a' * 30}", "origin": "http://other.example"}, 403),
        ({"cookie": f"aurora_dashboard={'a' * 30}", "origin": "null"}, 403),
        ({"cookie": f"aurora_dashboard={'a' * 30}", "sec-fetch-site": "cross-site"}, 403),
        ({"cookie": f"aurora_dashboard={'a' * 30}", "sec-fetch-site": "same-site"}, 403),
    ],
)
@pytest.mark.parametrize("path", few(["/", "/stream", "/static/dashboard.js", "/act"], 1))
def test_nobody_else_gets_in(site: Site, headers: dict[str, str], status: int, path: str) -> None:
    answer = httpx.request("POST" if path == "/act" else "GET", site.pages + path, headers=headers)
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_token_is_in_the_address_once(site: Site) -> None:
    first = httpx.get(site.address, params={"token": site.access.token})
    assert (first.status_code, first.headers["location"]) == (303, f"{PLACE}/")
    assert {"HttpOnly", "SameSite=Strict", f"Path={PLACE}/"} <= set(first.headers["set-cookie"].split("; "))
    assert httpx.get(site.address, params={"token": "guessed"}).status_code == 401


def test_a_link_to_look_changes_nothing(shed: Shed, site: Site) -> None:
    report = work(shed, "true")
    with site.client(may_act=False) as reader:
        assert "<button" not in reader.get(f"/runs/{report.run_id}").text
        refused = reader.post("/act", data={"do": "cancel", "run": report.run_id})
        assert refused.status_code == 403
    with site.client() as client:
        forged = client.post("/act", data={"key": "0" * 64, "do": "cancel", "run": report.run_id})
        assert forged.status_code == 403
        assert "load the page again" in forged.text


def test_a_run_is_watched_paused_and_cancelled(shed: Shed, site: Site) -> None:
    tasks = (SpawnTask("echo begun; until [ -e go ]; do sleep 0.05; done", id="1"), SpawnTask("true", id="2"))
    run = shed.create(*tasks)
    reports: list[RunReport] = []
    working = threading.Thread(target=lambda: reports.append(run.execute_sync()))
    working.start()
    try:
        with site.client() as client:
            page = f"/runs/{run.run_id}"
            wait_for(lambda: "Cancel</button>" in client.get(page).text)
            assert "nothing was done" in act(client, page, do="dance", run=run.run_id)
            assert "is paused" in act(client, page, do="pause", run=run.run_id)
            seen = events(
                client, f"/stream/{run.run_id}?after={_version(client, page)}", until=lambda _kind, _data: True
            )
            assert seen
            assert "continues" in act(client, page, do="resume", run=run.run_id)
            assert f"cancelling {run.run_id}" in act(client, page, do="cancel", run=run.run_id)
            working.join(timeout=60)
            assert reports[0].state == "cancelled"
            wait_for(lambda: "Cancel</button>" not in client.get(page).text)
            assert '<span class="cancelled">cancelled</span>' in client.get(page).text
    finally:
        working.join(timeout=60)


def _version(client: httpx.Client, page: str) -> str:
    found = re.search(r'data-after="(\d+)"', client.get(page).text)
    assert found
    return found[1]


def test_a_page_that_was_cut_off_misses_nothing(shed: Shed, site: Site) -> None:
    work(shed, "true")
    with site.client() as client:
        version = _version(client, "/")
        work(shed, "true")
        seen = events(client, f"/stream?after={version}", until=lambda kind, data: kind == "parts" and "runs" in data)
        number, _, data = seen[-1]
        assert json.loads(data)["runs"].count("/runs/") == 2
        work(shed, "true")  # while nobody listens
        again = events(client, "/stream?after=0", until=lambda _kind, _data: True, **{"last-event-id": number})
        assert json.loads(again[0][2])["runs"].count("/runs/") == 3


def test_a_question_is_answered_from_the_page(aur: Aur, start_aur: Start, shed: Shed) -> None:
    agent = json.dumps(["sh", "-c", "cat > /dev/null; echo true > deploy.sh; echo done"])
    (shed.path / ".aurora" / "config.yaml").write_text(
        f"tool: sh\nbackends:\n  sh: {{kind: command, command: {agent}}}\n"
    )
    shed.repository.commit({"tasks.md": "- [ ] 1 Deploy\n"})
    running = start_aur("spawn", "tasks.md", "--merge", "auto", "--yes")
    with served(shed) as site, site.client() as client:
        wait_for(lambda: "deploy.sh" in client.get("/").text)
        page = client.get("/").text
        question = re.search(r'name="question" value="(\w+)"', page)
        assert question
        assert "approved" in act(client, "/", do="approve", question=question[1], note="from the page")
    out, err = running.communicate(timeout=50)
    assert running.returncode == ExitCode.DONE, err
    assert "1 of 1 succeeded" in out
    assert "from the page" in aur("approvals", "--all").stdout


def test_unknown_runs_tasks_and_a_missing_journal_are_said(shed: Shed, site: Site) -> None:
    with site.client() as client:
        assert "Nothing has run here yet" in client.get("/").text
        missing = client.get("/runs/nosuch/picture.svg")
        assert missing.status_code in (404, 500)
        assert "nosuch" in missing.text or "journal" in missing.text
        assert client.get("/runs/nosuch").status_code == client.get("/stream/nosuch").status_code == 404
        report = work(shed, "true")
        assert client.get(f"/runs/{report.run_id}/tasks/9").status_code == 404


def test_parts_have_versions() -> None:
    seen = Seen()
    seen.take({"a": "1", "b": "1"}, 5)
    assert seen.since(0) is None
    seen.take({"a": "2", "b": "1"}, 6)
    assert seen.since(5) == {"a": "2"}
    seen.take({"a": "2", "b": "1"}, 7)
    assert seen.since(6) == {}
    seen.take({"a": "2"}, 8)
    assert seen.since(7) is None


def test_the_command_serves_until_it_is_ended(start_aur: Start, shed: Shed) -> None:
    running = start_aur("dashboard", "--port", "0")
    assert running.stdout
    address = running.stdout.readline().strip()
    began = time.monotonic()
    while True:
        try:
            assert httpx.get(address, follow_redirects=True).status_code == 200
            break
        except httpx.ConnectError:
            assert time.monotonic() - began < 30
    running.terminate()
    assert running.wait(timeout=30) is not None


def test_a_port_that_is_taken_is_refused(aur: Aur, shed: Shed) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        outcome = aur("dashboard", "--port", str(taken.getsockname()[1]))
    assert outcome.returncode == ExitCode.USAGE
    assert "try --port 0" in outcome.stderr
