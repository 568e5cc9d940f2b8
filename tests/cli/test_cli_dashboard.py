"""The dashboard over real HTTP: what it shows, what it does, who gets in, and what a page misses (nothing)."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from tests.cli.finished_runs import Shed, writes
from tests.cli.sites import HOSTILE, PLACE, Site, served
from tests.cli.waiting import wait_for
from tests.cli.watched import NOW, asking, facts_of, live, question, task
from tests.exhaustive import few

from aurora_cli import background
from aurora_cli.dashboard import actions, costs, stream
from aurora_cli.dashboard.access import COOKIE, new_access
from aurora_cli.dashboard.app import MOST_STREAMS
from aurora_cli.dashboard.comments import comments_in
from aurora_cli.dashboard.logs import WholeLines
from aurora_cli.dashboard.pages import Drawn, Pages
from aurora_cli.dashboard.places import OneProject
from aurora_cli.dashboard.stream import Hub, Seen, View
from aurora_cli.dashboard.visitors import OWNER, READER
from aurora_cli.exits import ExitCode
from aurora_soar.aurora.root import Aurora
from aurora_spawner import RunReport, SpawnTask
from aurora_spawner.control import live_runs
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.comment_file import CommentFileError
from aurora_spawner.journal.change_views import ForeseenConflict
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_tasks
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]
    Start = Callable[..., Popen[str]]


PAGES = Pages(project="shop", place=PLACE, form_key="k")


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
    with client.stream("GET", path, headers=headers) as answer:
        for line in answer.iter_lines():
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
        failed = client.get(f"/runs/{report.run_id}/tasks/2").text
        assert "exited with code 3" in failed
        assert re.search(r'<td class="bad">attempt: [^<]*</td><td class="number">\d+\.\d</td>', failed), failed
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


def test_no_page_shows_a_key(shed: Shed, site: Site) -> None:
    report = shed.run(SpawnTask("# API_KEY=abcd" + "efgh1234\necho API_KEY=abcd" + "efgh1234; exit 3", id="1"))
    place = f"/runs/{report.run_id}"
    with site.client() as client:
        for path in ("/", place, f"{place}/tasks/1", f"{place}/work", f"{place}/picture.svg"):
            assert "efgh1234" not in client.get(path).text, path
        assert "API_KEY=***" in client.get(f"{place}/tasks/1").text


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
@pytest.mark.parametrize("path", few(["/", "/stream", "/static/dashboard.js", "/act"], 2))
def test_nobody_else_gets_in(site: Site, headers: dict[str, str], status: int, path: str) -> None:
    answer = httpx.request("POST" if path == "/act" else "GET", site.pages + path, headers=headers, verify=False)
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_token_is_in_the_address_once(site: Site) -> None:
    first = httpx.get(site.address, params={"token": site.access.token}, verify=False)
    assert (first.status_code, first.headers["location"]) == (303, f"{PLACE}/")
    assert {"HttpOnly", "SameSite=Strict", f"Path={PLACE}/"} <= set(first.headers["set-cookie"].split("; "))
    assert httpx.get(site.address, params={"token": "guessed"}, verify=False).status_code == 401


def test_a_token_of_an_earlier_server_is_worth_nothing(site: Site) -> None:
    earlier, now = (new_access(site.access.origins) for _ in range(2))
    assert len({*(earlier.token, earlier.read_token, earlier.place), *(now.token, now.read_token, now.place)}) == 6
    for token in (earlier.token, earlier.read_token):
        assert now.visitor(token) is None
        assert httpx.get(site.address, params={"token": token}, verify=False).status_code == 401
        old = httpx.get(f"{site.pages}/", headers={"cookie": f"{COOKIE}={token}"}, verify=False)
        assert (old.status_code, "set-cookie" in old.headers) == (401, False)


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


def test_a_page_that_was_hidden_for_long_catches_up_and_is_not_loaded_anew(
    shed: Shed, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    keep_fresh = View.keep_fresh

    async def told(self: View) -> None:
        await keep_fresh(self)
        ended.append(self.run_id or "")

    monkeypatch.setattr(View, "keep_fresh", told)
    monkeypatch.setattr(stream, "ALONE_S", 0.1)
    run_id = work(shed, "true").run_id
    with site.client() as client:
        version = _version(client, f"/runs/{run_id}")
        wait_for(lambda: run_id in ended)
        seen = events(client, f"/stream/{run_id}?after={version}", until=lambda _kind, _data: True)
    assert seen[0][1] == "parts"
    assert {"top", "run", "alerts", "task-0"} <= json.loads(seen[0][2]).keys()


def test_the_run_at_work_is_read_while_the_list_is_looked_at(shed: Shed) -> None:
    async def prepared(run_id: str) -> set[str]:
        with Aurora.open(shed.path, existing=True) as aurora:
            hub = Hub(OneProject(aurora), PAGES)
            hub.prepare(run_id)
            hub.prepare("nosuch")
            view = hub.view(run_id)
            async with asyncio.timeout(20):
                await view.changed(20)
            await hub.close()
            return {*view.seen(may_act=False).html}

    assert "task-0" in asyncio.run(prepared(work(shed, "true").run_id))


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


def test_a_run_that_is_no_longer_listed_has_its_page(shed: Shed, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_runs, "RECENT", 1)
    old, new = work(shed, "true"), work(shed, "true")
    with site.client() as client:
        assert [each in client.get("/").text for each in (old.run_id, new.run_id)] == [False, True]
        page = client.get(f"/runs/{old.run_id}").text
    assert f"<h1>{old.run_id} <span" in page
    assert page.count('<tr id="task-') == 1


def test_an_action_in_a_project_that_is_gone_says_so(shed: Shed, site: Site) -> None:
    with site.client() as client:
        key = re.findall('name="key" value="(\\w+)"', client.get(f"/runs/{work(shed, 'exit 3').run_id}").text)[0]
        (shed.path / ".aurora").rename(shed.path / "moved")
        assert "not done: " in client.post("/act", data={"key": key, "do": "pause", "run": "r"}).text
        (shed.path / "moved").rename(shed.path / ".aurora")


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
    assert seen.since(3) == {"a": "1", "b": "1"}, "a page that is older than this view has the same parts"
    seen.take({"a": "2", "b": "1"}, 6)
    assert seen.since(5) == {"a": "2"}
    seen.take({"a": "2", "b": "1"}, 7)
    assert seen.since(6) == {}
    seen.take({"a": "2"}, 8)
    assert seen.since(7) is None
    assert seen.since(3) is None
    seen = Seen()
    seen.take({"run": "1", "turn-1": "1"}, 5)
    assert seen.since(3) is None


async def test_a_view_that_cannot_be_read_any_longer_ends_its_streams(
    shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_view: View) -> None:
        raise ZeroDivisionError

    with Aurora.open(shed.path, existing=True) as aurora:
        hub = Hub(OneProject(aurora), PAGES)
        await hub.view(None).refresh()
        following = hub.follow(None, after=hub.view(None).version, may_act=True)
        assert await anext(following) == b": nothing new\n\n"
        monkeypatch.setattr(View, "_read", failing)
        async with asyncio.timeout(8):
            assert [each async for each in following] == []
        await hub.close()


def test_the_command_serves_until_it_is_ended(start_aur: Start, shed: Shed) -> None:
    running = start_aur("dashboard", "--port", "0")
    assert running.stdout
    address = running.stdout.readline().strip()
    began = time.monotonic()
    while True:
        try:
            assert httpx.get(address, follow_redirects=True, verify=False).status_code == 200
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
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "choose another one: --port" in outcome.stderr


def raw(site: Site, request: bytes, *, cookie: bool = True) -> socket.socket:
    """Sends a request as it is."""
    where = urlsplit(site.address)
    opened = socket.create_connection((where.hostname, where.port), timeout=20)
    head = f"Host: {where.netloc}\r\n" + (f"Cookie: {COOKIE}={site.access.token}\r\n" if cookie else "")
    line, _, rest = request.partition(b"\r\n")
    opened.sendall(line + b"\r\n" + head.encode() + rest)
    return opened


@pytest.mark.parametrize(
    "path",
    few([
        b"/static/../access.py",
        b"/static/%2e%2e/access.py",
        b"/static/..%2faccess.py",
        b"/static/%2fetc/passwd",
        b"/static/%00",
        b"/runs/..",
        b"/runs/%2e%2e%2fruns.db",
        b"/runs/%00",
        b"/runs/%ff%fe",
        b"/runs/x/tasks/../../../../etc/passwd",
        b"/runs/x/tasks/%00",
        b"/runs/x/work",
        b"/log/../x/1",
        b"/log/x/%2e%2e",
        b"/stream/%2e%2e",
        b"/../../etc/passwd",
        b"//etc/passwd",
    ], 4),
)  # fmt: skip
def test_paths_lead_nowhere_else(shed: Shed, site: Site, path: bytes) -> None:
    work(shed, "true")
    with raw(site, b"GET " + PLACE.encode() + path + b" HTTP/1.1\r\nConnection: close\r\n\r\n") as sent:
        answer = b"".join(iter(lambda: sent.recv(65_536), b""))
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 405")), answer[:300]
    assert b"Traceback" not in answer


@pytest.mark.parametrize("path", [b"/", b"/runs", b"/place", b"/placeholder/", b"/static/dashboard.js"])
def test_nothing_is_outside_of_the_place(site: Site, path: bytes) -> None:
    with raw(site, b"GET " + path + b" HTTP/1.1\r\nConnection: close\r\n\r\n") as sent:
        assert sent.recv(100).startswith(b"HTTP/1.1 401")


def test_a_giant_form_is_refused_before_it_is_read(site: Site) -> None:
    head = f"POST {PLACE}/act HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw(site, head.encode()) as sent:
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        count = 0
        with suppress(OSError):  # the server has closed the connection
            for _ in range(2_000):  # 130 MB
                sent.sendall(chunk)
                count += 1
        assert count < 500
    with site.client() as client:
        assert client.post("/act", content=b"key=%ff&" + b"a&" * 10_000).status_code in (403, 413)
        assert client.get("/").status_code == 200


def test_more_pages_than_there_is_room_for_are_refused(site: Site) -> None:
    request = f"GET {PLACE}/stream HTTP/1.1\r\n\r\n".encode()
    opened = [raw(site, request) for _ in range(MOST_STREAMS + 40)]
    try:
        found = [each.recv(12) for each in opened]
        assert found.count(b"HTTP/1.1 200") >= MOST_STREAMS
        assert found.count(b"HTTP/1.1 503") >= 20
        with site.client() as client:
            assert client.get("/").status_code == 200
    finally:
        for each in opened:
            each.close()

    def has_room() -> bool:
        with raw(site, request) as again:
            return again.recv(12) == b"HTTP/1.1 200"

    wait_for(has_room)


def test_a_client_that_does_not_read_holds_nobody_up(shed: Shed, site: Site) -> None:
    request = f"GET {PLACE}/stream?after=99999999999999 HTTP/1.1\r\n\r\n".encode()
    deaf = [raw(site, request) for _ in range(5)]
    try:
        with site.client() as client:
            version = _version(client, "/")
            for number in range(3):
                work(shed, "true")
                seen = events(client, f"/stream?after={version}", until=lambda _, data: "runs" in data)
                version = seen[-1][0] or version
                assert f"{number + 1}" in str(json.loads(seen[-1][2])["runs"].count("/runs/"))
    finally:
        for each in deaf:
            each.close()


def test_costs_are_added_up_by_day_agent_and_model(shed: Shed, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with Aurora.open(shed.path, existing=True) as aurora:
        for agent, model, cost in (("claude", "opus", 1.25), ("claude", "haiku", 0.25), ("codex", None, 0.0)):
            token = f"{agent}-{model}"
            assert aurora.ledger.reserve(token=token, run_id="r", task_id="1", agent=agent, model=model).granted
            aurora.ledger.settle(token, cost)
        assert aurora.ledger.reserve(token="x", run_id="r", task_id="2", agent="unstarted", model=None).granted
        aurora.ledger.release("x")
    with site.client() as client:
        page = client.get("/budget").text
    assert "unstarted" not in page
    for row in (("claude", "2", "$1.50"), ("codex", "1", "$0.00"), ("opus", "1", "$1.25"), ("unknown", "1", "$0.00")):
        assert re.search("</td>.*?>".join(map(re.escape, row)), page), row
    assert f"{datetime.now(UTC):%Y-%m-%d}" in page
    assert "Only the newest" not in page
    monkeypatch.setattr(costs, "MOST", 2)
    with site.client() as client:
        assert "Only the newest 2 attempts are added up" in client.get("/budget").text


def test_a_run_without_a_process_goes_on_in_the_background(start_aur: Start, shed: Shed) -> None:
    go = shed.path.parent / "go"
    agent = json.dumps(["sh", "-c", f"cat > /dev/null; [ -e {go} ] && echo done"])
    (shed.path / ".aurora" / "config.yaml").write_text(
        f"tool: sh\nbackends:\n  sh: {{kind: command, command: {agent}}}\n"
    )
    shed.repository.commit({"tasks.md": "- [ ] 1 Begin\n"})
    running = start_aur("spawn", "tasks.md", "--merge", "never")
    running.communicate(timeout=50)
    assert running.returncode == ExitCode.NOT_REACHED
    with served(shed) as site, site.client() as client:
        run_id = list_checkpoints(shed.journal)[0].run.run_id
        page = f"/runs/{run_id}"
        assert "Try the rest again</button>" in client.get(page).text
        assert "not done" in act(client, page, do="retry", run="nosuch")
        go.touch()
        assert "continues in the background" in act(client, page, do="retry", run=run_id)
        wait_for(lambda: "1 succeeded" in client.get(page).text and not list_checkpoints(shed.journal)[0].held)
        assert "Try the rest again" not in client.get(page).text


def test_the_work_of_a_run_is_listed(shed: Shed, site: Site) -> None:
    tasks = (SpawnTask("echo 1 > one.txt; echo done", id="1"), SpawnTask("exit 3", id="2"))
    report = shed.run(*tasks, merge=MergeMode.NEVER)
    with site.client() as client:
        page = re.sub("<[^>]+>", " ", client.get(f"/runs/{report.run_id}/work").text)
    words = " ".join(page.split())
    found = re.search("deliver it with: aur merge .* Not finished 2 .*no finished work .* Merged 1 .*1 file", words)
    assert found, words


def test_a_question_has_the_fields_of_its_kind_and_all_of_its_command() -> None:
    run = asking(live(), question(gate="agent", subject="Which port?"))
    of_agent = PAGES.parts(facts_of(run, task("1")), None, Drawn())[True]["alerts"]
    assert re.findall(r'name="do" value="(\w+)"', of_agent) == ["answer"]
    run = asking(live(), question(subject=f"curl --password hunter22 {'x ' * 200}; rm -rf <lib>", shape="rm -rf"))
    of_gate = PAGES.parts(facts_of(run, task("1")), None, Drawn())[True]["alerts"]
    assert re.findall(r'name="do" value="(\w+)"', of_gate) == ["approve", "deny", "always"]
    assert "; rm -rf &lt;lib&gt;</pre>" in of_gate
    assert "hunter22" not in of_gate


def test_a_paused_provider_is_told_with_its_reason_as_text() -> None:
    run = live()
    paused = {"provider": "anthropic", "state": "paused", "until": NOW + 60, "reason": "<b>limit", "window": None}
    run = replace(run, status=replace(run.status, providers=(paused,)))
    told = PAGES.parts(facts_of(run, task("1")), None, Drawn())[False]["alerts"]
    assert "provider anthropic is paused until " in told
    assert "<b>" not in told


def test_output_is_streamed_in_whole_lines_without_keys() -> None:
    lines = WholeLines()
    pieces = ["é".encode()[:1], "é".encode()[1:] + b" API_KEY=abcd", b"efgh1234\nnext \x1b[31m"]
    assert [lines.add(each) for each in pieces] == ["", "", "é API_KEY=***\n"]
    assert lines.add(b"", final=True) == "next \\x1b[31m"
    assert len(lines.add(b"x" * 100_000)) == 100_000, "a line without an end is not held back for ever"


def test_conflicts_that_are_foreseen_are_listed() -> None:
    conflicts = [ForeseenConflict(first="1", second="<2>", files=("till.py", "stock.py"))]
    page = PAGES.page(
        "work", visitor=READER, run_id="r", has_work=True, outcome=[], conflicts=conflicts, parts=[("Merged", [])]
    )
    assert "1 and &lt;2&gt;, in till.py, stock.py" in page
    assert "No task has begun" in page


def test_comments_are_sent_unless_the_work_has_changed(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(background, "start", lambda _aurora, run_id, more=(): started.append(run_id))
    run_id = shed.run(writes("1", "new.txt", "hello"), merge=MergeMode.NEVER).run_id
    with Aurora.open(shed.path, existing=True) as aurora:
        work = aurora.commentable_work(run_id, "1")
    (line,) = [number for number, text in enumerate(work.diff.splitlines(), 1) if text == "+hello"]
    given = {"do": "comment", "run": run_id, "task": "1", "base": work.base, f"line-{line}": "Why?"}
    assert "the work has changed since" in actions.act(shed.path, {**given, "commit": work.base}, OWNER)
    assert started == []
    assert actions.act(shed.path, {**given, "commit": work.commit}, OWNER) == (
        f"1 comment sent; {run_id} continues in the background"
    )
    assert started == [run_id]
    with Journal(shed.journal, make=False) as store:
        assert load_tasks(store, run_id)[0].state == "pending"


def test_fields_become_comments_on_lines() -> None:
    diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n one\n+two\n"
    given = {"line-0": "in all", "line-6": "why?\n> and how", "line-5": " ", "note": "no"}
    found = comments_in(given, diff, run_id="r", task_id="1")
    assert [(each.file, each.line, each.text, each.comment) for each in found] == [
        (None, None, "", "in all"),
        ("x", 2, "two", "why?\n> and how"),
    ]
    with pytest.raises(CommentFileError, match="no line 99"):
        comments_in({"line-99": "x"}, diff, run_id="r", task_id="1")
