"""The form of spec-kit: `- [ ] T012 [P] [US1] Create the model in src/models/user.py`, in phases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_spawner.taskfiles.form import Form, phases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.taskfiles.form import Item
    from aurora_spawner.taskfiles.lines import Heading


def _fits(items: Sequence[Item], _headings: Sequence[Heading]) -> bool:
    numbered = [item.lead for item in items if item.lead]
    return bool(numbered) and 2 * sum(lead.letters == "T" for lead in numbered) > len(numbered)


FORM: Final = Form(
    name="spec-kit",
    order="phase after phase, [P] beside its neighbours",
    fits=_fits,
    side_mark=re.compile(r"\[P\][ \t]*"),
    sections=phases,
    paths_are_files=True,
)
