"""The errors of policy files and of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["BudgetStoreError", "PoliciesError", "PolicyFileError", "Problem"]


class PoliciesError(Exception):
    """The root of every error that this package raises on purpose."""


class BudgetStoreError(PoliciesError):
    """The ledger cannot be used; nothing that costs money may run without it.

    Attributes:
        path: the database.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error in a policy file.

    Attributes:
        line: counted from 1; None if it concerns the whole file.
        column: of the setting's name, or of the item of a list, in characters from 1; None if it is not known.
        field: dotted path from the top, "" for the whole file.
        reason: the error, and what would be right.
    """

    line: int | None
    column: int | None
    field: str
    reason: str


class PolicyFileError(PoliciesError, ValueError):
    """A policy file that is not valid. Nothing may run under it.

    Attributes:
        path: the file.
        problems: all errors of the file, in the order of their places; never empty.
    """

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(problems, key=lambda p: (p.line or 0, p.column or 0, p.field)))
        super().__init__("\n".join(_shown(path, problem) for problem in self.problems))


def _shown(path: Path, problem: Problem) -> str:
    place = ":".join(str(each) for each in (path, problem.line, problem.column) if each is not None)
    return f"{place}: {problem.field}: {problem.reason}" if problem.field else f"{place}: {problem.reason}"
