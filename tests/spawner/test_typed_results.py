"""Results by a schema: read strictly, asked for again with the exact complaint, and read by other tasks."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.exhaustive import examples
from tests.warm_python import WarmPopen

from aurora_spawner import (
    CliBackend,
    CommandBackend,
    RecoveryPolicy,
    RecoverySettings,
    Run,
    RunOptions,
    RunReport,
    SpawnTask,
    map_reduce,
)
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.errors import TaskError, TaskFileError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_events, load_tasks
from aurora_spawner.taskfiles.read import parse_taskfile, read_taskfile
from aurora_spawner.tasks.compose import map_result
from aurora_spawner.tasks.documents import DOCUMENT_CHARACTERS, DocumentError, read_document
from aurora_spawner.tasks.result import RESULT_REFUSED
from aurora_spawner.tasks.result_schema import SCHEMA_BYTES, schema_text
from aurora_spawner.tasks.run_events import RunEvent, TaskSentBack
from aurora_spawner.tasks.task import task_from_json, task_to_json
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor

ROOT = Path(__file__).parents[2]


class Finding(BaseModel):
    file: str
    line: int


class Report(BaseModel):
    title: str
    findings: list[Finding] = []


REPORT = schema_text(Report)
GOOD = {"title": "t", "findings": [{"file": "a.py", "line": 3}]}

# Reading.


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(GOOD),
        f"\n  {json.dumps(GOOD, indent=4)}\n",
        f"```json\n{json.dumps(GOOD)}\n```",
        f"Here it is:\n\n```\n{json.dumps(GOOD, indent=1)}\n```\nAnything else?",
        f"~~~~json\n{json.dumps(GOOD)}\n~~~~",
    ],
)
def test_one_document_is_read_alone_or_in_one_fenced_block(answer: str) -> None:
    assert read_document(answer, REPORT) == GOOD


@pytest.mark.parametrize(("answer", "complaint"), [
    ("  \n", "the answer is empty"),
    ("I have written the report.", "line 1, column 1"),
    (f"{json.dumps(GOOD)} That is all.", "Extra data"),
    (f"{json.dumps(GOOD)}{json.dumps(GOOD)}", "Extra data"),
    (f"```\n{json.dumps(GOOD)}\n```\nor\n```\n{json.dumps(GOOD)}\n```", "2 fenced blocks"),
    (f"```json\n{json.dumps(GOOD)}", "line 1, column 1"),
    ('{"title": "t",}', "line 1"),
    ("{'title': 't'}", "line 1, column 2"),
    ('{"title": "t", "title": "u"}', "'title' twice"),
    ('{"title": NaN}', "NaN is no JSON number"),
    ('{"title": 1e999}', "too large"),
    ('{"title": "\\ud800"}', "surrogate"),
    ("[" * 100_000, "nested too deeply"),
    ("9" * 5_000, "not a JSON document: a whole number has thousands of digits"),
    ('{"title": 3}', "$.title: 3 is not of type 'string'"),
    ('{"findings": []}', "$: 'title' is a required property"),
    ('{"title": "t", "findings": [{"file": "a"}, {"file": 1, "line": 2}]}', "$.findings[0]: 'line' is a required"),
    ('{"title": "t", "findings": [{"file": "a"}, {"file": 1, "line": 2}]}', "$.findings[1].file: 1 is not of type"),
    ("null", "$: null is not of type 'object'"),
    ('{"title": [true, null]}', "$.title: [true, null] is not of type 'string'"),
    ('"' + "x" * DOCUMENT_CHARACTERS + '"', "characters"),
])  # fmt: skip
def test_nothing_is_guessed_and_the_complaint_names_the_place(answer: str, complaint: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_document(answer, REPORT)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 2_000


def test_of_many_problems_the_first_few_are_named() -> None:
    answer = {"title": "t", "findings": [{} for _ in range(50)]}
    with pytest.raises(DocumentError, match=r"\$\.findings\[0\].*; and 95 more$"):
        read_document(json.dumps(answer), REPORT)


def test_allowed_values_are_told_as_json() -> None:
    schema = schema_text({"enum": [True, None, "a"]})
    with pytest.raises(DocumentError, match=r'^\$: false is not one of \[true, null, "a"\]$'):
        read_document("false", schema)


def test_of_alternatives_the_closest_is_named() -> None:
    schema = schema_text({"anyOf": [{"type": "object", "required": ["a"]}, {"type": "array"}]})
    with pytest.raises(DocumentError, match="'a' is a required property"):
        read_document("{}", schema)


@settings(max_examples=examples(50))
@given(st.text() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).map(json.dumps))  # fmt: skip
def test_any_answer_is_a_document_or_a_complaint(answer: str) -> None:
    try:
        assert isinstance(read_document(answer, REPORT), dict)
    except DocumentError as refused:
        complaint = str(refused)
        assert complaint


# Schemas.


@pytest.mark.parametrize(("schema", "problem"), [
    ({"$ref": "https://example.com/schema.json"}, "outside of it"),
    ({"properties": {"a": {"items": {"$ref": "other.json#/a"}}}}, "outside of it"),
    ({"$ref": "file:///etc/passwd"}, "outside of it"),
    ({"$dynamicRef": "http://example.com/#a"}, "outside of it"),
    ({"$ref": "#/$defs/missing"}, "which it does not have"),
    ({"$ref": "#"}, "refers to itself without an end"),
    ({"$schema": "https://example.com/draft"}, "names no known draft"),
    ({"$schema": ["x"]}, "names no known draft"),
    ({"type": "strin"}, "$.type"),
    ({"pattern": "("}, "$.pattern"),
    ({"title": "x" * SCHEMA_BYTES}, "more than 64 KiB"),
    ({"enum": [float("nan")]}, "not JSON"),
    ({1, 2}, "must be a JSON object"),
    ({"enum": [object()]}, "not JSON"),
    ("[]", "must be a JSON object"),
    ("null", "must be a JSON object, not null"),
    ({"type": None}, "$.type: null is not valid"),
    ('{"type": "object", "type": "array"}', "twice"),
    ("{", "not JSON"),
    (3, "must be a JSON object"),
    (int, "must be a JSON object"),
])  # fmt: skip
def test_a_schema_that_cannot_be_used_is_refused_before_anything_runs(schema: Any, problem: str) -> None:
    with pytest.raises(TaskError) as caught:
        SpawnTask("x", result_schema=schema)
    assert caught.value.field == "result_schema"
    assert problem in str(caught.value)


def test_a_name_in_data_is_no_reference() -> None:
    schema = {"properties": {"$ref": {"type": "string"}}, "enum": [{"$ref": "http://example.com"}]}
    assert read_document('{"$ref": "http://example.com"}', schema_text(schema)) == {"$ref": "http://example.com"}


def test_an_old_draft_is_read_by_its_own_rules() -> None:
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True}
    with pytest.raises(DocumentError):
        read_document("1", schema_text(old))
    assert read_document("2", schema_text(old)) == 2


def test_a_task_keeps_its_schema_in_the_journal_and_in_its_hash() -> None:
    task = SpawnTask("x", id="1", result_schema=Report)
    assert task_from_json(json.loads(json.dumps(task_to_json(task)))) == task
    assert task.content_hash != SpawnTask("x", id="1").content_hash
    assert task.content_hash == SpawnTask("x", id="1", result_schema=Report.model_json_schema()).content_hash
    hash(task)


# Runs.


def answering(answers: Mapping[str, Sequence[object]]) -> SimulatedExecutor:
    """Each task answers with the next of its answers; a value as its JSON."""
    left = {task_id: list(each) for task_id, each in answers.items()}

    def agent(order: AttemptOrder) -> AttemptEnd:
        answer = left[order.task_id].pop(0)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout=text)

    return SimulatedExecutor(agent=agent)


def execute(
    folder: Path,
    tasks: list[SpawnTask],
    executor: SimulatedExecutor,
    on_event: Callable[[RunEvent], None] | None = None,
    **more: Any,
) -> RunReport:
    options = RunOptions(default_agent="a", cwd=folder, spool=folder / "runs", executor=executor, **more)
    backends = {name: SimulatedBackend(name) for name in "ab"}
    report = Run.create(folder / "runs.db", tasks, backends, options).execute_sync(on_event)
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
    return report


def test_an_answer_that_is_no_document_is_asked_again_with_the_complaint(tmp_path: Path) -> None:
    executor, events = answering({"1": ["It is done.", {"title": 3}, GOOD]}), list[RunEvent]()
    report = execute(tmp_path, [SpawnTask("Find it", id="1", result_schema=Report)], executor, events.append)
    result = report.results["1"]
    assert (result.success, result.document, result.retry_count) == (True, GOOD, 0)
    first, second, third = (order.prompt for order in executor.orders)
    assert '"required": [\n    "title"' in first
    assert "answer is not a JSON document: line 1, column 1" in second
    assert "$.title: 3 is not of type 'string'" in third
    assert "Find it" in second  # this agent has no session
    sent_back = [event.message for event in events if isinstance(event, TaskSentBack)]
    assert [message.partition(":")[0] for message in sent_back] == ["round 1 of 2", "round 2 of 2"]
    with Journal(tmp_path / "runs.db") as journal:
        row = load_tasks(journal, report.run_id)[0]
        kinds = [event.kind for event in load_events(journal, report.run_id)]
    assert row.result is not None
    assert row.result.document == GOOD
    assert [each.number for each in row.returned] == [1, 2]
    assert kinds.count("work_returned") == 2
    assert kinds.count("task_settled") == 1


def test_after_its_rounds_the_task_fails_with_the_complaint(tmp_path: Path) -> None:
    executor = answering({"1": ["{}"] * 9})
    tasks = [SpawnTask("x", id="1", result_schema=Report), SpawnTask("y", id="2", depends_on=("1",))]
    report = execute(tmp_path, tasks, executor)
    assert len(executor.orders) == 3
    result = report.results["1"]
    assert result.error == "its answer is not the document asked for: $: 'title' is a required property"
    assert result.reported is not None
    assert result.reported.code == RESULT_REFUSED
    assert result.document is None
    assert report.results["2"].state.value == "skipped"


def test_no_rounds_are_no_rounds(tmp_path: Path) -> None:
    executor = answering({"1": ["{}"] * 9})
    assert not execute(tmp_path, [SpawnTask("x", id="1", result_schema=Report)], executor, check_rounds=0).ok
    assert len(executor.orders) == 1


def test_a_fallback_is_told_what_was_wrong_and_no_circuit_opens(tmp_path: Path) -> None:
    executor = answering({"1": ["{}", "{}", GOOD], "2": [GOOD]})
    policy = RecoveryPolicy(max_retries=0, fallback_to_llm=False)
    settings = RecoverySettings(policy=policy, fallbacks={"a": ("b",)}, state_dir=None)
    tasks = [SpawnTask("x", id="1", result_schema=Report), SpawnTask("y", id="2", depends_on=("1",))]
    report = execute(tmp_path, tasks, executor, check_rounds=1, recovery=settings)
    assert report.ok
    assert [order.agent for order in executor.orders] == ["a", "a", "b", "a"]
    assert "'title' is a required property" in executor.orders[2].prompt


def test_other_tasks_read_the_document_and_no_prose(tmp_path: Path) -> None:
    said = f"Of course!\n```json\n{json.dumps(GOOD)}\n```\nGlad to help."
    executor = answering({"1": [said], "2": ["fine"], "3": ["fine"]})
    tasks = [
        SpawnTask("x", id="1", result_schema=Report),
        SpawnTask("y", id="2", depends_on=("1",)),
        SpawnTask('{"do": "z"}', id="3", depends_on=("1",), prompt_format="json"),
    ]
    assert execute(tmp_path, tasks, executor).ok
    text, as_json = (order.prompt for order in executor.orders[1:])
    assert json.dumps(GOOD, indent=2) in text
    assert "Of course" not in text + as_json
    assert json.loads(as_json)["dependency_results"][0]["document"] == GOOD


def test_a_json_prompt_gets_schema_and_complaint_as_fields(tmp_path: Path) -> None:
    executor = answering({"1": ["{}", GOOD]})
    task = SpawnTask('{"do": "x"}', id="1", prompt_format="json", result_schema=Report)
    assert execute(tmp_path, [task], executor).ok
    first, second = (json.loads(order.prompt) for order in executor.orders)
    assert first["result_schema"] == json.loads(REPORT)
    assert second["sent_back"]["remarks"] == ["$: 'title' is a required property"]


def test_a_map_reduce_over_the_items_of_a_typed_result(tmp_path: Path) -> None:
    executor = answering({"find": [GOOD], "find/1": ["seen"], "sum": [{"title": "all"}]})
    tasks = [
        SpawnTask("find", id="find", result_schema=Report),
        SpawnTask("sum", id="sum", depends_on=("find",), result_schema=Report),
    ]
    expand = map_result(
        "find", lambda document: document["findings"], map_=lambda each: SpawnTask(f"Look at {each['file']}")
    )
    report = execute(tmp_path, tasks, executor, expand=expand)
    assert report.ok
    assert report.results["sum"].document == {"title": "all"}
    assert executor.orders[1].prompt.startswith("Look at a.py")
    assert "seen" in executor.orders[2].prompt


def test_a_reduce_reads_the_documents_of_all(tmp_path: Path) -> None:
    executor = answering({"1": [{"title": "one"}], "2": [{"title": "two"}], "reduce": ["both"]})
    tasks = map_reduce("xy", map_=lambda item: SpawnTask(item, result_schema=Report), reduce=SpawnTask("join"))
    assert execute(tmp_path, tasks, executor).ok
    assert '"title": "one"' in executor.orders[2].prompt
    assert '"title": "two"' in executor.orders[2].prompt


AGENT = """\
import json, pathlib, sys
asked = pathlib.Path("asked.jsonl")
number = len(asked.read_text().splitlines()) if asked.exists() else 0
with asked.open("a") as file:
    print(json.dumps({"args": sys.argv[1:], "prompt": sys.stdin.read()}), file=file)
answer = ["done", '{"title": "t"}'][number]
print(json.dumps({"type": "system", "subtype": "init", "session_id": "s-1", "model": "m"}))
said = [{"type": "text", "text": answer}]
print(json.dumps({"type": "assistant", "message": {"model": "m", "content": said}}))
print(json.dumps({"type": "result", "subtype": "success", "is_error": False, "result": answer, "session_id": "s-1"}))
"""


def test_it_is_asked_again_in_the_same_session(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(AGENT)
    backend = CliBackend(name="claude", kind="claude", command=(sys.executable, "agent.py"))
    options = RunOptions(default_agent="claude", cwd=tmp_path, spool=tmp_path / "runs")
    task = SpawnTask("Find it", id="1", result_schema=Report)
    report = Run.create(tmp_path / "runs.db", [task], {"claude": backend}, options).execute_sync()
    assert report.results["1"].document == {"title": "t"}, report.results["1"].error
    _, second = map(json.loads, (tmp_path / "asked.jsonl").read_text().splitlines())
    assert second["args"][second["args"].index("--resume") + 1] == "s-1"
    assert "Find it" not in second["prompt"]
    assert "line 1, column 1" in second["prompt"]


KILLED = """
import sys
from pathlib import Path
from tests.spawner.test_typed_results import make
run = make(Path(sys.argv[1]))
(Path(sys.argv[1]) / "run_id").write_text(run.run_id)
run.execute_sync()
"""
SLOW = """cat > prompt.$AURORA_ATTEMPT_NUMBER
while [ $AURORA_ATTEMPT_NUMBER = 2 ] && [ ! -e go ]; do sleep 0.05; done
echo '{}'"""


def make(folder: Path) -> Run:
    options = RunOptions(default_agent="sh", cwd=folder, spool=folder / "runs")
    task = SpawnTask("x", id="1", result_schema=Report)
    return Run.create(folder / "runs.db", [task], {"sh": CommandBackend("sh", ("sh", "-c", SLOW))}, options)


def test_rounds_are_counted_over_a_kill(tmp_path: Path) -> None:
    program = WarmPopen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT)
    deadline = time.monotonic() + 30
    while not (tmp_path / "prompt.2").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    (tmp_path / "go").touch()
    backends = {"sh": CommandBackend("sh", ("sh", "-c", SLOW))}
    report = Run.resume(tmp_path / "runs.db", (tmp_path / "run_id").read_text(), backends).execute_sync()
    assert not report.ok
    assert sorted(path.suffix for path in tmp_path.glob("prompt.*")) == [".1", ".2", ".3"]
    assert "'title' is a required property" in (tmp_path / "prompt.2").read_text()


# Task files.


def test_a_task_file_names_the_schema_beside_it(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "report.json").write_text(REPORT)
    (tmp_path / "tasks.md").write_text(
        "- [ ] 1 Group\n  - Result: `schemas/report.json`\n  - [ ] 1.1 In it\n"
        "- [ ] 2 Find it\n  - Result: schemas/report.json\n- [x] 3 Done\n  - Result: gone.json\n- [ ] 4 Prose\n"
    )
    tasks = {task.id: task.schema for task in read_taskfile(tmp_path / "tasks.md").tasks}
    assert tasks == {"1.1": REPORT, "2": REPORT, "4": None}


@pytest.mark.parametrize("value", ["that all users can log in", "see report.json", "*.json", "report.md", ""])
def test_prose_stays_prose(tmp_path: Path, value: str) -> None:
    task = parse_taskfile(f"- [ ] 1 Find it\n  - Result: {value}\n", tmp_path / "tasks.md").tasks[0]
    assert task.schema is None
    assert f"Result: {value}".strip() in task.prompt


def test_a_schema_may_be_indented_at_will(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(json.loads(REPORT)) + " " * SCHEMA_BYTES)
    (task,) = parse_taskfile("- [ ] 1 Find it\n  - Result: report.json\n", tmp_path / "tasks.md").tasks
    assert task.schema is not None


@pytest.mark.parametrize(("content", "problem"), [
    (None, "cannot be read: No such file"),
    (b"{", "is not JSON"),
    (b"\xff\xfe", "is not UTF-8 text"),
    (b" " * (SCHEMA_BYTES + 10), "not JSON"),
    (b'{"title": "' + b"x" * SCHEMA_BYTES + b'"}', "more than 64 KiB"),
    (b'{"title": "' + b"x" * 4 * SCHEMA_BYTES + b'"}', "has more than 256 KiB"),
    (b'{"$ref": "http://example.com/x"}', "outside of it"),
    ("folder", "is a folder"),
    ("pipe", "is not a regular file"),
])  # fmt: skip
def test_a_schema_that_cannot_be_used_is_an_error_with_its_line(
    tmp_path: Path, content: bytes | str | None, problem: str
) -> None:
    path = tmp_path / "report.json"
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(TaskFileError) as caught:
        parse_taskfile("# T\n\n- [ ] 1 Find it\n  - Result: report.json\n", tmp_path / "tasks.md")
    assert (caught.value.line, caught.value.field) == (4, "result")
    assert problem in str(caught.value)


def test_an_absolute_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(REPORT)
    with pytest.raises(TaskFileError, match="relative to the task file"):
        parse_taskfile(f"- [ ] 1 Find it\n  - Result: {tmp_path}/report.json\n", tmp_path / "tasks.md")
