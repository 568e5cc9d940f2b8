"""Runs git for read-only questions, so that a repository's own configuration starts nothing and fetches nothing."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["GitOutput", "git_environment", "run_git"]

TIMEOUT_S: Final = 60.0
MAX_OUTPUT_BYTES: Final = 32_000_000
# A clone's configuration may name programs to start: a file monitor, hooks, converters, pagers, transports, signature
# checkers. Settings on the command line come before all files.
_SETTINGS: Final = (
    "safe.bareRepository=explicit",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.sshCommand=false",
    "core.gitProxy=false",
    "core.askPass=false",
    "core.pager=cat",
    "core.alternateRefsCommand=false",
    "core.quotePath=false",
    "credential.helper=",
    "diff.external=",
    "gc.auto=0",
    "gpg.program=false",
    "gpg.ssh.program=false",
    "gpg.x509.program=false",
    "log.showSignature=false",
    "maintenance.auto=false",
    "protocol.allow=never",
    "submodule.recurse=false",
)
# Of the caller's variables, those that say where git and the user's own configuration are.
_KEPT: Final = frozenset(
    {
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_EXEC_PATH",
    }
)
# The environment counts more than the configuration; a git before 2.45 does not know GIT_NO_LAZY_FETCH.
_ENVIRONMENT: Final = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ASKPASS": "false",
    "GIT_SSH_COMMAND": "false",
    "GIT_PAGER": "cat",
    "GIT_LITERAL_PATHSPECS": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitOutput:
    """The standard output of a git command.

    Attributes:
        complete: False if git wrote more than was asked for and was ended.
    """

    data: bytes
    complete: bool


def git_environment() -> dict[str, str]:
    """Returns the environment for git: the caller's, without variables that a hook set for another repository."""
    inherited = {name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith("GIT_")}
    return inherited | _ENVIRONMENT


def run_git(
    folder: Path, *arguments: str, timeout_s: float = TIMEOUT_S, max_bytes: int = MAX_OUTPUT_BYTES
) -> GitOutput | None:
    """Runs git in a folder; returns None if git is missing, refuses, fails or takes too long.

    Args:
        timeout_s: for the whole command; git is killed afterwards.
        max_bytes: limit of the output; git is ended when it has written more.
    """
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    try:
        process = subprocess.Popen(
            ["git", "--no-pager", *settings, *arguments],
            cwd=folder,
            env=git_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, ValueError):  # no git, no folder, or a name that no program can be given
        return None
    late = threading.Event()

    def end() -> None:
        late.set()
        with suppress(OSError):
            process.kill()

    timer = threading.Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    try:
        assert process.stdout is not None
        data = process.stdout.read(max_bytes + 1)
        if len(data) > max_bytes:
            process.kill()
        process.stdout.close()
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        timer.cancel()
    if late.is_set():
        return None
    if len(data) > max_bytes:
        return GitOutput(data=data[:max_bytes], complete=False)
    return GitOutput(data=data, complete=True) if code == 0 else None
