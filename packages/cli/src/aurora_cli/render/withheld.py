"""Variables that an agent has missed though the user has set them: agents inherit only those that are named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aurora_spawner import SpawnResult

__all__ = ["withheld_lines"]

_ABOUT: Final = re.compile(r"environment variable", re.IGNORECASE)
_NAME: Final = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


def withheld_lines(results: Iterable[SpawnResult], environ: Mapping[str, str]) -> Iterator[str]:
    """Yields a line for each variable that the error of a failed task misses, and that is set here."""
    missed = {
        (name, result.agent)
        for result in results
        if not result.success and result.error and _ABOUT.search(result.error)
        for name in _NAME.findall(result.error)
        if name in environ
    }
    for name, agent in sorted(missed, key=str):
        yield (
            f"{name} is set here, but agents get only the variables listed for them: "
            f"add it to env_pass of backends.{agent} in .aurora/config.yaml"
        )
