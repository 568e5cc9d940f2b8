"""Values that a task refuses before a run exists."""

import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_spawner import Run, RunOptions, SpawnerError, SpawnTask
from aurora_spawner.errors import TaskError
from aurora_spawner.runs.evidence import says_something
from aurora_spawner.tasks.task import task_from_json, task_to_json
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", " \n"),
        ("id", ""),
        ("id", "two\nlines"),
        ("id", "nul\0"),
        ("id", "\ud800"),
        ("agent", "a\0b"),
        ("model", "a\0b"),
        ("timeout_s", 0),
        ("timeout_s", -1.0),
        ("timeout_s", math.inf),
        ("timeout_s", math.nan),
        ("priority", 1.5),
        ("priority", 2**63),
        ("max_turns", 0),
        ("max_turns", 2**63),
        ("files", ("",)),
        ("files", ("a\0b",)),
        ("files", ("\ud800",)),
        ("prompt_format", "yaml"),
    ],
)
def test_what_no_task_can_be_is_named_with_its_field(field: str, value: object) -> None:
    values: dict[str, Any] = {"prompt": "go", field: value}
    with pytest.raises(TaskError) as caught:
        SpawnTask(**values)
    assert caught.value.field == field


@pytest.mark.parametrize("prompt", ["[1]", "{", '{"a": ' + "[" * 5_000 + "]" * 5_000 + "}"])
def test_a_prompt_that_should_be_an_object_and_is_not(prompt: str) -> None:
    with pytest.raises(TaskError) as caught:
        SpawnTask(prompt, prompt_format="json")
    assert caught.value.field == "prompt"


def test_only_what_the_agent_is_asked_is_in_the_hash() -> None:
    task = SpawnTask("go", id="1", agent="a", files=("x", "y"), depends_on=("2", "3"))
    same = SpawnTask("go", id="9", agent="a", files=("y", "x"), depends_on=("3", "2"), title="T", priority=4)
    assert task.content_hash == same.content_hash
    for other in (SpawnTask("go!", agent="a"), SpawnTask("go", agent="b"), SpawnTask("go", agent="a", model="m")):
        assert other.content_hash != SpawnTask("go", agent="a").content_hash


TEXT = st.text(max_size=20)
NUMBER = st.none() | st.floats() | st.integers()
FIELDS = st.fixed_dictionaries(
    {"prompt": TEXT},
    optional={
        "id": st.none() | TEXT,
        "title": st.none() | TEXT,
        "priority": st.integers(),
        "timeout_s": NUMBER,
        "critical": st.booleans(),
        "files": st.lists(TEXT, max_size=2).map(tuple),
        "model": st.none() | TEXT,
        "instructions": st.none() | TEXT,
        "depends_on": st.lists(TEXT, max_size=2).map(tuple),
        "prompt_format": st.sampled_from(["text", "json"]),
    },
)


@settings(max_examples=examples(60), deadline=None)
@given(FIELDS)
@example({"prompt": "\x1b"})
@example({"prompt": "0", "priority": 2**63})
def test_any_task_is_refused_by_type_or_goes_through_a_whole_run(values: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        backends = {"sim": SimulatedBackend("sim")}
        try:
            task = SpawnTask(**values)
            run = Run.create(
                place / "runs.db",
                [task],
                backends,
                RunOptions(
                    default_agent="sim",
                    cwd=place,
                    spool=place / "runs",
                    executor=SimulatedExecutor(),
                ),
            )
        except SpawnerError:
            return
        assert task_from_json(task_to_json(task)) == task
        report = run.execute_sync()
        (result,) = report.results.values()
        answered = says_something(task.prompt)  # the simulation answers with its prompt
        assert answered or not result.success
        assert result.success or ("declared files are missing" if answered else "it exited without") in str(
            result.error
        )


@pytest.mark.parametrize("checks", ["true", ("true", 1), ("",), ("a\0",), ("\ud800",), ("x" * 200_000,)])
def test_a_check_is_a_shell_command(checks: object) -> None:
    with pytest.raises(TaskError, match="checks must be"):
        SpawnTask("go", checks=checks)  # type: ignore[arg-type]
