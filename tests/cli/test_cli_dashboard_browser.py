"""The dashboard in a real Chromium: used as a person does, and attacked as a page does."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from tests.cli.chromium import chromium, chromium_path
from tests.cli.sites import HOSTILE, served
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_soar.aurora.root import Aurora
from aurora_spawner import SpawnTask
from aurora_spawner.control.checkpoints import list_checkpoints

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
Follow*) echo the first line; until [ -e {go} ]; do sleep 0.1; done; echo the last line;;
Hang*) echo it hangs; sleep 300;;
*) echo done;;
esac"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM
    with chromium(CHROMIUM) as found:
        yield found


@pytest.fixture
def site(shed: Shed) -> Iterator[Site]:
    with served(shed) as found:
        yield found


def entered(browser: Browser, site: Site, path: str = "/") -> Page:
    page = browser.page()
    page.open(f"{site.address}/?token={site.access.token}")
    if path != "/":
        page.open(site.pages + path)
    return page


def check_quiet(page: Page, site: Site) -> None:
    """Sees that the browser had nothing to complain about, and asked nobody else."""
    assert page.problems == []
    assert [each for each in page.requested if not each.startswith(site.address)] == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("more", few([2, 196], 1))
def test_a_run_is_watched_from_start_to_end(start_aur: Start, shed: Shed, browser: Browser, more: int) -> None:
    go = shed.path.parent / "go"
    agent = json.dumps(["sh", "-c", AGENT.format(go=go)])
    (shed.path / ".aurora" / "config.yaml").write_text(
        f"tool: sh\nbackends:\n  sh: {{kind: command, command: {agent}}}\n"
    )
    titles = ["Hang", "Follow", "Deploy", "Depend\n  - Depends: 2", *("Do a part" for _ in range(more))]
    shed.repository.commit({"tasks.md": "".join(f"- [ ] {at} {each}\n" for at, each in enumerate(titles, 1))})
    running = start_aur("spawn", "tasks.md", "--merge", "auto", "--yes", "--max-concurrent", "6")
    wait_for(lambda: shed.journal.exists() and bool(list_checkpoints(shed.journal)))
    run_id = list_checkpoints(shed.journal)[0].run.run_id
    with served(shed) as site:
        page = entered(browser, site, f"/runs/{run_id}")
        page.run("window.marker = 'the same page'")
        mark = "document.querySelector('#task-{}').cells[0].textContent.trim()[0] === {}"
        page.wait(
            "[...document.querySelectorAll('tr[id^=task-]')].some((each) => each.innerText.includes('it hangs'))"
        )

        log = entered(browser, site, f"/runs/{run_id}/tasks/2")
        log.wait("document.querySelector('#log').textContent.includes('the first line')")
        go.touch()
        log.wait("document.querySelector('#log').textContent.includes('the last line')")
        log.click("#over a")
        log.wait("document.querySelector('dd.succeeded')")

        hanging = entered(browser, site, f"/runs/{run_id}/tasks/1")
        hanging.click("button[value=cancel]")
        hanging.wait("document.querySelector('#over').textContent.includes('has ended')")
        hanging.wait("document.querySelector('#said').textContent.includes('cancelling')")
        assert hanging.questions == ["Cancel this task?"]

        page.show()
        page.wait("document.querySelector('.question input[name=note]')")
        page.click(".question input[name=note]")
        page.write("seen in the browser")
        page.wait("Number(document.querySelector('.question p').textContent.match(/since (\\d+)/)[1]) > 1")
        assert page.run("document.activeElement.value") == "seen in the browser"
        assert page.run("document.title").startswith("(1) "), page.text()
        page.click(".question button[value=approve]")
        page.wait("document.querySelector('#said').textContent.includes('approved')")

        page.wait("document.querySelector('#run h1').textContent.includes('failed')", limit_s=200)
        page.wait(mark.format(3, "'✓'"))
        for place, wanted in ((0, "-"), (1, "✓"), (2, "✓"), (3, "✓"), (3 + more, "✓")):
            assert page.run(mark.format(place, json.dumps(wanted))), (place, page.text())
        page.wait("!document.querySelector('.question')")
        assert page.run("window.marker") == "the same page"
        for each in (page, log, hanging):
            check_quiet(each, site)
    running.communicate(timeout=50)
    assert running.returncode == ExitCode.NOT_REACHED


def test_the_memory_is_searched_with_the_keyboard(shed: Shed, site: Site, browser: Browser) -> None:
    with Aurora.open(shed.path, existing=True) as aurora, aurora.open_memory() as memory:
        memory.index()
    page = entered(browser, site)
    for _ in range(5):  # the way to the content, and the four pages
        page.press("Tab")
    assert page.run("document.activeElement.textContent") == "Memory"
    page.press("Enter")
    page.wait("document.activeElement?.name === 'q'")
    page.write("line 7")
    page.press("Enter")
    page.wait("document.body.innerText.includes('app.py:1')")
    assert "activation" in page.text()
    check_quiet(page, site)


def test_what_agents_wrote_does_nothing_in_a_browser(shed: Shed, site: Site, browser: Browser) -> None:
    script = "<script>alert(2)</script><img src=//127.0.0.1:1/x onerror=alert(3)>"
    report = shed.run(
        SpawnTask(
            f"# {HOSTILE}\nprintf '%s' '{script}' > '<svg onload=alert(4)>.txt'; echo '{script}'", id="<b onclick=x>"
        )
    )
    page = entered(browser, site)
    for path in ("", f"/runs/{report.run_id}", f"/runs/{report.run_id}/work"):
        page.open(f"{site.pages}{path or '/'}")
    task = f"{site.pages}/runs/{report.run_id}/tasks/%3Cb%20onclick=x%3E"
    page.open(task)
    page.wait("document.querySelector('#log').textContent.includes('<script>alert(2)')")
    assert page.run("document.querySelector('.diff').textContent").count("<svg onload=alert(4)>") > 0
    assert page.questions == []
    check_quiet(page, site)
    page.run("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=//127.0.0.1:1/x onclick=y>')")
    wait_for(lambda: any("Content Security Policy" in each for each in page.problems))  # it would have been seen


BRANCH = "work<svg/onload=alert(6)>"
PERSONA = """---
id: evil
goal: "<script>alert(7)</script>"
skills: ["<img src=//127.0.0.1:1/p onerror=alert(8)>"]
---
Work, <script>alert(9)</script>.
"""
COMMENT = "<script>alert(10)</script><img src=//127.0.0.1:1/c onerror=alert(11)>"


def test_branches_personas_comments_and_found_code_do_nothing_in_a_browser(
    start_aur: Start, shed: Shed, browser: Browser
) -> None:
    agent = json.dumps(["sh", "-c", "cat; echo '// <script>alert(12)</script>' >> new.js; echo done"])
    (shed.path / ".aurora" / "config.yaml").write_text(
        f"tool: sh\nbackends:\n  sh: {{kind: command, command: {agent}}}\n"
    )
    (shed.path / ".aurora" / "agents").mkdir()
    (shed.path / ".aurora" / "agents" / "evil.md").write_text(PERSONA)
    shed.repository("branch", "-m", BRANCH)
    shed.repository.commit({"tasks.md": "- [ ] 1 Work\n  - Agent: @evil\n", "found.js": "// <script>alert(13)\n"})
    running = start_aur("spawn", "tasks.md", "--merge", "never", "--yes")
    _, said = running.communicate(timeout=50)
    assert running.returncode == ExitCode.DONE, said
    run_id = list_checkpoints(shed.journal)[0].run.run_id
    with Aurora.open(shed.path, existing=True) as aurora, aurora.open_memory() as memory:
        memory.index()
    with served(shed) as site:
        page = entered(browser, site, f"/runs/{run_id}")
        page.open(f"{site.pages}/runs/{run_id}/work")
        assert BRANCH in page.text()
        page.open(f"{site.pages}/search?q=script+alert")
        assert "<script>alert(13)" in page.text()
        page.open(f"{site.pages}/runs/{run_id}/tasks/1")
        page.wait("document.querySelector('#log').textContent.includes('alert(9)')")
        page.focus("[data-line='6']")
        page.press("Enter")
        page.wait("document.activeElement.name === 'line-6'")
        page.write(COMMENT)
        page.click("button[value=comment]")
        page.wait("document.querySelector('#said').textContent.includes('1 comment sent')")
        wait_for(lambda: list_checkpoints(shed.journal)[0].held is False)
        page.open(f"{site.pages}/runs/{run_id}/tasks/1")
        page.wait("document.querySelector('#log').textContent.includes('alert(10)')")
        assert page.run("document.querySelector('.diff').textContent").count("alert(12)") == 2, page.text()
        page.open(f"{site.pages}/runs/{run_id}")
        page.wait("document.querySelector('img.picture').complete")
        assert page.questions == []
        check_quiet(page, site)


class Evil:
    """A page of another server on this machine, and what it is sent."""

    def __init__(self, target: str, run_id: str) -> None:
        self.cookies: list[str] = []
        evil = self
        script = f"""
          const fields = new URLSearchParams({{do: "pause", run: "{run_id}", key: "0"}});
          const tries = [
            fetch("{target}/act", {{method: "POST", body: fields, credentials: "include", mode: "no-cors"}}),
            fetch("{target}/", {{credentials: "include"}}).then((each) => each.text()),
            new Promise((done) => {{ const each = new EventSource("{target}/stream", {{withCredentials: true}});
              each.onmessage = () => done("leaked"); each.onerror = () => done(""); }}),
          ];
          window.found = Promise.allSettled(tries).then((all) => all.map((each) => String(each.value || "")));
        """

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                evil.cookies.append(self.headers.get("cookie", ""))
                content = f"<!doctype html><script>{script}</script><iframe src='{target}/'></iframe>".encode()
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_a_page_of_another_server_learns_and_does_nothing(shed: Shed, site: Site, browser: Browser) -> None:
    run = shed.create(SpawnTask("until [ -e go ]; do sleep 0.05; done", id="1"))
    working = threading.Thread(target=run.execute_sync)
    working.start()
    evil = Evil(site.pages, run.run_id)
    try:
        page = entered(browser, site, f"/runs/{run.run_id}")
        page.wait("document.querySelector('button[value=pause]')")
        page.open(evil.address)
        assert "leaked" not in page.run("found.then((all) => all.join())")
        assert page.run("found.then((all) => all[1])") == ""
        assert page.run(
            "frames[0].length === 0 && (() => { try { return frames[0].document.body.innerText } "
            "catch { return '' } })()"
        ) in ("", False)
        assert set(evil.cookies) == {""}
        back = entered(browser, site, f"/runs/{run.run_id}")
        back.wait("document.querySelector('button[value=cancel]')")
        assert "paused" not in back.text()
        back.click("button[value=cancel]")
    finally:
        working.join(timeout=60)
        evil.server.shutdown()
        evil.server.server_close()
    assert not working.is_alive()


def test_comments_on_lines_go_to_the_same_agent(start_aur: Start, shed: Shed, browser: Browser) -> None:
    agent = json.dumps(["sh", "-c", "grep -q ZERO && echo 2 > new.py || echo 1 > new.py; echo done"])
    (shed.path / ".aurora" / "config.yaml").write_text(
        f"tool: sh\nbackends:\n  sh: {{kind: command, command: {agent}}}\n"
    )
    shed.repository.commit({"tasks.md": "- [ ] 1 Count\n"})
    running = start_aur("spawn", "tasks.md", "--merge", "never")
    running.communicate(timeout=50)
    assert running.returncode == ExitCode.DONE
    run_id = list_checkpoints(shed.journal)[0].run.run_id
    with served(shed) as site:
        page = entered(browser, site, f"/runs/{run_id}/tasks/1")
        added = "[...document.querySelectorAll('[data-line]')].find((each) => each.textContent === '+1')"
        number = page.run(f"{added}.dataset.line")
        page.click("[data-line='1']")
        page.run("document.querySelector('[data-line=\"1\"]').focus()")
        for _ in range(int(number) - 1):
            page.press("ArrowDown")
        page.press("Enter")
        page.wait(f"document.activeElement.name === 'line-{number}'")
        page.write("What if it is ZERO?")
        page.click("button[value=comment]")
        page.wait("document.querySelector('#said').textContent.includes('1 comment sent')")
        wait_for(lambda: list_checkpoints(shed.journal)[0].held is False)
        page.open(f"{site.pages}/runs/{run_id}/tasks/1")
        assert page.run("document.querySelector('.diff').textContent.includes('+2')"), page.text()
        check_quiet(page, site)
