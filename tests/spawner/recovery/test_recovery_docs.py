"""What docs/recovery.md draws is what the code does."""

import re
from pathlib import Path

from aurora_spawner.recovery.states import RECOVERY_TRANSITIONS

PAGE = Path(__file__).parents[3] / "docs" / "recovery.md"


def test_the_table_of_states_is_the_codes_own() -> None:
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \|$", PAGE.read_text(), re.MULTILINE)
    assert set(rows) == {(str(state), str(step), str(to)) for (state, step), to in RECOVERY_TRANSITIONS.items()}
