"""The preparation of worktrees: what each has besides its base commit, as a program or a file describes it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.errors import PreparationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SETUP_TIMEOUT_S: Final = 600.0
PORTS: Final = 10
MOST_PORTS: Final = 1000
PLACEHOLDERS: Final = ("slug", "port_base", "run", "task")
"""Names that a template may have in braces."""
PORT_BASE: Final = "AURORA_PORT_BASE"
PORT_COUNT: Final = "AURORA_PORT_COUNT"
SLUG: Final = "AURORA_SLUG"
GIT_SETTINGS: Final = "GIT_CONFIG_"
"""Begins the variables that give settings to git."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_SETTABLE: Final = ("AURORA_", "GIT_")
"""Beginnings of variables that are Aurora's own, or would turn git to another repository."""
_OWN_FOLDERS: Final = (".git", ".aurora")
_SLUG_LENGTH: Final = 24
_HASH_LENGTH: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """The contents of worktrees besides their base commit. Paths are relative to the folder in which agents work.

    Raises:
        PreparationError: A field is invalid.
    """

    copy: tuple[str, ...] = ()
    """Files and folders of the user's that git does not track; agents get copies."""
    link: tuple[str, ...] = ()
    """Files and folders of the user's that git does not track; agents get links, and can write through them."""
    setup: tuple[str, ...] = ()
    """Shell commands that run in each worktree before its agent; the first that fails fails the task."""
    setup_timeout_s: float = SETUP_TIMEOUT_S
    """Time for all commands of one worktree."""
    ports: int = PORTS
    """Size of the block of ports that each worktree has for itself; 0 for none."""
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Variables of agents, set-up and checks; each value is a template with the names of `PLACEHOLDERS` in braces."""
    regenerate: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Patterns of generated files, each with the shell command that makes them again where two sides changed them."""
    max_disk_bytes: int | None = None
    """The most that all worktrees of the repository may take before another one is made; None for no limit."""
    include: bool = True
    """Also copies ignored files that match `.worktreeinclude`, a file of Claude Code's at the top of a repository."""

    @property
    def digest(self) -> str:
        """A digest of what a worktree gets once and keeps: copies, links, set-up and ports."""
        once = [self.copy, self.link, self.setup, self.ports, self.include]
        return hashlib.sha256(json.dumps(once).encode()).hexdigest()

    def __post_init__(self) -> None:
        for name in ("copy", "link"):
            for each in getattr(self, name):
                _refuse(name, problem_of_path(each))
        _refuse("link", problem_of_links(self.link))
        for command in self.setup:
            _refuse("setup", None if command.strip() else "has an empty command")
        _refuse("setup_timeout_s", None if self.setup_timeout_s > 0 else "must be more than 0")
        _refuse("ports", None if 0 <= self.ports <= MOST_PORTS else f"must be from 0 to {MOST_PORTS}")
        for variable, template in self.env.items():
            _refuse(f"env.{variable}", problem_of_variable(variable) or problem_of_template(template))
        for pattern, command in self.regenerate.items():
            _refuse(f"regenerate.{pattern}", problem_of_path(pattern))
            _refuse(f"regenerate.{pattern}", None if command.strip() else "has an empty command")

    def without_commands(self) -> Preparation:
        """Returns it without what starts programs, sets variables, or lets agents write to the user's own files."""
        return replace(self, setup=(), link=(), env={}, regenerate={})

    def variables(self, *, slug: str, port_base: int | None, run_id: str, task_id: str) -> dict[str, str]:
        """Returns the variables of a worktree for its agent, its set-up and its checks.

        Args:
            port_base: The first port of its block; None if it has none.
        """
        named = {
            "slug": slug,
            "port_base": "" if port_base is None else str(port_base),
            "run": run_id,
            "task": task_id,
        }
        variables = {name: template.format(**named) for name, template in self.env.items()}
        ports = {} if port_base is None else {PORT_BASE: str(port_base), PORT_COUNT: str(self.ports)}
        return {**variables, SLUG: slug, **ports}


def _refuse(name: str, problem: str | None) -> None:
    if problem is not None:
        raise PreparationError(None, None, name, problem)


def problem_of_path(name: str) -> str | None:
    """Returns why a path cannot be copied or linked, by its text alone; None if it can be."""
    parts = PurePosixPath(name).parts
    if not parts or "\n" in name or "\0" in name:
        return f"{name!r} is no path of a file or folder in the project"
    if PurePosixPath(name).is_absolute() or ".." in parts:
        return f"{name!r} leads out of the project; name a path inside it"
    if parts[0] in _OWN_FOLDERS:
        return f"{name!r} belongs to git or to Aurora itself, and stays where it is"
    return None


def problem_of_links(names: tuple[str, ...] | list[str]) -> str | None:
    """Returns why paths cannot be linked together; None if they can."""
    paths = [PurePosixPath(name) for name in names]
    for path in paths:
        for other in paths:
            if other in path.parents:
                return f"{str(path)!r} is inside {str(other)!r}, which is linked as a whole; remove it"
    return None


def problem_of_variable(name: str) -> str | None:
    """Returns why an environment variable cannot be set; None if it can be."""
    if not _VARIABLE.fullmatch(name):
        return "is no name of an environment variable"
    return f"begins with {_begin(name)}, and is set by Aurora itself" if _begin(name) else None


def _begin(name: str) -> str:
    return next((begin for begin in _NOT_SETTABLE if name.startswith(begin)), "")


def problem_of_template(text: str) -> str | None:
    """Returns why a text is no template; None if it is one."""
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    try:
        parts = [
            (name, form, conversion) for _, name, form, conversion in Formatter().parse(text) if name is not None
        ]
    except ValueError as error:
        return f"{text!r} is no template ({error}); write {{{{ and }}}} for braces"
    for name, form, conversion in parts:
        if name not in PLACEHOLDERS or form or conversion:
            return f"{{{name}}} is not known here; known: {known}"
    return None


def slug_of(worktree: Path) -> str:
    """Returns a short name of a worktree that no other worktree of this user has: fit for databases and hosts."""
    plain = re.sub(r"[^a-z0-9]+", "_", worktree.name.lower()).strip("_")[:_SLUG_LENGTH].strip("_")
    digest = hashlib.sha256(os.fsencode(worktree)).hexdigest()[:_HASH_LENGTH]
    return f"{plain}_{digest}" if plain else digest
