"""Each page of the dashboard as it reaches people: on a phone, in the dark, by a screen reader, without a mouse."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.cli.chromium import chromium, chromium_path
from tests.cli.sites import served
from tests.exhaustive import few
from tests.spawner.held_sessions import imagined_session
from tests.spawner.imagined_agents import World

from aurora_core import Memory
from aurora_soar.aurora.root import Aurora
from aurora_spawner import SpawnTask

if TYPE_CHECKING:
    from tests.cli.chromium import Page
    from tests.cli.finished_runs import Shed

CHROMIUM = chromium_path()
NAMED = {"button", "textbox", "searchbox", "link", "image", "combobox", "table", "region"}
PALE = """(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = (colour) => colour.slice(0, 3).map(linear)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const below = (each) => {
    for (; each; each = each.parentElement) {
      const found = rgb(getComputedStyle(each).backgroundColor);
      if (found.length < 4 || found[3] > 0) { return found; }
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const each of document.querySelectorAll("body *")) {
    const says = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!says || !each.checkVisibility()) { continue; }
    const [one, other] = [light(rgb(getComputedStyle(each).color)), light(below(each))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) { found.push([each.tagName, each.className, each.textContent.trim().slice(0, 30), ratio]); }
  }
  return found;
})()"""
SMALL = """[...document.querySelectorAll("button, nav a, input, textarea")]
  .map((each) => [each.getBoundingClientRect().height, each.name || each.textContent])
  .filter(([height]) => height > 0 && height < 24)"""


def unnamed(page: Page) -> list[str]:
    """What a screen reader could only call by its kind."""
    nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
    seen = [each for each in nodes if not each["ignored"] and each["role"]["value"] in NAMED]
    assert seen
    return [str(each) for each in seen if not each.get("name", {}).get("value", "").strip()]


def made(shed: Shed) -> dict[str, str]:
    """Returns the pages of a project with a run, a task whose change can be commented on, and a session."""
    with Aurora.open(shed.path, existing=True) as aurora, aurora.open_memory() as memory:
        assert isinstance(memory, Memory)
        memory.index()
    long = "a" * 300
    report = shed.run(
        SpawnTask(f"# {long}\necho {long} > {long[:90]}.txt; echo {long}", id="1"), SpawnTask("exit 3", id="2")
    )

    async def talk() -> str:
        async with imagined_session(shed.path / ".aurora", [], World()) as session:
            await session.say('[["say", "' + long + '"], ["tool", "' + long + '"], ["done"]]')
            return session.run_id

    session = asyncio.run(talk())
    run = f"/runs/{report.run_id}"
    return {
        "runs": "/",
        "run": run,
        "task": f"{run}/tasks/1",
        "work": f"{run}/work",
        "sessions": "/sessions",
        "session": f"/runs/{session}",
        "costs": "/budget",
        "memory": "/search?q=line",
    }


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed here")
@pytest.mark.parametrize(("width", "dark"), few([(360, True), (1100, False)], 1))
def test_each_page_is_wide_enough_named_and_of_enough_contrast(shed: Shed, *, width: int, dark: bool) -> None:
    assert CHROMIUM
    pages = made(shed)
    found: dict[str, object] = {}
    with served(shed) as site, chromium(CHROMIUM) as browser:
        page = browser.page(width=width, dark=dark)
        page.ask("Accessibility.enable")
        page.open(f"{site.address}/?token={site.access.token}")
        for name, path in pages.items():
            page.open(site.pages + path)
            if name == "task":
                page.wait("document.querySelector('#log').textContent.includes('aaa')")
            found |= {
                f"{name}: wider than the window": page.run("document.documentElement.scrollWidth > innerWidth"),
                f"{name}: without a name": unnamed(page),
                f"{name}: too pale": page.run(PALE),
                f"{name}: too small": page.run(SMALL),
                f"{name}: headings": page.run("document.querySelectorAll('h1').length") != 1,
            }
            if page.run("document.activeElement === document.body"):
                page.press("Tab")
                found[f"{name}: no way past the links"] = page.run("document.activeElement.className") != "skip"
        assert page.problems == []
    assert {what: each for what, each in found.items() if each} == {}
