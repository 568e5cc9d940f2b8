"""The code does as docs/spawner.md draws it."""

import re
from pathlib import Path

from aurora_spawner.tasks.result import TASK_TRANSITIONS, TaskState

PAGE = Path(__file__).parents[2] / "docs" / "spawner.md"


def test_the_table_of_task_states_is_the_codes_own() -> None:
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \|$", PAGE.read_text(), re.MULTILINE)
    drawn = {(before, step, after) for before, after, step in rows if before in set(TaskState)}
    assert drawn == {(str(before), str(step), str(after)) for (before, step), after in TASK_TRANSITIONS.items()}


def test_every_file_that_the_page_points_to_is_there() -> None:
    for target in re.findall(r"\]\((\.\./[^)]+)\)", PAGE.read_text()):
        assert (PAGE.parent / target).exists(), target
