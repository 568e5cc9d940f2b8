"""The command line of the hook, as a CLI's settings name it."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from aurora_spawner.supervision.environment import TOKEN_VARIABLE

HOOK: Final = Path(__file__).with_name("hook.py")
SOCKET_NAME: Final = "gate.sock"
"""In the folder of the run, so that each coordinator of the run listens at the same place."""
ANSWER_LIMIT_S: Final = 86_000.0
"""The longest wait for a verdict, since a person may have to be asked; it ends before `CLI_LIMIT_S`."""
REACH_LIMIT_S: Final = 60.0
"""The longest wait for a coordinator that was killed and is resumed."""
CLI_LIMIT_S: Final = 86_400
"""The time that CLIs give the hook. Some let a call pass when it is over."""


@cache
def hook_files() -> tuple[Path, ...]:
    """Returns the files and folders that decide what the hook does: its program, its interpreter, and its library."""
    prefix = Path(sys.prefix)
    environment = [prefix, prefix / "pyvenv.cfg"] if sys.prefix != sys.base_prefix else []
    named = [HOOK, Path(sys.executable), Path(os.__file__).parent, *environment]
    return tuple(dict.fromkeys((*named, *(each.resolve() for each in named))))


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCommand:
    """The hook of one attempt."""

    socket: Path
    token: str
    """Of the attempt; the coordinator knows its task by it."""
    program: Path = HOOK
    answer_limit_s: float = ANSWER_LIMIT_S
    reach_limit_s: float = REACH_LIMIT_S
    cli_limit_s: int = CLI_LIMIT_S

    @property
    def shell(self) -> str:
        """The hook as a shell command, which denies if the hook is killed or cannot start.

        Most CLIs let a call pass if its hook ends with another status than 0 and 2.
        """
        return self._shell(shlex.quote(self.token))

    @property
    def shell_for_all_attempts(self) -> str:
        """The hook as a shell command that takes the token from the agent's environment.

        It is the same for all attempts at a task, as files have to be.
        """
        return self._shell(f'"${TOKEN_VARIABLE}"')

    def _shell(self, token: str) -> str:
        # An isolated interpreter without the site's modules: nothing that the agent's folder or environment holds
        # takes part, and it starts in a third of the time.
        start = shlex.join((sys.executable, "-I", "-S", str(self.program), str(self.socket)))
        return f"{start} {token} {self.answer_limit_s:g} {self.reach_limit_s:g} || exit 2"
