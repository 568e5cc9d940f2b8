"""A plain list of boxes, numbered or not: everything runs at once."""

from __future__ import annotations

from typing import Final

from aurora_spawner.taskfiles.form import Form

FORM: Final = Form(name="plain list", order="all at once", fits=lambda _items, _headings: True, beside=True)
