"""Which tests the ordinary run takes: of a family of like cases a few, and none that is marked `exhaustive`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def few(cases: Iterable[object], keep: int) -> list[object]:
    """Returns cases to parametrize by; all but `keep`, spread evenly from first to last, are marked `exhaustive`.

    A tuple is a case of several arguments.
    """
    found = list(cases)
    kept = {round(number * (len(found) - 1) / max(keep - 1, 1)) for number in range(keep)}
    return [
        case
        if at in kept
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.exhaustive)
        for at, case in enumerate(found)
    ]
