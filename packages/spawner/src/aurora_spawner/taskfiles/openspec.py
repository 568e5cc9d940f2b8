"""The form of OpenSpec: `- [ ] 1.1 …` under `## 1. Database`, one section after the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_spawner.taskfiles.form import Form, ancestors, has_native_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aurora_spawner.taskfiles.form import Item
    from aurora_spawner.taskfiles.lines import Heading

_NUMBERED: Final = re.compile(
    r"(?P<word>[^\W\d]{1,12}[ \t]+)?(?P<number>\d{1,4})(?:[.):]|\uff1a)?(?=[ \t\d]|\Z|(?<=\uff1a))"
)
"""A heading such as `1. Database`, or `Phase 1: Database` if the tasks below have its number."""


def _section(item: Item) -> Heading | None:
    return next((each for each in ancestors(item.entry.heading) if _NUMBERED.match(each.text)), None)


def _is_in_place(item: Item) -> bool:
    """Returns True if an item is below a numbered heading and its own number, if any, matches."""
    section = _section(item)
    match = _NUMBERED.match(section.text) if section else None
    if match is None:
        return False
    return item.lead.id.split(".")[0] == match["number"] if item.lead else not match["word"]


def _fits(items: Sequence[Item], _headings: Sequence[Heading]) -> bool:
    return not has_native_settings(items) and 2 * sum(map(_is_in_place, items)) > len(items)


def _sections(_headings: Sequence[Heading]) -> Callable[[Item], object]:
    def section_of(item: Item) -> object:
        section = _section(item) or next(iter(ancestors(item.entry.heading)), None)
        return section.line if section else None

    return section_of


FORM: Final = Form(
    name="OpenSpec",
    order="section after section, the tasks of a section at once",
    fits=_fits,
    beside=True,
    sections=_sections,
    groups_by_number=True,
)
