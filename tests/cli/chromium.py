"""A real Chromium without a window, driven through the pipe of its DevTools protocol; nothing is downloaded."""

from __future__ import annotations

import base64
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from itertools import count
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S: Final = 50.0
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # root, as in a container, has no other way
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-features=Translate,MediaRouter,OptimizationHints",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
ON_3_AND_4: Final = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3]]
for place, end in enumerate(ends, 3):
    os.dup2(end, place)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads commands from file 3 and writes to file 4."""


def chromium_path() -> str | None:
    """Returns the browser of this machine, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """A browser with a profile of its own.

    Args:
        profile: An empty folder.
    """

    def __init__(self, path: str, profile: str) -> None:
        its_in, self._out = os.pipe()
        our_in, its_out = os.pipe()
        self._in: IO[bytes] = os.fdopen(our_in, "rb")
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_3_AND_4, str(its_in), str(its_out), path, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(its_in, its_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(its_in)
        os.close(its_out)
        self._numbers = count(1)
        self._sending = threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def page(self, *, width: int = 1100, height: int = 800, dark: bool = False) -> Page:
        """Opens a page."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            page.ask(f"{domain}.enable")
        page.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.ask("Emulation.setEmulatedMedia", features=[scheme])
        return page

    def ask(self, method: str, *, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Sends a command and returns its result."""
        number = next(self._numbers)
        answer = self._answers[number] = queue.SimpleQueue()
        self.tell(method, session=session, number=number, **params)
        found = answer.get(timeout=LIMIT_S)
        assert "error" not in found, f"{method}: {found['error']}"
        return dict(found["result"])

    def tell(self, method: str, *, session: str | None, number: int | None = None, **params: Any) -> None:
        """Sends a command without waiting for its result."""
        message: dict[str, Any] = {"id": number or next(self._numbers), "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        content = json.dumps(message).encode() + b"\0"
        with self._sending:
            while content:
                content = content[os.write(self._out, content) :]

    def close(self) -> None:
        """Ends the browser and all of its processes."""
        with suppress(OSError):
            self.tell("Browser.close", session=None)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reading.join(timeout=10)
        os.close(self._out)
        self._in.close()

    def _read(self) -> None:
        left = b""
        while content := os.read(self._in.fileno(), 1 << 20):
            *messages, left = (left + content).split(b"\0")
            for each in messages:
                self._take(json.loads(each))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            if waiting := self._answers.pop(message["id"], None):
                waiting.put(message)
        elif page := self._pages.get(message.get("sessionId", "")):
            page.take(message["method"], message["params"])


class Page:
    """A page, as a person uses it: with a mouse and a keyboard.

    Attributes:
        session: Its name in the protocol.
        problems: What the browser complains about: errors, violations of the policy, what a script has logged.
        requested: The addresses that were asked for.
        questions: The texts of the dialogs.
        agrees: True if each dialog is agreed to, as it is at first; False if it is left by Escape.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self.session = session
        self.problems: list[str] = []
        self.requested: list[str] = []
        self.questions: list[str] = []
        self.agrees = True

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends a command of the protocol to this page."""
        return self._browser.ask(method, session=self.session, **params)

    def take(self, method: str, params: dict[str, Any]) -> None:
        """Takes an event of this page."""
        match method:
            case "Log.entryAdded":
                self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" | "Audits.issueAdded":
                self.problems.append(json.dumps(params))
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])
            case "Page.javascriptDialogOpening":
                self.questions.append(params["message"])
                self._browser.tell("Page.handleJavaScriptDialog", session=self.session, accept=self.agrees)

    def open(self, address: str) -> None:
        """Goes to an address; returns once the page is there."""
        assert "errorText" not in self.ask("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """Returns the value of an expression."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str, limit_s: float = LIMIT_S) -> None:
        """Waits until an expression is true, over the loads of pages that happen meanwhile."""
        deadline = time.monotonic() + limit_s
        while True:
            with suppress(AssertionError):  # the page is just being replaced
                if self.run(f"Boolean({condition})"):
                    return
            assert time.monotonic() < deadline, f"never: {condition}\n{self.text()}\n{self.problems}"
            time.sleep(0.05)

    def show(self) -> None:
        """Brings the page before the others, which are hidden then."""
        self.ask("Page.bringToFront")

    def text(self) -> str:
        """Returns what can be read."""
        return str(self.run("document.body.innerText"))

    def click(self, selector: str) -> None:
        """Clicks on the first element of a selector that is there."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        place = self.run(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)});"
            "found.scrollIntoView({block: 'center'}); const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        at = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        self.ask("Input.dispatchMouseEvent", type="mousePressed", **at)
        self.ask("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def focus(self, selector: str) -> None:
        """Puts the focus on the first element of a selector; unlike a click, it cannot miss one that moves."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")

    def write(self, text: str) -> None:
        """Writes where the focus is."""
        self.ask("Input.insertText", text=text)

    def press(self, key: str, *, ctrl: bool = False, shift: bool = False) -> None:
        """Presses a key, and lets it go."""
        self.hold(key, ctrl=ctrl, shift=shift)
        self.let_go(key)

    def hold(self, key: str, *, ctrl: bool = False, shift: bool = False) -> None:
        """Presses a key."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, modifiers=2 * ctrl + 8 * shift, **_named(key))

    def let_go(self, key: str) -> None:
        """Lets a key go."""
        self.ask("Input.dispatchKeyEvent", type="keyUp", **_named(key))

    def named(self) -> list[dict[str, Any]]:
        """Returns what a screen reader finds: each element: role, name, and whether it takes the focus."""
        found = []
        for node in self.ask("Accessibility.getFullAXTree")["nodes"]:
            if not node["ignored"]:
                state = {each["name"]: each["value"].get("value") for each in node.get("properties", ())}
                words = {each: node.get(each, {}).get("value", "") for each in ("role", "name", "description")}
                found.append({**words, "takes_focus": bool(state.get("focusable"))})
        return found

    def screenshot(self) -> bytes:
        """Returns what is seen, as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png", optimizeForSpeed=False)["data"])


def _named(key: str) -> dict[str, Any]:
    code = {"Enter": 13, "Tab": 9, "Escape": 27, " ": 32, "ArrowUp": 38, "ArrowDown": 40}[key]
    return {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Starts a browser, and ends it with all that it has left."""
    with tempfile.TemporaryDirectory(prefix="aurora-chromium-", ignore_cleanup_errors=True) as profile:
        browser = Browser(path, profile)
        try:
            yield browser
        finally:
            browser.close()
