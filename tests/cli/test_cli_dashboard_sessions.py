"""Sessions on the dashboard: read as they grow, gone on with from the page, and attacked."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.cli.chromium import chromium, chromium_path
from tests.cli.sites import HOSTILE, PLACE, served
from tests.cli.talks import begin_talk, talking_project
from tests.cli.waiting import wait_for
from tests.spawner.held_sessions import imagined_session
from tests.spawner.imagined_agents import World

from aurora_cli.dashboard.pages import Pages
from aurora_cli.dashboard.places import AllWorkspaces
from aurora_cli.dashboard.stream import Seen
from aurora_cli.dashboard.talks import KEY_CHARS, LONGEST_PIECE, MOST_CHARS, PIECE_CHARS, DrawnTurns, cut_at
from aurora_cli.exits import ExitCode
from aurora_cli.interaction.quiet import Quiet
from aurora_cli.workspaces.readings import all_workspaces
from aurora_core import Project
from aurora_soar.aurora.root import Aurora
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.lookup import find_run
from aurora_spawner.conversations.session_reader import SessionReader
from aurora_spawner.conversations.transcript import (
    Transcript,
    Turn,
    TurnState,
    begun,
    piece_said,
    turn_ended,
    turn_said,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.cli.finished_runs import Shed
    from tests.cli.talks import Talk

    Aur = Callable[..., CompletedProcess[str]]

CHROMIUM = chromium_path()
JSON = {"accept": "application/json"}


@pytest.fixture
def project(shed: Shed) -> Shed:
    talking_project(shed.path)
    return shed


@contextmanager
def talking(*args: str) -> Iterator[Talk]:
    talk = begin_talk(*args)
    try:
        yield talk
    finally:
        with talk.process:
            talk.process.kill()


def act(client: httpx.Client, page: str, **fields: str) -> dict[str, Any]:
    key = re.search(r'name="key" value="(\w+)"', client.get(page).text)
    assert key
    answer = client.post("/act", data={"key": key[1], **fields}, headers=JSON)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def text_of(client: httpx.Client, page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", client.get(page).text).split())


def turns_of(shed: Shed, session_id: str) -> list[Turn]:
    with Aurora.open(shed.path, existing=True) as aurora:
        return aurora.read_session(session_id).transcript.turns


def test_a_session_is_read_and_gone_on_with_in_the_process_that_holds_it(project: Shed) -> None:
    with talking("Hello", "there") as talk, served(project) as site, site.client() as client:
        talk.until("turn_over")
        page = f"/runs/{talk.id}"
        assert f'href="{PLACE}{page}">Hello there<' in client.get("/sessions").text
        assert "Hello there" in text_of(client, page)
        with client.stream("GET", f"/stream/{talk.id}?after={_version(client, page)}") as stream:
            assert act(client, page, do="say", run=talk.id, text="ask:Which|red slow:5") == {
                "said": "turn 2 is said",
                "done": True,
            }
            assert talk.until("turn")["text"] == "ask:Which|red slow:5"
            asked = talk.until("question")
            assert act(client, page, do="say", run=talk.id, text="more")["done"] is False
            wait_for(lambda: 'value="answer"' in client.get(page).text)
            assert "answered" in act(client, page, do="answer", question=asked["id"], note="blue")["said"]
            names: list[str] = []
            for line in stream.iter_lines():
                assert not line.startswith("event: reload")
                if line.startswith("data: {"):
                    names += json.loads(line.removeprefix("data: "))
                if "turn-2-end" in names:
                    break
        assert {"turn-2", "turn-2-1"} <= set(names)
        wait_for(lambda: "answered blue 0,1,2,3,4," in text_of(client, page))
        assert act(client, page, do="say", run=talk.id, text="hang")["done"]
        wait_for(lambda: 'value="interrupt"' in client.get(page).text)
        assert act(client, page, do="interrupt", run=talk.id)["done"]
        wait_for(lambda: turns_of(project, talk.id)[-1].state is TurnState.INTERRUPTED)


def _version(client: httpx.Client, page: str) -> str:
    found = re.search(r'data-after="(\d+)"', client.get(page).text)
    assert found
    return found[1]


def test_a_session_that_nobody_holds_goes_on_in_the_background(project: Shed) -> None:
    with talking("Hello") as talk, served(project) as site, site.client() as client:
        session_id = talk.id
        talk.until("turn_over")
        talk.kill()
        page = f"/runs/{session_id}"
        assert act(client, page, do="say", run=session_id, text=" \r\n ")["said"] == "not done: the turn is empty"
        assert act(client, page, do="say", run=session_id, text="count\r\nagain")["said"] == "turn 2 is said"
        try:
            wait_for(lambda: turns_of(project, session_id)[-1].state is TurnState.DONE)
            last = turns_of(project, session_id)[-1]
            assert (last.text, last.answer.split()) == ("count\nagain", ["2", "again"])
            assert list_checkpoints(project.journal)[0].held
        finally:
            _end_holder(project, session_id)
        assert "not done: " in act(client, page, do="say", run="interact-none", text="x")["said"]


def _end_holder(shed: Shed, session_id: str) -> None:
    holder = find_run(shed.journal, session_id)[0].holder
    assert holder
    os.kill(holder.pid, signal.SIGTERM)
    wait_for(lambda: not list_checkpoints(shed.journal)[0].held)


def test_a_session_that_is_held_for_others_ends_some_time_after_its_last_turn(tmp_path: Path) -> None:
    async def held() -> float:
        async with imagined_session(tmp_path, [], World()) as session:
            quiet = asyncio.ensure_future(_ended(Quiet(session, limit_s=0.4)))
            await asyncio.sleep(0.2)
            await session.say('[["say", "yes"], ["done"]]')
            said = time.monotonic()
            await quiet
            return time.monotonic() - said

    assert asyncio.run(held()) > 0.35


@pytest.mark.parametrize("options", [("--mode", "batch", "x"), ("--team", "x"), ("--list",)])
def test_a_session_is_not_held_for_others_in_a_way_that_contradicts_it(aur: Aur, options: tuple[str, ...]) -> None:
    assert aur("interact", "--hold", *options).returncode == ExitCode.USAGE


async def _ended(lines: Quiet) -> None:
    async for _ in lines:
        raise AssertionError("it has no lines")


def test_who_may_only_look_and_who_is_no_page_of_ours_says_nothing(project: Shed) -> None:
    with talking("Hello") as talk, served(project) as site:
        talk.until("turn_over")
        page, fields = f"/runs/{talk.id}", {"do": "say", "run": talk.id, "text": "from outside"}
        with site.client() as client:
            key = re.search(r'name="key" value="(\w+)"', client.get(page).text)
            assert key
        full = {"key": key[1], **fields}
        with site.client(may_act=False) as reader:
            looked = reader.get(page).text
            assert "Hello" in looked
            assert not re.search(r"<button|<textarea|name=.key", looked)
            assert reader.get("/sessions").status_code == 200
            assert reader.post("/act", data=full).status_code == 403
        with site.client() as client:
            for headers, data, status in (
                ({"origin": "http://127.0.0.1:1"}, full, 403),
                ({"origin": "null"}, full, 403),
                ({"sec-fetch-site": "same-site"}, full, 403),
                ({"host": "rebound.example"}, full, 421),
                ({}, {**full, "key": "0" * 64}, 403),
                ({}, fields, 403),
            ):
                assert client.post("/act", data=data, headers=headers).status_code == status, headers
        with httpx.Client(base_url=site.pages, cookies={"aurora_dashboard": "t" * 30}) as old:  # of an earlier server
            answers = [
                old.get("/sessions"),
                old.get(page),
                old.get(f"/stream/{talk.id}"),
                old.post("/act", data=full),
            ]
            assert [each.status_code for each in answers] == [401] * 4
        assert len(turns_of(project, talk.id)) == 1


def test_sessions_of_all_workspaces_are_read_and_spoken_in(shed: Shed, aur: Aur, tmp_path: Path) -> None:
    assert aur("workspace", "add", "--name", "shed").returncode == 0
    (tmp_path / "damaged").mkdir()
    damaged = Project.init(tmp_path / "damaged")
    damaged.runs_db.write_bytes(b"no database" * 1000)
    assert aur("workspace", "add", str(damaged.root)).returncode == 0

    def on_the_page(run_id: str) -> tuple[str, str]:
        page = f"/runs/shed:{run_id}"
        with served(shed, AllWorkspaces(all_workspaces)) as site, site.client() as client:
            listed = client.get("/sessions").text
            assert f'href="{PLACE}/runs/shed%3A{run_id}"' in listed
            assert f"workspace damaged: {damaged.runs_db}" in listed, "and it holds up no other"
            said = act(client, page, do="say", run=f"shed:{run_id}", text='[["say", "from afar"], ["done"]]')["said"]
            wait_for(lambda: 'id="turn-1-end"' in client.get(page).text)
            return said, text_of(client, page)

    async def talk() -> tuple[str, str]:
        async with imagined_session(shed.path / ".aurora", [], World()) as session:
            return await asyncio.to_thread(on_the_page, session.run_id)

    said, page = asyncio.run(talk())
    assert said == "turn 1 is said"
    assert "@able from afar" in page


def hostile_session(agent: str = "bot") -> Transcript:
    talk = Transcript()
    words = f"{HOSTILE} API_KEY=abcd" + "efgh1234"
    drafts = [begun(goal=HOSTILE, agent=agent, mode="interactive"), turn_said(agent=agent, words=words)]
    drafts += [("tool", {"name": HOSTILE, "about": f"cat '{HOSTILE}.txt'", "read": None})]
    drafts += [
        piece_said(words, read_bytes=None),
        turn_ended(TurnState.FAILED, problem=words, usage=None, read_bytes=None),
    ]
    for topic, note in drafts:
        talk.take(topic, note, 1_000_000_000.0)
    return talk


def test_what_is_said_by_whoever_in_whatever_stays_text() -> None:
    pages = Pages(project="shop", place=PLACE, form_key="k")
    html = "".join(DrawnTurns(pages.turn_part).html(hostile_session(agent=HOSTILE)).values())
    assert not re.search(r"<script|<img|\x1b", html)
    assert html.count("&lt;script") == 6
    assert "efgh1234" not in html
    assert html.count("API_KEY=***") == 3


def test_an_answer_is_rendered_in_pieces_that_do_not_change() -> None:
    rendered: list[str] = []

    def render(name: str, _turn: Turn, text: str) -> str:
        rendered.append(name)
        return text

    talk, turns = Transcript(), DrawnTurns(render)
    for topic, note in (begun(goal="", agent="a", mode="interactive"), turn_said(agent="a", words="go")):
        talk.take(topic, note, 1.0)
    paragraph = "word " * 200 + "\n\n"
    for _ in range(60):
        talk.take(*piece_said(paragraph, read_bytes=None), 1.0)
        found = turns.html(talk)
    texts = [html for name, html in found.items() if name.startswith("turn-1-")]
    assert "".join(texts) == paragraph * 60
    assert all(PIECE_CHARS <= len(each) < PIECE_CHARS + 2 * len(paragraph) for each in texts[:-1])
    talk.take(*turn_ended(TurnState.DONE, problem="", usage=None, read_bytes=None), 2.0)
    assert turns.html(talk) == turns.html(talk)
    assert len(rendered) <= 60 * 2 + len(texts) + 4


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("x" * (PIECE_CHARS + 1), None),
        ("x" * PIECE_CHARS + "\n\ny", PIECE_CHARS + 2),
        ("x" * LONGEST_PIECE + "\ny", LONGEST_PIECE + 1),
        ("x" * MOST_CHARS, None),
        ("-----BEGIN PRIVATE KEY-----\n" + "k" * PIECE_CHARS + "\n\nkk", None),
        (
            "-----BEGIN PRIVATE KEY-----\n" + "k" * PIECE_CHARS + "\n\nkk\n-----END PRIVATE KEY-----\nx",
            PIECE_CHARS + 59,
        ),
        ("-----BEGIN PRIVATE KEY-----\n" + "k" * PIECE_CHARS + "\n\n" + "k" * KEY_CHARS, PIECE_CHARS + 30),
    ],
)
def test_no_private_key_is_cut_in_two(text: str, end: int | None) -> None:
    assert cut_at(text, 0) == end


def test_only_turns_are_put_behind_the_others() -> None:
    seen = Seen()
    seen.take({"top": "1", "turn-1": "a"}, 5)
    seen.take({"top": "1", "turn-1": "a", "turn-1-1": "b"}, 6)
    assert seen.since(5) == {"turn-1-1": "b"}
    seen.take({"top": "1", "turn-1": "a", "turn-1-1": "b", "task-1": ""}, 7)
    assert seen.since(6) is None


def test_a_reader_reads_what_has_come_and_a_file_that_was_replaced(tmp_path: Path) -> None:
    async def said() -> tuple[list[str], list[str]]:
        async with imagined_session(tmp_path, [], World()) as session:
            reader = SessionReader(tmp_path / "runs.db", session.run_id)
            before = [turn.text for turn in reader.look().turns]
            await session.say('[["say", "yes"], ["done"]]')
            after = [turn.answer for turn in reader.look().turns]
            reader.close()
            return before, after

    assert asyncio.run(said()) == ([], ["yes"])


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed here")
def test_a_person_talks_on_the_page(project: Shed) -> None:
    assert CHROMIUM
    script = "say:<script>alert(1)</script><img/src=//127.0.0.1:1/x>"
    with talking(script) as talk, served(project) as site, chromium(CHROMIUM) as browser:
        talk.until("turn_over")
        page = browser.page(width=390, dark=True)
        page.open(f"{site.address}/?token={site.access.token}")
        page.open(f"{site.pages}/sessions")
        page.focus("tbody a")
        page.press("Enter")
        page.wait("document.querySelector('#turns') && document.readyState === 'complete'")  # its script has begun
        page.run("window.marker = 'the same page'")
        page.focus(".say textarea")
        page.write(f"{script} slow:10 ask:Which|red")
        page.press("Enter", ctrl=True)
        page.wait("document.querySelector('#turn-2')")
        assert page.run("document.querySelector('.say textarea').value") == ""
        page.wait("document.querySelector('#turn-2-1')?.textContent.includes('9,')")
        page.focus(".question input[name=note]")
        page.write("blue")
        page.press("Enter")
        page.wait("document.querySelector('#turn-2-1').textContent.includes('answered blue')")
        page.wait("document.querySelector('#turn-2-end')")
        assert page.run("document.querySelector('#turn-2').textContent").count("<script>alert(1)</script>") == 1
        assert page.run("window.marker") == "the same page"
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        assert page.questions == []
        assert page.problems == []
        assert [each for each in page.requested if not each.startswith(site.address)] == []
