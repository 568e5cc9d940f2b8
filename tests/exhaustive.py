"""What the ordinary run takes: a few of each family of like cases, a tenth of the examples of each property.

`--rest` runs what is left, and each property with all of its examples; `--all` is both in one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterable


PARAMETERS = type(pytest.param())
EXAMPLES = 100
"""The examples of a property that names no number."""
A_SHARE, EVERY_EXAMPLE = "a share of the examples", "every example"
SHARE = 10
"""The ordinary run tries one example in so many."""


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


def load_examples(*, all_of_them: bool) -> None:
    """Decides how many examples this run tries; before the modules of tests are imported."""
    name = EVERY_EXAMPLE if all_of_them else A_SHARE
    # How long an example takes, or its making, says something about the machine and not about the code.
    settings.register_profile(
        name,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        max_examples=EXAMPLES if all_of_them else EXAMPLES // SHARE,
    )
    settings.load_profile(name)


def examples(count: int) -> int:
    """Returns how many examples of a property this run tries, of `count` in all."""
    return count if settings.get_current_profile_name() == EVERY_EXAMPLE else math.ceil(count / SHARE)


def _marked(case: object) -> object:
    exhaustive = pytest.mark.exhaustive
    if isinstance(case, PARAMETERS):
        return pytest.param(*case.values, id=case.id, marks=[*case.marks, exhaustive])
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=exhaustive)
