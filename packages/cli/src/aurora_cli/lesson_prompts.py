"""The one question whether lessons are kept, asked when a run has shown the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli.output import note
from aurora_cli.render.words import one_line
from aurora_cli.user_prompts import is_interactive
from aurora_core.settings.config import DEFAULT
from aurora_spawner.supervision.belonging import own_attempt

if TYPE_CHECKING:
    from aurora_soar import Aurora

__all__ = ["ask_about_lessons"]

_QUESTION = "Keep such lessons on this machine, and give them to agents with similar tasks?"


def ask_about_lessons(aurora: Aurora, run_id: str) -> None:
    """Asks the user, if a run has shown something and they have not decided yet; the answer is their own setting.

    Raises:
        ConfigError: their configuration is not valid.
        click.Abort: they have typed Ctrl-C.
    """
    if aurora.config.origin("memory.lessons") != DEFAULT or not is_interactive() or own_attempt() is not None:
        return
    shown = aurora.lessons_shown(run_id)
    if not shown:
        return
    note(one_line(shown[0].text, 300))
    try:
        given = click.confirm(_QUESTION, default=False, err=True)
    except click.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # they want to leave, and no further question
            raise
        return  # no answer: the next run with a lesson asks
    aurora.set_lesson_consent(run_id, given=given)
    note(
        "aur mem lessons lists them; aur config set memory.lessons false --user ends it" if given else "none are kept"
    )
