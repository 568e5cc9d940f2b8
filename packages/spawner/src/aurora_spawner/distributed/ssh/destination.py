"""A host that is reached over ssh: the command for it, and why it cannot be reached.

SshError
├── HostUnreachableError   the host is away, or the connection was lost: it is waited for
├── HostGoneError          it was away for longer than the user wants to wait
└── HostRefusedError       the host, or the ssh of this machine, says no: waiting does not help
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import SpawnerError
from aurora_spawner.supervision.environment import agent_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWER_WITHIN_S: Final = 60.0
"""The time from the start of ssh to the greeting of the host."""
_OPTIONS: Final = {
    "BatchMode": "yes",
    "ClearAllForwardings": "yes",
    "ConnectTimeout": "20",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "LogLevel": "ERROR",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "ServerAliveCountMax": "3",
    "ServerAliveInterval": "5",
}
"""The user's own files say whether a host's key is right, with which key one logs in, and through which hosts."""
_KEPT: Final = ("SSH_AUTH_SOCK",)
_WITHHELD: Final = re.compile(r"^AURORA_")
_FINAL: Final = (
    "host key verification failed",
    "host identification has changed",
    "permission denied",
    "too many authentication failures",
    "no matching host key type",
    "no matching key exchange method",
    "no matching cipher",
    "bad owner or permissions on",
    "bad configuration option",
)
"""Words of ssh in English, which are the only ones that it has."""
_SSH_FAILED: Final = 255
_NOT_FOUND: Final = 127
_NOT_EXECUTABLE: Final = 126


class SshError(SpawnerError):
    """A host cannot be used over ssh."""


class HostGoneError(SshError):
    """A host has been away for longer than the user wants to wait for it."""


class HostUnreachableError(SshError):
    """A host cannot be reached now."""


class HostRefusedError(SshError):
    """A host, or ssh itself, refuses the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A host, and what answers on it."""

    address: str
    """`user@host`, `host`, or a name in the user's configuration of ssh."""
    port: int | None = None
    folder: str = ""
    """The folder of the project on the host; "" for that in which a login begins."""
    program: str = "aur"
    answer_within_s: float = ANSWER_WITHIN_S

    def command(self) -> tuple[str, ...]:
        """Returns the call of ssh, which starts the other side."""
        options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
        port = ["-p", str(self.port)] if self.port else []
        return ("ssh", *options, *port, "--", self.address, self._started())

    def _started(self) -> str:
        serving = f"exec {_word(self.program)} worker ssh"
        return f"cd {_word(self.folder)} && {serving}" if self.folder else serving

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Returns the variables of ssh: no key, whatever its configuration sends."""
        passed = agent_environment(environ, keep=_KEPT)
        return {name: value for name, value in passed.items() if not _WITHHELD.match(name)}

    def problem(self, status: int | None, said: str) -> SshError:
        """Returns why a connection came to nothing, or was lost.

        Args:
            status: That of ssh; None if it had to be ended.
            said: What it has printed as errors.
        """
        words = " ".join(said.split())[-1000:]
        if status == _NOT_FOUND or (status == _NOT_EXECUTABLE and self.program in said):
            hint = f"install Aurora there, or name its program in the configuration (`program:`): {words}"
            return HostRefusedError(f"{self.address} has no {self.program}; {hint}")
        if status == _SSH_FAILED and any(each in words.lower() for each in _FINAL):
            return HostRefusedError(f"ssh to {self.address} is refused: {words}")
        if status not in (None, 0, _SSH_FAILED) and status > 0:
            return HostRefusedError(f"`aur worker ssh` on {self.address} ends with status {status}: {words}")
        return HostUnreachableError(f"{self.address} cannot be reached: {words or 'no answer'}")


def _word(text: str) -> str:
    """Returns a path for the shell of the host; a leading `~/` stays its own."""
    return f"~/{shlex.quote(text[2:])}" if text.startswith("~/") and text[2:] else shlex.quote(text)
