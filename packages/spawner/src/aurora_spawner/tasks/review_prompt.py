"""The prompt of a reviewer: the task, its result, what its checks have said, and the change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.prompts import quoted, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.review import Review
    from aurora_spawner.tasks.task import SpawnTask

DIFF_CHARACTERS: Final = 60_000
"""The most of a change that stands in the prompt."""
_ANSWER_CHARACTERS: Final = 16_000
_REQUEST: Final = (
    "Review the work of another agent. Decide whether it does what its task asks for, and does it correctly: read "
    "the change and the code around it, and look for mistakes, for what is missing, and for weakened tests. "
    "Change no file; whatever you change is undone. Send the work back only for what has to change before it is "
    "done, and give each reason its file and line. Matters of taste are no reason."
)
_IN_WORKTREE: Final = "Your folder has the work as it is; `git diff {base}` shows the change in full."
_WITHOUT: Final = "The work was done in your folder, among other changes; there is no diff of it."


def review_prompt(
    task: SpawnTask, result: SpawnResult, *, base: str | None, diff: str | None, before: Sequence[Review]
) -> str:
    """Returns the prompt for a reviewer.

    Args:
        base: The commit that the work started from; None without a worktree.
        diff: The change since then.
        before: Earlier reviews of the work on this task.
    """
    place = _WITHOUT if base is None else _IN_WORKTREE.format(base=base)
    return f"{_REQUEST}\n{place}\n\n{quoted(list(_parts(task, result, diff, before)), by='others')}"


def _parts(
    task: SpawnTask, result: SpawnResult, diff: str | None, before: Sequence[Review]
) -> Iterator[tuple[str, str]]:
    yield f"the task {task.id}", task.prompt
    yield f"the answer of its agent {result.agent}", shorten(result.shown, _ANSWER_CHARACTERS)
    yield "the checks of the work, run by Aurora", _checks(result)
    if before:
        said = [before[-1].summary, *map(str, before[-1].remarks)]
        yield "the last review, after which the agent has gone on", "\n".join(said)
    if diff is not None:
        yield "the change", shorten(diff, DIFF_CHARACTERS) if diff else "(nothing was changed)"


def _checks(result: SpawnResult) -> str:
    if result.checked is None:
        return "(none)"
    return "\n".join(each.summary for each in result.checked.runs)
