"""Options of the commands that start tasks: what they may cost, who does them, and where they work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click

from aurora_cli.options import AgentNames, FiniteRange, one_word
from aurora_soar.taskruns.isolation import WantedIsolation
from aurora_soar.taskruns.pools import DATABASE_VARIABLE
from aurora_spawner.tasks.task import MOST_CANDIDATES

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_core import Config

__all__ = [
    "WorkOptions",
    "budget_option",
    "candidate_options",
    "database_option",
    "place_options",
    "pool_options",
    "sandbox_option",
]

Command = TypeVar("Command", bound="Callable[..., int]")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """The place of the work and its merge, as the command line gives them; None leaves it to the configuration.

    Attributes:
        yes: the question of the merge is answered.
    """

    isolation: str | None
    include_dirty: bool
    merge: str | None
    conflicts: str | None
    yes: bool

    @property
    def conflict(self) -> str:
        """A contradiction between its options; "" if there is none."""
        if self.include_dirty and self.merge in ("auto", "ask"):
            return (
                f"--include-dirty and --merge {self.merge} exclude each other: "
                "commit your changes, then: aur merge RUN"
            )
        return ""

    def wanted(self, config: Config) -> WantedIsolation:
        """Returns where tasks work, by the options over the configuration.

        `--yes` answers the question of the merge, too.

        Raises:
            click.UsageError: an option needs worktrees, but the isolation is none.
        """
        kind = self.isolation or config.isolation
        if kind == "none" and (self.include_dirty or self.merge or self.conflicts):
            raise click.UsageError(
                "--include-dirty, --merge and --conflicts need worktrees, but the isolation is none"
            )
        # Work on uncommitted changes is merged after these, so no configuration and no `--yes` merges it at once.
        merge = self.merge or ("ask" if self.include_dirty else config.merge)
        return WantedIsolation(
            kind=kind,
            merge="auto" if merge == "ask" and self.yes and not self.include_dirty else merge,
            conflicts=self.conflicts or config.conflicts,
            include_dirty=self.include_dirty,
        )


def budget_option(command: Command) -> Command:
    """Adds `--budget`."""
    return click.option(
        "--budget",
        "budget_usd",
        type=FiniteRange(min=0),
        metavar="USD",
        help="What the run may cost at most; the policies' per_run_limit_usd if that is less.",
    )(command)


def sandbox_option(command: Command) -> Command:
    """Adds `--sandbox`."""
    return click.option(
        "--sandbox",
        type=click.Choice(["off", "auto", "require"]),
        help="Agents may change only their workspace: where that works here (auto), or nothing starts (require); the "
        "policies' sandbox.mode if that is stricter.",
    )(command)


def pool_options(command: Command) -> Command:
    """Adds `--pool` and `--database`."""
    pool = click.option(
        "--pool",
        metavar="NAME",
        callback=one_word,
        help="Run the tasks on a pool: workers, or a host over ssh; see `aur worker`.",
    )
    return pool(database_option(command))


def database_option(command: Command) -> Command:
    """Adds `--database`, which is for this process and those that it starts."""

    def keep(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
        if value:
            os.environ[DATABASE_VARIABLE] = value
        return value

    return click.option(
        "--database",
        metavar="URL",
        expose_value=False,
        callback=keep,
        help=f"The PostgreSQL database of the pool; {DATABASE_VARIABLE} hides it from `ps`.",
    )(command)


def candidate_options(command: Command) -> Command:
    """Adds `--candidates` and `--agents`."""
    candidates = click.option(
        "--candidates",
        type=click.IntRange(1, MOST_CANDIDATES),
        metavar="N",
        help="Run each task N times side by side and take the best; a task file can set N for each task.",
    )
    agents = click.option(
        "--agents",
        "candidate_agents",
        type=AgentNames(),
        default=(),
        metavar="A,B",
        help="The agents of the candidates, in turn; without --candidates one of each.",
    )
    return candidates(agents(command))


def place_options(command: Command) -> Command:
    """Adds `--isolation`, `--include-dirty`, `--merge` and `--conflicts`."""
    isolation = click.option(
        "--isolation",
        type=click.Choice(["auto", "worktree", "none"]),
        help="A git worktree for each task, or none; auto (the default) makes them where agents may write.",
    )
    include_dirty = click.option(
        "--include-dirty", is_flag=True, help="Worktrees also hold your uncommitted changes."
    )
    merge = click.option(
        "--merge",
        type=click.Choice(["auto", "ask", "never"]),
        help="Bring finished work to the current branch: without a question, after one, or not (default: ask).",
    )
    conflicts = click.option(
        "--conflicts",
        metavar="leave|agent|NAME",
        help="Leave work that conflicts on its branch (the default), or let an agent or a persona resolve it.",
    )
    return isolation(include_dirty(merge(conflicts(command))))
