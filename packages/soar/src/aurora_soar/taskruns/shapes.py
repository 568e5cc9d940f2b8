"""Shapes of tool calls: what an approval for a whole run covers beside the call that it was given for.

A shape must never reach further than the person who saw it thinks, so it is left out wherever that is in doubt.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.places import Places, is_secret
from aurora_spawner.gates.hook_command import hook_files
from aurora_spawner.gates.tool_calls import UseKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.gates.tool_calls import ToolCall

__all__ = ["shape_of"]

LONGEST: Final = 500
"""Characters of the command or the paths of a call that has a shape; a person reads no more."""
_ASKED_EACH_TIME: Final = frozenset(
    map(
        str,
        (
            *(Rule.SELF_PROTECTION, Rule.UNGATED_AGENT, Rule.SYSTEM_DAMAGE, Rule.SECRETS, Rule.CODE_INJECTION),
            *(Rule.WORKTREE_ESCAPE, Rule.UNDECIDABLE),
        ),
    )
)
"""Rules whose questions depend on the very place, receiver or program that a shape leaves open."""
_ABOUT_FILES: Final = frozenset(map(str, (Rule.FILE_DELETE, Rule.TRUNCATE, Rule.PROTECTED_PATHS)))
"""Rules of which it is certain that the operands of a command are files."""
_PLAIN: Final = re.compile(r"[\w ./,+-]+", re.ASCII)
"""Commands without anything that a shell acts on, addresses, hosts, and options with values; others have no shape."""
_SUFFIX: Final = re.compile(r"\.\w+")
_WITH_SUBCOMMANDS: Final = frozenset(
    (
        *("apt", "apt-get", "aws", "az", "brew", "bun", "cargo", "composer", "docker", "gcloud", "gem", "gh", "git"),
        *("go", "helm", "kubectl", "make", "npm", "pip", "pip3", "pnpm", "podman", "poetry", "systemctl"),
        *("terraform", "uv", "yarn"),
    )
)
"""Programs whose first operand says what they do, and is part of a shape as it is."""


def shape_of(call: ToolCall, rule: str) -> str:
    """Returns the shape of a call that an approval by a rule may be remembered for; "" if it has none.

    A command's shape is its program, subcommand, options, and the suffix of each file in the workspace; an edit's is
    its kind and the suffixes of its files. Names are never a part of it, so what has no suffix has no shape; nor have
    secrets, files that control agents, links, and places outside the workspace.
    """
    if len(call.uses) != 1 or rule in _ASKED_EACH_TIME:
        return ""
    use = call.uses[0]
    if sum(map(len, use.files)) + len(use.command) > LONGEST:
        return ""
    try:
        around = _Around.of(call)
    except ValueError:  # a folder that no disk can have
        return ""
    if around.cwd != around.places.workspace and not around.places.inside(around.cwd):
        return ""
    if use.kind is UseKind.COMMAND:
        return _of_command(use.command.strip(), around, about_files=rule in _ABOUT_FILES)
    return _joined(use.kind.value, sorted({around.class_of(path) for path in use.files})) if use.files else ""


def _of_command(command: str, around: _Around, *, about_files: bool) -> str:
    if not _PLAIN.fullmatch(command):
        return ""
    program, *words = command.split()
    parts, subcommand = [], program in _WITH_SUBCOMMANDS
    for word in words:
        if word.startswith("-"):
            parts.append(word)
        elif subcommand:
            parts.append(word)
            subcommand = False
        else:
            parts.append(around.class_of(word) if about_files else "")
    return _joined(program, parts)


def _joined(first: str, parts: Iterable[str]) -> str:
    """Returns the parts as one text; "" if one of them is empty."""
    words = (first, *parts)
    return " ".join(words) if all(words) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """The folders of a call.

    Attributes:
        given: the workspace as the call names it.
        cwd: where relative paths count from, without links.
        places: classes of paths, without links.
    """

    given: str
    cwd: str
    places: Places

    @classmethod
    def of(cls, call: ToolCall) -> _Around:
        """Reads the folders once for all paths of a call."""
        places = Places(
            workspace=os.path.realpath(call.workspace),
            home=os.path.realpath(Path.home()),
            controls=tuple(map(str, hook_files())),
        )
        return cls(given=str(call.workspace), cwd=os.path.realpath(call.cwd), places=places)

    def class_of(self, path: str) -> str:
        """Returns the kind of file that a path names in the workspace; "" if it names no such thing."""
        if not path.isprintable() or path.startswith("~") or ".." in path.split("/"):
            return ""
        if path.startswith(f"{self.given}/"):
            path = self.places.workspace + path[len(self.given) :]
        place = posixpath.normpath(posixpath.join(self.cwd, path))
        suffix = PurePosixPath(place).suffix
        if not _SUFFIX.fullmatch(suffix) or not self.places.inside(place) or os.path.realpath(place) != place:
            return ""
        kept_out = is_secret(place) or self.places.controls_agents(place)
        return "" if kept_out else f"<in the workspace: *{suffix}>"
