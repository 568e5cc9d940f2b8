"""Looks at a page of the dashboard as somebody sees it who has no mouse, a small screen, or weak eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.cli.chromium import Page

CONTRAST: Final = 4.5
"""The least contrast of text with what is behind it (WCAG 2.2, 1.4.3)."""

TROUBLES: Final = """(least) => {
  const found = [];
  const all = [...document.body.querySelectorAll("*")].filter((each) => each.getClientRects().length);
  const page = document.documentElement;
  if (!document.title.trim() || !page.lang) { found.push("no title, or no language"); }
  if (document.querySelectorAll("h1").length !== 1) { found.push("not one h1"); }
  if (document.querySelectorAll("main").length !== 1) { found.push("not one main"); }
  const ids = all.map((each) => each.id).filter(Boolean);
  if (new Set(ids).size !== ids.length) { found.push("an id is there twice: " + ids); }
  if (page.scrollWidth > innerWidth) {
    const wide = all.filter((each) => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest(".wide"));
    found.push("it scrolls sideways: " + wide.slice(0, 3).map((each) => each.outerHTML.slice(0, 200)));
  }
  const levels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = levels(colour).map((each) => each / 255)
      .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (each) => {
    const own = levels(getComputedStyle(each).backgroundColor);
    return own.length < 4 || own[3] === 1 || each === document.body
      ? getComputedStyle(each).backgroundColor : behind(each.parentElement);
  };
  for (const each of all) {
    const words = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!words && each.tagName !== "INPUT") { continue; }
    const two = [light(getComputedStyle(each).color), light(behind(each))].sort((a, b) => b - a);
    const contrast = (two[0] + 0.05) / (two[1] + 0.05);
    if (contrast < least) { found.push(`contrast ${contrast.toFixed(2)}: ${each.outerHTML.slice(0, 120)}`); }
  }
  return found;
}"""

FOCUS: Final = """(() => {
  const on = document.activeElement, style = getComputedStyle(on), box = on.getBoundingClientRect();
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
    && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return on === document.body ? null : [on.getAttribute("aria-label") || on.labels?.[0]?.textContent.trim()
    || on.textContent.trim(), seen];
})()"""
"""What has the focus, in words, and whether a person can see that; null if nothing has."""


def troubles(page: Page) -> list[str]:
    """Returns what keeps people from using the page as it is shown now."""
    found = list(page.run(f"({TROUBLES})({CONTRAST})"))
    nameless = [each for each in page.named() if each["takes_focus"] and not each["name"].strip()]
    return found + [f"no name: {each}" for each in nameless]


def tour(page: Page, *, at_most: int = 60) -> list[str]:
    """Goes through the page with Tab; returns what has the focus one after another, each of which can be seen."""
    page.run("document.activeElement.blur()")
    found: list[str] = []
    for _ in range(at_most):
        page.press("Tab")
        on: Any = page.run(FOCUS)
        if on is None:
            break
        assert on[1], f"nobody sees that the focus is on {on[0]!r}"
        found.append(on[0])
    return found
