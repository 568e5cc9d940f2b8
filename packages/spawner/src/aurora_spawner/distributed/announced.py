"""Agents on the machine of a worker, as it announces them: versions and sign-ins. Data of outsiders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

LONGEST: Final = 200
"""Characters of a text that is kept."""
MOST: Final = 100
"""Agents that are kept of one worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedTool:
    """An agent on the machine of a worker."""

    name: str
    kind: str
    """`command`, or the kind of its CLI."""
    version: str
    """The answer of its program to `--version`; "" without one."""
    signed_in: str
    """yes, no or unknown: as far as files and variables show it there."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return asdict(self)

    @classmethod
    def read(cls, stored: object) -> Self:
        """Returns the agent of a row; what is no text there is none, and long texts are cut."""
        given = stored if isinstance(stored, Mapping) else {}
        texts = {name: value[:LONGEST] for name, value in given.items() if isinstance(value, str)}
        return cls(**{name: texts.get(name, "") for name in ("name", "kind", "version", "signed_in")})


def read_tools(stored: object) -> tuple[AnnouncedTool, ...]:
    """Returns the agents of a row, which a worker has written."""
    return tuple(map(AnnouncedTool.read, stored[:MOST] if isinstance(stored, list) else ()))
