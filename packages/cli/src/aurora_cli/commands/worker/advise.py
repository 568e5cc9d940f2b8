"""`aur worker advise`: how many workers a pool should have, and a hook that is told when that changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from aurora_cli.documents import Schema
from aurora_cli.escapes import printable
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, one_word
from aurora_cli.output import emit, emit_json, note
from aurora_cli.pool_workers import with_tables
from aurora_cli.scaling_hook import hook_words, run_hook
from aurora_cli.work_options import database_option

if TYPE_CHECKING:
    from aurora_spawner.distributed.advice import AdviceSettings
    from aurora_spawner.distributed.advice_store import PoolAdvice
    from aurora_spawner.distributed.database import Database

__all__ = ["command"]

_LONGEST_S = 86_400.0
_MOST = 100_000


@click.command(
    "advise",
    cls=AurCommand,
    examples=(
        ("aur worker advise", "How many workers each pool should have, and why."),
        ("aur worker advise big --min 1 --max 20 --json", "One pool, within bounds, as JSON with all figures."),
        (
            "aur worker advise big --slots 4 --hook ./scale.sh",
            "When the number changes, run ./scale.sh with the JSON on stdin.",
        ),
    ),
)
@click.argument("pool", required=False, callback=one_word, help="The pool (default: all pools).")
@click.option(
    "--within",
    type=click.FloatRange(1, _LONGEST_S),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="The time within which waiting attempts should start.",
)
@click.option(
    "--slots",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Attempts that a new worker runs at once (default: the mean of the present workers).",
)
@click.option(
    "--min", "least", type=click.IntRange(0, _MOST), default=0, show_default=True, help="The fewest workers."
)
@click.option("--max", "most", type=click.IntRange(0, _MOST), default=_MOST, help="The most workers.")
@click.option(
    "--cool-down",
    type=click.FloatRange(0, _LONGEST_S),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="The shortest time between two changes, and between two runs of the hook.",
)
@click.option(
    "--down-after",
    type=click.FloatRange(0, _LONGEST_S),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="The time for which fewer workers must be enough before fewer are advised.",
)
@click.option(
    "--hook",
    callback=hook_words,
    metavar="COMMAND",
    help="A command to run when the number has changed; it gets the advice on stdin.",
)
@database_option
@json_option
def command(
    *,
    pool: str | None,
    within: float,
    slots: int | None,
    least: int,
    most: int,
    cool_down: float,
    down_after: float,
    hook: tuple[str, ...] | None,
    as_json: bool,
) -> int:
    """Say how many workers a pool should have.

    The number goes up at once when the queue grows, and down only after a while. The last advice is kept in the
    database, so the command may be run repeatedly and from any machine. A hook that fails runs again after the
    cool-down.
    """
    if least > most:
        raise click.UsageError("--min is larger than --max")
    from aurora_spawner.distributed.advice import AdviceSettings

    settings = AdviceSettings(
        within_s=within, slots=slots, least=least, most=most, cool_down_s=cool_down, down_after_s=down_after
    )
    found = asyncio.run(with_tables(lambda database: _advise(database, pool, settings, hook)))
    problems = [problem for _advice, problem in found if problem]
    if as_json:
        emit_json(Schema.WORKER_ADVICE, {"pools": [each.to_json() for each, _problem in found]})
    for advice, _problem in () if as_json else found:
        were = "" if advice.before in (None, advice.desired) else f" (were {advice.before})"
        emit(
            printable(f"{advice.figures.pool}  {_workers(advice.desired)}{were}  there are {advice.figures.workers}")
        )
        for reason in advice.reasons:
            emit(printable(f"  {reason}"))
    for problem in problems:
        note(printable(problem))
    if not found:
        note("no pool has workers or attempts")
    return ExitCode.NOT_REACHED if problems else ExitCode.DONE


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


async def _advise(
    database: Database, pool: str | None, settings: AdviceSettings, hook: tuple[str, ...] | None
) -> list[tuple[PoolAdvice, str]]:
    """Returns the advice for each pool, with why its hook failed."""
    from aurora_spawner.distributed.advice_store import AdviceStore

    store = AdviceStore(database)
    found = []
    for name in [pool] if pool is not None else await store.pools():
        advice, problem = await store.advise(name, settings, with_hook=hook is not None), ""
        if hook is not None and advice.hook_due:
            problem = await asyncio.to_thread(run_hook, hook, advice.to_json())
            if not problem:
                await store.told(name, advice.desired)
        found.append((advice, problem))
    return found
