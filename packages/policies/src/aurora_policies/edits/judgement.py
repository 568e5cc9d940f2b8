"""Judges one changed file by what its added lines do later, and by what it is now: a program, a link, or gone."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_policies.check import script_results
from aurora_policies.edits.commands import commands_in
from aurora_policies.edits.settings import forms_of
from aurora_policies.effects import Rule
from aurora_policies.programs.judge import PIPED
from aurora_policies.schema import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_policies.edits.commands import Line
    from aurora_policies.operations import PolicyResult
    from aurora_policies.schema import Policies

__all__ = ["Objection", "added_lines", "gives_access", "is_of_data", "is_protective"]

MAX_COMMANDS: Final = 2_000
"""Commands of one file that are followed; a file with more of them is too large a change in any case."""
_LATER: Final = frozenset(
    map(str, (Rule.SECRETS, Rule.SELF_PROTECTION, Rule.CODE_INJECTION, Rule.DATA_LOSS, Rule.UNGATED_AGENT))
)
"""Rules that count for a command that is only written down; others are about the place where it would run."""
_ACCESS: Final = re.compile(r"(.*/)?(authorized_keys2?|sudoers(\.d/[^/]+)?|(site|user)customize\.py)")
_DATA: Final = re.compile(
    r".*\.(png|jpe?g|gif|svg|ico|webp|pdf|json|csv|tsv|xml|md|txt|rst|lock|ttf|woff2?|mp[34]|zip|gz|html?|css|ya?ml|toml)",
    re.IGNORECASE,
)
_TEST: Final = re.compile(
    r"(.*/)?(test_[^/]*\.\w+|[^/]*[_.-](test|spec)\.\w+)"
    r"|(.*/)?(tests|spec|__tests__)/.*\.(py|[jt]sx?|[mc]js|rb|php|go|rs|java|kt|cs|exs?|scala|swift|c|cc|cpp)"
)
_MIGRATION: Final = re.compile(r"(.*/)?(migrations|migrate|alembic/versions)/[^/]+\.(py|sql|rb|js|ts|php|go)")
_REVIEW: Final = re.compile(
    r"(.*/)?(CODEOWNERS|\.pre-commit-config\.ya?ml|dependabot\.ya?ml|SECURITY\.md)|\.github/workflows/.*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """An objection to an added line.

    Attributes:
        rule: the rule that objects.
        reason: the effect in words.
        line: the number of the line.
    """

    rule: str
    reason: str
    line: int


def added_lines(path: str, lines: tuple[Line, ...], policies: Policies) -> Iterator[Objection]:
    """Yields what the added lines of a file would do when they run, or switch off."""
    for number, form in forms_of(path, lines):
        yield Objection(rule=form.rule, reason=form.reason, line=number)
    for at, (number, command) in enumerate(commands_in(path, lines)):
        if at >= MAX_COMMANDS:
            return
        for found in script_results(command, policies):
            if _counts(found):
                yield Objection(rule=found.rule or "", reason=f"adds a command that {found.reason}", line=number)


def _counts(found: PolicyResult) -> bool:
    if found.action is Action.DENY or found.reason == PIPED:
        return True
    return found.action is Action.PROMPT and found.rule in _LATER


def gives_access(path: str) -> bool:
    """Tells whether a file says who may do what on a machine, or is run by each start of an interpreter."""
    return _ACCESS.fullmatch(path) is not None


def is_of_data(path: str) -> bool:
    """Tells whether a file is data by its name, and so no program."""
    return _DATA.fullmatch(path) is not None


def is_protective(path: str) -> str:
    """Returns what is lost with a file that keeps mistakes out; "" if it is no such file."""
    if _TEST.fullmatch(path):
        return "tests"
    if _MIGRATION.fullmatch(path) and posixpath.basename(path) != "__init__.py":
        return "migrations"
    return "checks of changes" if _REVIEW.fullmatch(path) else ""
