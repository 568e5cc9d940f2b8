"""The form of cc-sdd: Kiro's numbers, `(P)` for tasks that run beside their neighbours, `_Boundary:` labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_spawner.taskfiles.form import Form, body_has, phases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.taskfiles.form import Item
    from aurora_spawner.taskfiles.lines import Heading

_SIDE_MARK: Final = re.compile(r"\(P\)(?:[ \t]+|$)")
_BOUNDARY: Final = re.compile(r"(?:[-*+][ \t]+)?_Boundary:")


def _fits(items: Sequence[Item], _headings: Sequence[Heading]) -> bool:
    if not any(item.lead and not item.lead.letters for item in items):
        return False
    return any(_SIDE_MARK.search(item.title) for item in items) or body_has(items, _BOUNDARY)


FORM: Final = Form(
    name="cc-sdd",
    order="in the order of the file, (P) beside its neighbours",
    fits=_fits,
    side_mark=_SIDE_MARK,
    sections=phases,
    groups_by_number=True,
    dash_is_open=True,
)
