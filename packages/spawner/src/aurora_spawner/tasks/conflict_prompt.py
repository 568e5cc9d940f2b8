"""The prompt for an agent that resolves a conflict between the work of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.prompts import fair_shares, on_one_line, quoted, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXTS_LIMIT: Final = 60_000
"""The characters that intents and diffs together may add to a prompt."""
_NAMED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a conflict."""

    name: str
    """Such as `task 2`."""
    intents: Sequence[str]
    """The prompts that its work was done for; several for work that was merged before."""
    diff: str
    """Its change to the files in conflict."""


def conflict_prompt(files: Sequence[str], integrated: Side, task: Side, *, base: str, onto: str, theirs: str) -> str:
    """Returns the prompt, with the texts of others as data.

    Args:
        files: Those in conflict.
        integrated: What was merged before.
        task: The work that conflicts with it.
        base: The commit that both go back to.
        onto: The commit of what was merged before.
        theirs: The commit of the work.
    """
    shown = "".join(f"- {on_one_line(name)}\n" for name in files[:_NAMED])
    more = f"- and {len(files) - _NAMED} more\n" if len(files) > _NAMED else ""
    first, second = integrated.name, task.name
    request = (
        "Two changes conflict in a merge; resolve the conflicts so that both keep their purpose. Your folder holds"
        f" the merge in git's diff3 style: first the text of {first}, after `|||||||` the common base, after"
        f" `=======` the text of {second}.\n\n"
        f"Files in conflict:\n{shown}{more}\n"
        "Change only these files, and leave no conflict marker in them. A file that one side has deleted, or that is"
        " binary, has no markers: delete it, or make its content right. If nothing has to change, say so with `git"
        " commit --allow-empty -m REASON`; an unchanged folder without it is no result. Your result is refused"
        " if other files change or a check fails. Do not merge, rebase or reset; a commit of your changes is made for"
        " you.\n\n"
        f"Common base: commit {base}. {first.capitalize()}: commit {onto}. {second.capitalize()}: commit {theirs}."
        " `git show COMMIT:FILE` prints a version of a file."
    )
    parts = [
        *((f"the purpose of {integrated.name}", each) for each in integrated.intents),
        *((f"the purpose of {task.name}", each) for each in task.intents),
        (f"the change of {integrated.name}", integrated.diff),
        (f"the change of {task.name}", task.diff),
    ]
    shares = fair_shares([len(text) for _, text in parts], TEXTS_LIMIT)
    cut = [(title, shorten(text, share)) for (title, text), share in zip(parts, shares, strict=True)]
    return f"{request}\n\n{quoted(cut, by='others')}"
