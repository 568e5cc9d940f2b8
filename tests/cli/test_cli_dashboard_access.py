"""The dashboard for everybody: by keyboard alone, with a screen reader, on a phone, in the dark."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.cli.chromium import chromium, chromium_path
from tests.cli.page_audit import tour, troubles
from tests.cli.sites import served
from tests.cli.waiting import wait_for

from aurora_cli.exits import ExitCode
from aurora_core.settings.dashboard_config import DashboardConfig
from aurora_soar.aurora.root import Aurora
from aurora_spawner import SpawnTask
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen

    from tests.cli.chromium import Browser, Page
    from tests.cli.finished_runs import Shed
    from tests.cli.sites import Site

    Start = Callable[..., Popen[str]]

CHROMIUM = chromium_path()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed here")

AGENT = """case $(cat) in
Deploy*) echo true > deploy.sh; echo done;;
*) echo it hangs; sleep 300;;
esac"""
TO_THE_PAGES = ["To the content", "Runs", "Sessions", "Costs", "Memory"]
ASKING = "document.querySelector('.question p').textContent"
SAID = "document.querySelector('#said').textContent"
LONG = "Unbroken" * 40


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM
    with chromium(CHROMIUM) as found:
        yield found


def entered(browser: Browser, site: Site, path: str = "/", *, width: int = 1100, dark: bool = False) -> Page:
    page = browser.page(width=width, dark=dark)
    page.open(f"{site.address}/?token={site.access.token}")
    page.open(site.pages + path)
    return page


def press_on(page: Page, words: str, key: str) -> None:
    """Goes on with Tab to what has a name, and presses a key there."""
    for _ in range(40):
        page.press("Tab")
        if page.run("document.activeElement.textContent.trim()") == words:
            page.press(key)
            return
    raise AssertionError(f"Tab does not lead to {words!r}: {tour(page)}")


def test_a_run_is_steered_with_the_keyboard_alone(start_aur: Start, shed: Shed, browser: Browser) -> None:
    agent = json.dumps(["sh", "-c", AGENT])
    (shed.path / ".aurora" / "config.yaml").write_text(
        f"tool: sh\nbackends:\n  sh: {{kind: command, command: {agent}}}\n"
    )
    shed.repository.commit({"tasks.md": "- [ ] 1 Hang\n- [ ] 2 Deploy\n"})
    running = start_aur("spawn", "tasks.md", "--merge", "auto", "--yes")
    wait_for(lambda: shed.journal.exists() and bool(list_checkpoints(shed.journal)))
    run_id = list_checkpoints(shed.journal)[0].run.run_id
    with served(shed) as site:
        page = entered(browser, site, f"/runs/{run_id}")
        page.wait("document.querySelector('.question') && document.body.innerText.includes('it hangs')")
        assert tour(page) == [
            *(*TO_THE_PAGES, "Pause", "Cancel", "Merges and unmerged work"),
            *("Note", "Approve", "Deny", "For the whole run", "1 Hang", "2 Deploy", "Graph and timeline"),
        ]
        asked = page.run(ASKING)
        found = page.named()
        assert {"role": "form", "name": asked} in [{name: each[name] for name in ("role", "name")} for each in found]
        assert troubles(page) == []

        page.run("document.activeElement.blur()")
        page.press("Tab")
        page.press("Enter")
        page.press("Tab")
        assert page.run("document.activeElement.textContent") == "Pause", "the way to the content leads elsewhere"
        now = page.run(ASKING)
        page.wait(f"{ASKING} !== {json.dumps(now)}")
        assert page.run("document.activeElement.textContent") == "Pause", "the focus was lost as the page changed"
        page.hold(" ")  # a space bar goes up later than the page changes
        now = page.run(ASKING)
        with site.client() as client:
            seen: set[str] = set()

            def moves_on() -> bool:
                seen.update(re.findall(r"asks since [^:]*", client.get(f"/runs/{run_id}").text))
                return len(seen) > 2

            wait_for(moves_on)
        assert page.run(ASKING) == now, "the page changes under a key that is down"
        page.let_go(" ")
        page.wait(f"{SAID}.includes('is paused')")
        page.wait("document.querySelector('button[value=resume]')")
        assert page.run("document.activeElement.id") == "run", "the button is gone, and the focus with it"
        press_on(page, "Resume", "Enter")
        page.wait(f"{SAID}.includes('continues')")

        page.agrees = False  # Escape leaves a question of the page
        press_on(page, "Cancel", " ")
        wait_for(lambda: bool(page.questions))
        page.agrees = True
        page.run("document.querySelector('.question input[name=note]').focus()")
        page.write("by keyboard")
        press_on(page, "Approve", "Enter")
        page.wait(f"{SAID}.includes('approved')")
        page.wait("!document.querySelector('.question')")
        assert page.run("document.activeElement.id") == "alerts", "whoever has answered reads on from there"
        assert "running" in page.run("document.querySelector('#run h1').textContent"), "Escape agrees to nothing"
        page.run("document.activeElement.blur()")
        press_on(page, "Cancel", "Enter")
        page.wait("document.querySelector('#run h1').textContent.includes('cancelled')")
        assert page.problems == []
    running.communicate(timeout=50)
    assert running.returncode == ExitCode.NOT_REACHED


def test_comments_are_left_by_escape(shed: Shed, site: Site, browser: Browser) -> None:
    run_id = shed.run(SpawnTask("echo 1 > new.py; echo 2 > two.py", id="1"), merge=MergeMode.NEVER).run_id
    page = entered(browser, site, f"/runs/{run_id}/tasks/1")
    line = "document.querySelector('[data-line=\"2\"]')"
    page.run("document.querySelector('[data-line=\"1\"]').focus()")
    page.press("ArrowDown")
    for written in ("", "Why?"):
        page.press("Enter")
        page.wait("document.activeElement.name === 'line-2'")
        page.write(written)
        page.press("Escape")
        assert page.run(f"document.activeElement === {line}")
        assert page.run("document.querySelectorAll('textarea[name=line-2]').length") == bool(written)
    page.press("ArrowUp")
    assert page.run("document.activeElement.dataset.line") == "1"
    assert page.problems == []


@pytest.fixture
def site(shed: Shed) -> Iterator[Site]:
    with served(shed) as found:
        yield found


def test_every_page_is_for_weak_eyes_small_screens_and_screen_readers(
    shed: Shed, site: Site, browser: Browser
) -> None:
    with Aurora.open(shed.path, existing=True) as aurora, aurora.open_memory() as memory:
        memory.index()
    script = f"# {LONG}\necho {LONG} > {LONG[:200]}.txt; echo {LONG}"
    report = shed.run(
        SpawnTask(script, id="1"),
        SpawnTask("exit 3", id="2"),
        SpawnTask("true", id="3", depends_on=("2",)),
        merge=MergeMode.NEVER,
    )
    run = f"/runs/{report.run_id}"
    paths = ["/", run, f"{run}/work", f"{run}/tasks/1", f"{run}/tasks/2", "/sessions", "/budget", "/search?q=line"]
    for look in ({"width": 360}, {"width": 360, "dark": True}, {"width": 1100}, {"width": 1100, "dark": True}):
        page = entered(browser, site, **look)  # type: ignore[arg-type]
        for path in (*paths, "/runs/nosuch"):
            page.open(site.pages + path)
            page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            assert troubles(page) == [], (look, path)
        page.open(site.pages + run)
        found = [each["role"] for each in page.named()]
        assert [found.count(each) for each in ("table", "row", "cell", "columnheader")] == [1, 4, 12, 4], look
        assert page.run("document.querySelector('[aria-current=page]')") is None
        page.open(f"{site.pages}/budget")
        assert page.run("document.querySelector('[aria-current=page]').textContent") == "Costs"
        page.ask("Page.close")


def test_the_way_in_is_for_everybody(shed: Shed, browser: Browser) -> None:
    with served(shed, config=DashboardConfig(password="dashboard")) as site:
        for dark in (False, True):
            page = browser.page(width=360, dark=dark)
            page.open(f"{site.address}/sign-in")
            assert troubles(page) == []
            assert tour(page) == ["Password", "Sign in"]
        page.run("document.querySelector('[name=password]').focus()")
        page.write("correct horse battery")
        page.press("Enter")
        loaded = "document.readyState === 'complete'"  # its styles, too
        page.wait(f"{loaded} && document.querySelector('h1')?.textContent === 'Runs'")
        assert tour(page) == [*TO_THE_PAGES, "Sign out"]
        assert [each for each in page.problems if "401 (Unauthorized)" not in each] == []


def test_what_hinders_people_would_have_been_found(shed: Shed, site: Site, browser: Browser) -> None:
    page = entered(browser, site, width=360)
    assert troubles(page) == []
    page.run(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<h1 id=said>Two</h1>"
        "<button></button><p class=pale>Pale</p><div class=wider>' + 'W'.repeat(99) + '</div>')"
    )
    page.run("document.querySelector('.pale').style.color = '#999'")
    page.run("document.querySelector('.wider').style.overflowWrap = 'normal'")
    found = " ".join(troubles(page))
    for each in ("not one h1", "an id is there twice", "it scrolls sideways", "contrast 2.85", "no name"):
        assert each in found
