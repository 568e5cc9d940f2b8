"""Measures when a page is painted first, and when all of its tasks are on it, in Chromium."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.cli.chromium import Browser

__all__ = ["paints_ms"]

_COUNTING: Final = """
(function look() {
  if (document.querySelectorAll(SELECTOR).length >= NUMBER) { window.whole = performance.now(); }
  else { requestAnimationFrame(look); }
})();
"""


def paints_ms(browser: Browser, address: str, selector: str, number: int) -> tuple[float, float]:
    """Returns the time to the first paint of a new page, and that until it has a number of elements."""
    page = browser.page()
    counting = _COUNTING.replace("SELECTOR", json.dumps(selector)).replace("NUMBER", str(number))
    page.ask("Page.addScriptToEvaluateOnNewDocument", source=counting)
    page.open(address)
    page.wait("window.whole && performance.getEntriesByName('first-contentful-paint').length")
    first = page.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    whole = page.run("window.whole")
    page.ask("Page.close")
    return float(first), float(whole)
