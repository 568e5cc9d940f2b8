"""Options and argument types used by several commands."""

from __future__ import annotations

import re
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click
from click.core import ParameterSource

from aurora_cli.errors import MissingPathError
from aurora_cli.run_names import WORKSPACE, named, parted

NAME_LENGTH: Final = 200
Command = TypeVar("Command", bound="Callable[..., int]")

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

__all__ = [
    "AgentNames",
    "Assignment",
    "ExistingPath",
    "FiniteRange",
    "accept_changes_option",
    "approval_argument",
    "given_parameters",
    "in_workspace",
    "json_option",
    "labels_in",
    "max_concurrent_option",
    "name_here",
    "one_word",
    "run_argument",
    "target_argument",
    "task_argument",
]


class FiniteRange(click.FloatRange):
    """A finite number in a range; click's own range type accepts `nan` and `inf`."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the number.

        Raises:
            click.BadParameter: the value is not a number, not finite, or out of range.
        """
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)
        number = super().convert(number, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class ExistingPath(click.ParamType[Path, str | Path]):
    """An existing path; the error for a mistyped path suggests the nearest name."""

    def __init__(self, kind: Literal["file", "folder", "path"]) -> None:
        self.kind = kind
        self.name = kind

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Returns the path as written.

        Raises:
            MissingPathError: the path does not exist.
            click.BadParameter: the path is a file instead of a folder, or a folder instead of a file.
        """
        path = Path(value)
        if not path.exists():
            raise MissingPathError(path, "file or folder" if self.kind == "path" else self.kind)
        if self.kind == "file" and path.is_dir():
            self.fail(f"{path} is a folder, not a file", param, ctx)
        if self.kind == "folder" and not path.is_dir():
            self.fail(f"{path} is a file, not a folder", param, ctx)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Lets the shell complete file names."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="dir" if self.kind == "folder" else "file")]


def labels_in(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    """Returns the labels of workers in a list with commas.

    Raises:
        click.BadParameter: one is none, or they are too many.
    """
    if not value:
        return ()
    from aurora_spawner.tasks.labels import label_problem  # few commands need the spawner

    labels = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
    if problem := label_problem(labels):
        raise click.BadParameter(problem)
    return labels


class AgentNames(click.ParamType[tuple[str, ...]]):
    """Names of agents with commas between them, with or without `@`."""

    name = "agents"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Returns the names.

        Raises:
            click.BadParameter: one is empty.
        """
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip().removeprefix("@") for part in str(value).split(","))
        if not all(names):
            self.fail(f"{value} must be names of agents with commas between them, such as claude,codex", param, ctx)
        return names


class Assignment(click.ParamType[tuple[str, str], str | tuple[str, str]]):
    """A name and its value with `=` between them; the value is taken as it is."""

    name = "assignment"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Returns the name and the value.

        Raises:
            click.BadParameter: there is no `=`, or the name is none.
        """
        if isinstance(value, tuple):
            return value
        from aurora_spawner.taskfiles.recipes import NAME  # other commands need nothing of it

        name, found, text = value.partition("=")
        if not found or not re.fullmatch(NAME, name):
            self.fail(f"{value!r} must be a name and its value, such as module=api", param, ctx)
        return name, text


def one_word(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuses a name that is empty, too long, or not one line."""
    if value is not None and (not value.strip() or len(value) > NAME_LENGTH or not value.isprintable()):
        raise click.BadParameter(f"must be one line of 1 to {NAME_LENGTH} characters", ctx, param)
    return value


def given_parameters(ctx: click.Context) -> dict[str, str]:
    """Returns the parameters that are on the command line, by name: `--long-option`, or an argument's name."""
    return {
        param.name: max(param.opts, key=len) if isinstance(param, click.Option) else param.human_readable_name
        for param in ctx.command.params
        if param.name and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    }


def json_option(command: Command) -> Command:
    """Adds `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")(command)


def max_concurrent_option(command: Command) -> Command:
    """Adds `--max-concurrent`."""
    return click.option(
        "--max-concurrent",
        type=click.IntRange(1, 1000),
        help="Maximum number of agents at once (default: spawner.max_concurrent of the configuration).",
    )(command)


def accept_changes_option(command: Command) -> Command:
    """Adds `--accept-changes`."""
    return click.option(
        "--accept-changes",
        is_flag=True,
        help="Go on although the run's part of the journal was changed, or is not yours; the journal records it.",
    )(command)


def in_workspace(ctx: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Takes the workspace off a name, as in `shop:spawn-1`; `wiring` then opens that workspace's project."""
    workspace, name = parted(value or "")
    if not workspace:
        return value
    ctx.meta[WORKSPACE] = workspace
    return name


def name_here(run_id: str) -> str:
    """Returns the name by which commands in this folder take a run of the project that this command is about."""
    context = click.get_current_context(silent=True)
    return named(context.meta.get(WORKSPACE, "") if context is not None else "", run_id)


def run_argument(command: Command) -> Command:
    """Adds the argument RUN."""
    return click.argument(
        "run_id", metavar="RUN", callback=in_workspace, help="A run's name, as `aur runs list` shows it."
    )(command)


def approval_argument(command: Command) -> Command:
    """Adds the argument ID."""
    return click.argument(
        "approval",
        metavar="ID",
        callback=in_workspace,
        help="A question's id, or its beginning, as `aur approvals` shows it.",
    )(command)


def task_argument(command: Command) -> Command:
    """Adds the argument TASK."""
    return click.argument("task_id", metavar="TASK", help="A task of the run, as `aur runs show` shows it.")(command)


def target_argument(command: Command) -> Command:
    """Adds the argument RUN[/TASK]."""
    return click.argument("target", metavar="RUN[/TASK]", callback=in_workspace, help="A run, or one task of it.")(
        command
    )
