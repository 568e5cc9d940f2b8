"""The outcome of an attempt's own try of its sandbox."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxFinding:
    """The outcome of the probe that the launcher makes before it becomes the agent."""

    sandboxed: bool
    mechanism: str
    """`bubblewrap`, `landlock` or `none`."""
    write_outside: str
    """The error of a write outside of the workspace, such as EACCES; "possible" if it succeeded."""
    closed_port: str | None
    """The error of a connection to a port that should be closed; None if the network is open by configuration."""
    problem: str = ""
    """The reason why it counts as unsandboxed."""

    @property
    def words(self) -> str:
        """The outcome for a person."""
        if not self.sandboxed:
            return f"unsandboxed: {self.problem}"
        network = "" if self.closed_port is None else f", to a closed port {self.closed_port}"
        return f"sandboxed by {self.mechanism} (a write outside: {self.write_outside}{network})"

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return asdict(self)

    @classmethod
    def parse(cls, line: str) -> Self:
        """Reads the line that the launcher has written.

        Raises:
            ValueError: It is no such line.
        """
        found = json.loads(line)
        sandboxed = found.get("sandboxed") if isinstance(found, dict) else None
        if sandboxed not in (True, False):
            raise ValueError("is not the outcome of a probe")
        port = found.get("closed_port")
        return cls(
            sandboxed=bool(sandboxed),
            mechanism=str(found.get("mechanism", "")),
            write_outside=str(found.get("write_outside", "")),
            closed_port=None if port is None else str(port),
            problem=str(found.get("problem", "")),
        )
