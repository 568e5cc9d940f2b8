"""Persona: a role with instructions, defined in a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Category", "Persona", "PersonaProblem", "Scope"]


class Category(StrEnum):
    """The field of work that a persona belongs to."""

    ENG = "eng"
    QA = "qa"
    PRODUCT = "product"
    GENERAL = "general"


class Scope(StrEnum):
    """The owner of a persona: the project or the user; the project's persona takes precedence."""

    PROJECT = "project"
    HOME = "home"


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """A role in which an agent works on a task.

    Attributes:
        id: the name by which tasks refer to it, in kebab-case.
        role: a title such as "Test architect"; the id in words if the file gives none.
        goal: its purpose; the `description` of files in Claude Code's form.
        when_to_use: the tasks that it should be chosen for; "" if the file does not say.
        dependencies: ids of personas that it works with.
        instructions: the text below the front matter, passed to the agent.
        tools: names of the tools that it may use, in the terms of `tool`; empty for no restriction.
        model: name of a model, in the terms of `tool`; None for the backend's default.
        source_file: the file that defines it; "" for an ad-hoc persona.
        tool: the tool whose folder holds the file, for example "claude"; "" without a file.
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
    """A problem in a persona's file; it never stops a command.

    Attributes:
        line: counted from 1; None if the problem is not in one line.
        field: field of the front matter; "" for the file as a whole.
        reason: what is wrong, and what Aurora does about it.
    """

    file: str
    line: int | None
    field: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.reason}" if self.field else f"{place}: {self.reason}"
