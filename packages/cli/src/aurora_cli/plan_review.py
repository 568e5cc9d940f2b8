"""The review of a plan at the terminal: proceed, fall back, edit it, or abort."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aurora_cli.output import emit, note
from aurora_cli.render.goal_plan import as_text
from aurora_soar.errors import SoarError
from aurora_soar.plans.plan import ReviewDecision
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_soar import Aurora, DecompositionReview

__all__ = ["reviewed_plan"]

_ANSWERS: Final[Mapping[str, ReviewDecision]] = {
    "p": ReviewDecision.PROCEED,
    "f": ReviewDecision.FALLBACK,
    "a": ReviewDecision.ABORT,
}


def reviewed_plan(aurora: Aurora, review: DecompositionReview) -> tuple[DecompositionReview, ReviewDecision]:
    """Asks until there is a decision; returns it with the review, edited if the user has done so."""
    decision = None
    while decision is None:
        review, decision = _ask(aurora, review)
    return review, decision


def _ask(aurora: Aurora, review: DecompositionReview) -> tuple[DecompositionReview, ReviewDecision | None]:
    """Asks once; returns the review, edited if the user has done so, and the decision if there is one."""
    letters = {letter: answer.value for letter, answer in _ANSWERS.items() if answer in review.decisions}
    words = {**letters, "e": "edit"}
    question = ", ".join(f"{letter} = {words[letter]}" for letter in "pfea" if letter in words)
    choice = click.Choice(list(words), case_sensitive=False)
    answer = click.prompt(question, type=choice, default="p", show_choices=False, err=True)
    if answer != "e":
        return review, _ANSWERS[answer]
    if not (os.environ.get("VISUAL") or os.environ.get("EDITOR")):
        note("there is no editor; set EDITOR, for example: EDITOR=nano")
        return review, None
    return _edited(aurora, review), None


def _edited(aurora: Aurora, review: DecompositionReview) -> DecompositionReview:
    """Opens the tasks in the editor; returns the review as it was if they cannot be read afterwards."""
    handle, name = tempfile.mkstemp(prefix="aurora-tasks-", suffix=".md")
    path = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(aurora.taskfile_of(review))
    try:
        click.edit(filename=name)
        edited = aurora.edited_review(review, path.read_text(encoding="utf-8", errors="replace"), path)
    except (SpawnerError, SoarError, OSError, click.ClickException) as error:
        note(f"{error}\nthe plan is as it was before; your text is kept in {path}")
        return review
    path.unlink(missing_ok=True)
    emit(as_text(edited))
    return edited
