"""Which tests the ordinary run takes: of a family of like cases a few, and none that is marked `exhaustive`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


PARAMETERS = type(pytest.param())


def few(cases: Iterable[object], keep: int) -> list[object]:
    """Returns cases to parametrize by; all but `keep`, spread evenly from first to last, are marked `exhaustive`.

    A tuple is a case of several arguments. A `pytest.param` keeps its id and its marks.

    Raises:
        ValueError: no case would be left for the ordinary run.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}; a promise needs a case in the ordinary run")
    found = list(cases)
    kept = {round(number * (len(found) - 1) / max(keep - 1, 1)) for number in range(keep)}
    return [case if at in kept else _marked(case) for at, case in enumerate(found)]


def _marked(case: object) -> object:
    exhaustive = pytest.mark.exhaustive
    if isinstance(case, PARAMETERS):
        return pytest.param(*case.values, id=case.id, marks=[*case.marks, exhaustive])
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=exhaustive)
