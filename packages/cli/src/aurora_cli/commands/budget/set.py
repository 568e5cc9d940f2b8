"""`aur budget set`: set limits for all projects."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import FiniteRange, json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render import budget
from aurora_soar.user_only import check_user

__all__ = ["command"]


class _Amount(click.ParamType[float | None, str]):
    """An amount in US dollars, or `none`."""

    name = "usd"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Returns the amount; None for `none`."""
        if value == "none":
            return None
        try:
            amount = float(value)
        except ValueError:
            amount = -1.0
        if not 0 <= amount < float("inf"):
            self.fail(f"{value!r} is neither an amount in US dollars nor `none`", param, ctx)
        return amount


@click.command(
    "set",
    cls=AurCommand,
    examples=(
        ("aur budget set --monthly 50", "Spend at most $50 a month."),
        ("aur budget set --per-run 2.50 --warn-at 60", "Also $2.50 per run, and a warning at 60 %."),
        ("aur budget set --monthly none", "Remove your monthly limit."),
    ),
)
@click.option(
    "--monthly", metavar="USD", help="Limit per calendar month, for all projects together; `none` removes it."
)
@click.option("--per-run", metavar="USD", help="Limit per run; `none` removes it.")
@click.option(
    "--warn-at", type=FiniteRange(0, 100), metavar="PERCENT", help="Warn once this share of a limit is spent."
)
@click.option(
    "--on-limit", type=click.Choice(["reject", "warn"]), help="Refuse attempts that exceed a limit, or only warn."
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    monthly: str | None,
    per_run: str | None,
    warn_at: float | None,
    on_limit: str | None,
    as_json: bool,
) -> int:
    """Set limits for all your projects.

    They apply together with the limits in a project's policies.yaml: the stricter limit counts. Limits without an
    option here stay unchanged.
    """
    amounts = {
        name: _Amount().convert(text, None, ctx)
        for name, text in (("monthly_usd", monthly), ("per_run_usd", per_run))
        if text is not None
    }
    if not amounts and warn_at is None and on_limit is None:
        raise click.UsageError("name a limit to set: --monthly, --per-run, --warn-at or --on-limit", ctx)
    check_user("the budget is", "ask the user for it")
    aurora = wiring.open_folder()
    aurora.set_user_limits(amounts=amounts, warn_at=warn_at, on_limit=on_limit)
    ledger = aurora.ledger
    if as_json:
        emit_json(Schema.BUDGET, budget.as_document(ledger.status(), ledger.limits))
    else:
        emit(budget.limits_text(ledger.limits))
    return ExitCode.DONE
