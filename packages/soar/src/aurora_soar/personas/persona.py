"""Who can be asked: a role with instructions, written down in a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Category", "Persona", "PersonaProblem", "Scope"]


class Category(StrEnum):
    """The part of the work that a persona belongs to."""

    ENG = "eng"
    QA = "qa"
    PRODUCT = "product"
    GENERAL = "general"


class Scope(StrEnum):
    """Whose persona it is; the project's comes before the user's."""

    PROJECT = "project"
    HOME = "home"


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """A role that an agent takes for a task.

    Attributes:
        id: kebab-case; what tasks name it by.
        role: a title such as "Test architect"; the id in words where the file gives none.
        goal: what it is for; the `description` of files in Claude Code's form.
        when_to_use: when it should be chosen; "" where the file does not say.
        dependencies: ids of personas that it works with.
        instructions: the text below the front matter; what an agent is told to be.
        tools: names of tools that it may use, in the words of `tool`; empty for no restriction.
        model: in the words of `tool`; None leaves it to the backend.
        source_file: the file; "" for one that no file defines.
        tool: in whose folder the file is, for example "claude"; "" without a file.
    """

    id: str
    role: str
    goal: str
    category: Category = Category.GENERAL
    skills: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    when_to_use: str = ""
    dependencies: tuple[str, ...] = ()
    instructions: str = ""
    tools: tuple[str, ...] = ()
    model: str | None = None
    source_file: str = ""
    tool: str = ""
    scope: Scope = Scope.PROJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaProblem:
    """What is wrong with a persona's file; never a reason to stop.

    Attributes:
        line: counted from 1; None where it is the file as a whole.
        field: of the front matter, "" for the file as a whole.
        reason: what is wrong and what became of it.
    """

    file: str
    line: int | None
    field: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.reason}" if self.field else f"{place}: {self.reason}"
