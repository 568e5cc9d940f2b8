"""Click commands that show examples, and groups that import a command only when it runs."""

from __future__ import annotations

import re
from importlib import import_module
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from click.shell_completion import CompletionItem

    from aurora_cli.catalogue import Entry

__all__ = ["AurCommand", "AurGroup", "Example"]

_NARROW: Final = 50
_NARROW_TERMS: Final = 4
"""Columns of terms on a narrow terminal; longer ones stand on a line of their own."""
_A_SLIP: Final = 0.8
"""The likeness of two words from which one is the other, mistyped."""
_A_RUN: Final = re.compile(r"[a-z]+-\d+")
"""The name of a run, which no name of a command looks like."""
Example = tuple[str, str]
"""A command line, and its effect."""


class _Formatter(click.HelpFormatter):
    """Help that puts the meaning of an option below it where there is no room beside it."""

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Writes terms and their meanings."""
        super().write_dl(rows, min(col_max, _NARROW_TERMS) if self.width < _NARROW else col_max, col_spacing)


class _Context(click.Context):
    formatter_class = _Formatter


class AurCommand(click.Command):
    """A command whose help ends with examples."""

    context_class = _Context

    def __init__(self, *args: Any, examples: Sequence[Example], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Writes the examples below the options."""
        _write_examples(self.examples, formatter)


class AurGroup(click.Group):
    """A group that lists its commands from the catalogue and imports a command only to run it."""

    context_class = _Context

    def __init__(
        self,
        *args: Any,
        entries: Sequence[Entry],
        examples: Sequence[Example],
        default: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Makes the group.

        Args:
            default: the command that is meant if none is named: nothing follows, or a run, or an option of it. None
                for groups that need a name.
        """
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.default = default
        self.entries = {entry.name: entry for entry in entries}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses the arguments; those of the default command may stand without its name."""
        return super().parse_args(ctx, self._with_default(ctx, args))

    def _with_default(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the name of the default command before its arguments; what may be a wrong name stays as it is."""
        if self.default is None or ctx.resilient_parsing:
            return args
        command = self.get_command(ctx, self.default)
        assert command is not None
        options = {name for each in command.params for name in each.opts}
        belongs = not args or args[0].partition("=")[0] in options or _A_RUN.fullmatch(args[0]) is not None
        return [self.default, *args] if belongs else args

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Returns the names in the catalogue's order."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Imports the command's module and returns its command."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        command = import_module(f"aurora_cli.commands.{entry.module}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command; the error for an unknown name suggests the nearest names, also of nested commands."""
        args = self._with_default(ctx, args)
        name = args[0]
        if name in self.entries or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        if Path(name).is_file():
            raise click.UsageError(f"{name} is a file, not a command; run its tasks with: aur spawn {name}", ctx)
        raise click.NoSuchCommand(name, possibilities=self._near(name), ctx=ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Writes the catalogue, section by section, without importing a command."""
        width = max(map(len, self.entries))
        for section, entries in groupby(self.entries.values(), key=attrgetter("section")):
            with formatter.section(section):
                formatter.write_dl([(f"{entry.name:<{width}}", entry.summary) for entry in entries])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes names from the catalogue, without importing a command."""
        from click.shell_completion import CompletionItem

        named = [entry for entry in self.entries.values() if entry.name.startswith(incomplete)]
        offered = [CompletionItem(entry.name, help=entry.summary) for entry in named]
        return [*offered, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Writes the examples below the commands."""
        _write_examples(self.examples, formatter)

    def _near(self, name: str) -> list[str]:
        """Returns the commands that click may suggest: what cannot be undone only for a slip of a key or two."""
        from difflib import SequenceMatcher  # click imports it for the same error

        nested = {f"{each.name} {child.name}": child for each in self.entries.values() for child in each.entries}
        return [
            known
            for known, entry in {**self.entries, **nested}.items()
            if not entry.destroys or SequenceMatcher(None, name, entry.name).ratio() >= _A_SLIP
        ]


def _write_examples(examples: Sequence[Example], formatter: click.HelpFormatter) -> None:
    with formatter.section("Examples"):
        for line, meaning in examples:
            formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
            formatter.write(f"{'':>{formatter.current_indent}}    {meaning}\n")
