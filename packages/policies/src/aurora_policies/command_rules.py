"""The user's own rules for commands: patterns of words, compared with a command after it has been parsed."""

from __future__ import annotations

import fnmatch
import posixpath
import shlex
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Effect
from aurora_policies.schema import Action
from aurora_policies.shell.words import UNKNOWN

if TYPE_CHECKING:
    from aurora_policies.schema import CommandRule

__all__ = ["CommandRules", "fits", "rules_of", "words_of"]

_GIT_VALUED: Final = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path"})


def words_of(pattern: str) -> tuple[str, ...]:
    """Returns the words of a pattern that the schema has accepted."""
    return tuple(shlex.split(pattern))


def _named(command: tuple[str, ...]) -> tuple[str, ...]:
    """Returns a command without the options that git has before its subcommand."""
    if posixpath.basename(command[0]) != "git":
        return command
    at = 1
    while at < len(command) and command[at].startswith("-"):
        at += 2 if command[at] in _GIT_VALUED else 1
    return (command[0], *command[at:])


def fits(pattern: tuple[str, ...], command: tuple[str, ...]) -> bool:
    """Tells whether a command, as its words, is one that a pattern stands for.

    An allowance must not reach further than its words: what a command has beyond the pattern is judged by the caller.
    """
    if not command:
        return False
    command = _named(command)
    if not fnmatch.fnmatchcase(posixpath.basename(command[0]), pattern[0]):
        return False
    flags = [word for word in command[1:] if word.startswith("-")]
    operands = [word for word in command[1:] if not word.startswith("-")]
    at = 0
    for word in pattern[1:]:
        if word.startswith("-"):
            if not any(_same_flag(word, flag) for flag in flags):
                return False
        elif at >= len(operands) or not fnmatch.fnmatchcase(operands[at], word):
            return False
        else:
            at += 1
    return True


def _same_flag(wanted: str, given: str) -> bool:
    if wanted.startswith("--"):
        return given == wanted or given.startswith(f"{wanted}=")
    clustered = not given.startswith("--") and set(wanted[1:]) <= set(given[1:])
    return given == wanted or (clustered and len(wanted) > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRules:
    """The rules of a file, in order.

    Attributes:
        rules: the words of each pattern, and the rule.
    """

    rules: tuple[tuple[tuple[str, ...], CommandRule], ...]

    def effect(self, command: tuple[str, ...]) -> Effect | None:
        """Returns the effect of the strictest rule that fits a command; None if none fits."""
        found = [
            (rule.action.severity, rule)
            for words, rule in self.rules
            if fits(words, command) and (rule.action is not Action.ALLOW or _covers(words, command))
        ]
        if not found:
            return None
        _severity, rule = max(found, key=lambda each: each[0])
        return Effect(
            rule=f"commands: {rule.pattern}",
            reason=rule.reason or f"is a command that the rule `{rule.pattern}` is about",
            instead=rule.instead or "Leave it to the user, or say in your answer why it is needed.",
            action=rule.action,
        )


def _covers(pattern: tuple[str, ...], command: tuple[str, ...]) -> bool:
    """Tells whether a pattern names all operands of a command; an allowance does not extend to further ones.

    What is not known, and a path that leads upwards from where a wildcard stands, is not covered either.
    """
    if any(UNKNOWN in word or ".." in word.split("/") for word in command):
        return False
    command = _named(command)
    wanted = sum(not word.startswith("-") for word in pattern[1:])
    return pattern[-1] == "*" or sum(not word.startswith("-") for word in command[1:]) == wanted


@lru_cache(maxsize=16)
def rules_of(rules: tuple[CommandRule, ...]) -> CommandRules:
    """Returns the rules with their patterns read."""
    return CommandRules(rules=tuple((words_of(rule.pattern), rule) for rule in rules))
