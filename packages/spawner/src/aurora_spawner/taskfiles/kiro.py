"""The form of Kiro: `1.` with `1.1` below it, `_Requirements: 1.1_`, `- [ ]*` for optional tasks."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from aurora_spawner.taskfiles.form import Form, body_has, has_native_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.taskfiles.form import Item
    from aurora_spawner.taskfiles.lines import Heading

_LABEL: Final = re.compile(r"(?:[-*+][ \t]+)?(?:_Requirements?:|\*\*Validates:)", re.IGNORECASE)


def _fits(items: Sequence[Item], headings: Sequence[Heading]) -> bool:
    if any(item.optional for item in items) or body_has(items, _LABEL):
        return True
    if has_native_settings(items):
        return False
    numbers = [item.lead.id for item in items if item.lead and not item.lead.letters]
    if numbers and any(heading.text.lower().startswith("implementation plan") for heading in headings):
        return True
    return any("." not in first and second.startswith(f"{first}.") for first, second in pairwise(numbers))


FORM: Final = Form(
    name="Kiro", order="in the order of the file", fits=_fits, groups_by_number=True, dash_is_open=True
)
