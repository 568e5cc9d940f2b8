"""A question that is cut off goes on from there, at whatever write it died: nothing journalled is done again."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few
from tests.soar import killed_questions
from tests.soar.killed_questions import ANSWER, QUESTION, Counted, orchestrator
from tests.warm_python import run_warm

from aurora_core import Memory, Project
from aurora_soar import Aurora, Completion, NotResumableError
from aurora_soar.errors import StoredStepError
from aurora_soar.phase_table import PHASES
from aurora_soar.question.question import read_question
from aurora_soar.resumption.kinds import QUESTION_RUN
from aurora_soar.resumption.record import AskedQuestion, parts_of
from aurora_soar.resumption.recorder import QuestionRecorder
from aurora_soar.resumption.values import from_json, to_json
from aurora_soar.taskruns.resume import list_resumable
from aurora_soar.taskruns.settle import cancel_run
from aurora_spawner.control.lookup import find_run
from aurora_spawner.errors import JournalCorruptError, RunHeldError
from aurora_spawner.journal.facts import NoteKept
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import list_runs
from aurora_spawner.runs.noted_run import read_notes

RECALL, PLAN_CALL, ANSWER_CALL, TIMES = 1, 4, 9, 12
WRITES = range(RECALL, TIMES + 1)
POINTS = [f"{at}{after}" for at in WRITES for after in ("", "+")]


@pytest.mark.parametrize("point", few([*POINTS], 2))
def test_a_question_killed_at_any_write_of_its_record_goes_on_from_there(point: str, tmp_path: Path) -> None:
    program = [sys.executable, killed_questions.__file__, str(tmp_path / "asked"), point]
    done = run_warm(program, capture_output=True, check=True, timeout=120)
    (found,) = json.loads(done.stdout).values()
    assert (found["killed"], found["resumed"], found["left"]) == (True, True, 0)
    assert found["answer"]["ok"]
    assert found["answer"]["answer"].startswith(ANSWER["answer"])
    assert (found["ran"], found["logs"]) == (["0", "1"], 1), "each subgoal ran once, and there is one log"
    assert found["turns"] == [QUESTION], "it is one turn of the session that it was asked in"
    unkept = {str(PLAN_CALL): "plan", str(ANSWER_CALL): "answer"}.get(point)
    asked = [line.split()[0] for line in found["asked"]]
    assert sorted(asked) == sorted(["plan", "answer", *([unkept] if unkept else [])]), (
        "only a lost answer is asked for"
    )


OTHERS = {"broken": 16, "critical": 17, "unsure": 13, "simple": 8, "cached": 7}
"""The kinds of questions that take other steps, and the number of writes of each."""
OTHER_POINTS = [
    f"{kind}{at}{after}" for kind, last in OTHERS.items() for at in range(1, last + 1) for after in ("", "+")
]


@pytest.fixture(scope="session")
def not_killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of a question of each kind that nobody killed."""
    points = [f"{kind}0" for kind in killed_questions.QUESTIONS]
    found = played(tmp_path_factory.mktemp("whole"), *points)
    return {point.removesuffix("0"): each for point, each in found.items()}


def played(folder: Path, *points: str) -> dict[str, dict[str, Any]]:
    program = [sys.executable, killed_questions.__file__, str(folder), *points]
    done = run_warm(program, capture_output=True, check=True, timeout=200)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def test_every_step_of_the_table_has_its_kills(not_killed: dict[str, dict[str, Any]]) -> None:
    taken = {
        write.split()[1] for each in not_killed.values() for write in each["writes"] if write.startswith("step ")
    }
    assert taken == {step.name for step in PHASES if step.kept}
    assert {kind: len(not_killed[kind]["writes"]) for kind in OTHERS} == OTHERS


@pytest.mark.parametrize("point", few([*OTHER_POINTS], 1))
def test_a_question_of_any_kind_killed_at_any_write_goes_on_from_there(
    point: str, tmp_path: Path, not_killed: dict[str, dict[str, Any]]
) -> None:
    found, whole = played(tmp_path, point)[point], not_killed[re.sub(r"\d.*", "", point)]
    assert (found["killed"], found["resumed"], found["left"]) == (True, True, 0)
    topic, key = found["writes"][-1].split(maxsplit=1)
    lost = [key.split()[0]] if topic == "answer" and not point.endswith("+") else []
    asked = [line.split()[0] for line in found["asked"]]
    assert sorted(asked) == sorted([*(line.split()[0] for line in whole["asked"]), *lost])
    assert [found[each] for each in ("ran", "logs", "turns")] == [whole[each] for each in ("ran", "logs", "turns")]
    assert found["answer"]["ok"]


def test_a_question_whose_agents_the_user_cancels_ends_and_can_be_resumed(project: Project) -> None:
    with Memory.open(project.root) as memory:
        memory.index()
        soar = orchestrator(project, memory, first="touch began; until [ -e go ]; do sleep 0.05; done; ")
        with ThreadPoolExecutor(1) as thread:
            cancelling = thread.submit(cancel_agents, project)
            assert soar.execute(QUESTION).interrupted
            cancelling.result()
        (left,) = list_resumable(project.runs_db)
        (project.root / "go").touch()
        resumed = soar.resume(left.run.run_id)
    assert (resumed.interrupted, resumed.ok) == (False, True)
    assert sorted((project.root / "ran").read_text().split()) == ["0", "1"]


def cancel_agents(project: Project) -> None:
    """Cancels the question once its agents work, as `aur cancel` does."""
    while not (project.root / "began").exists():
        time.sleep(0.02)
    with Journal(project.runs_db) as journal:
        (asked,) = list_runs(journal, kinds=[QUESTION_RUN])
    cancel_run(
        project.runs_db,
        asked.run_id,
        task_id=None,
        at_once=True,
        limits_of=lambda _run_id: None,
        notify=lambda notice: pytest.fail(notice.message),
    )


@dataclass
class Stopping:
    """A model whose call is cut off once, as by Ctrl-C."""

    inner: Counted
    at: str
    name: str = "coder"
    stopped: list[str] = field(default_factory=list)

    async def ask(self, prompt: str, *, title: str) -> Completion:
        if title == self.at and not self.stopped:
            self.stopped.append(title)
            return Completion(text="", agent="coder", usage=None, error="cancelled", interrupted=True)
        return await self.inner.ask(prompt, title=title)


@pytest.mark.parametrize(
    ("at", "question", "asked"),
    [
        ("assess", "Rework the backoff delay", []),
        ("plan", QUESTION, []),
        ("critic", "Delete the production payments database after the backoff delay of the retry loop", ["plan"]),
        ("answer", QUESTION, ["plan"]),
    ],
)
def test_what_a_signal_cut_off_is_asked_again_and_the_log_is_replaced(
    project: Project, at: str, question: str, asked: list[str]
) -> None:
    with Memory.open(project.root) as memory:
        memory.index()
        soar = orchestrator(project, memory)
        model = soar._model = Stopping(Counted(project.root), at)
        first = soar.execute(question)
        assert (first.interrupted, model.stopped) == (True, [at])
        written = project.root / "asked"
        told = [line.split()[0] for line in written.read_text().splitlines()] if written.exists() else []
        assert told == asked, "nothing more is asked after the signal"
        (left,) = list_resumable(project.runs_db)
        assert left.run.run_id == first.query_id
        result = soar.resume(first.query_id)
    assert result.ok
    assert (result.query_id, result.log_path, result.started_at) == (first.query_id, first.log_path, first.started_at)
    assert len(list(project.conversation_logs.rglob("*.md"))) == 1
    assert sorted((project.root / "ran").read_text().split()) == ["0", "1"]
    assert list_resumable(project.runs_db) == []


async def test_one_of_two_resumes_wins_and_an_answered_question_is_not_resumed(project: Project) -> None:
    with Memory.open(project.root) as memory:
        memory.index()
        soar = orchestrator(project, memory)
        soar._model = Stopping(Counted(project.root), "plan")
        cut_off = await soar.aexecute(QUESTION)
        both = await asyncio.gather(
            soar.aresume(cut_off.query_id), soar.aresume(cut_off.query_id), return_exceptions=True
        )
        (lost,) = [each for each in both if isinstance(each, BaseException)]
        assert isinstance(lost, RunHeldError)
        with pytest.raises(NotResumableError):
            await soar.aresume(cut_off.query_id)


def test_a_note_that_was_changed_from_outside_is_named(project: Project) -> None:
    with Memory.open(project.root) as memory:
        memory.index()
        soar = orchestrator(project, memory)
        soar._model = Stopping(Counted(project.root), "answer")
        run_id = soar.execute(QUESTION).query_id
        named = r"runs\.db: run soar-\d+: a note of its question: .*it was changed from outside"
        for word in ("noted", "given", "elapsed_ms", "name", "key", "run_id"):
            with changed(project, f'"{word}":', '"other":'), pytest.raises(JournalCorruptError, match=named):
                soar.resume(run_id, accept_changes=True)
        late = r"a note of its question: duration_ms must be a number, not 'late'"
        words = ('"duration_ms":', '"duration_ms":"late","other":')
        with changed(project, *words), pytest.raises(JournalCorruptError, match=late):
            soar.resume(run_id, accept_changes=True)
        with changed(project, '"run_id":', '"other":'), pytest.raises(JournalCorruptError, match=named):
            parts_of(project.runs_db, run_id)
        for word in ("fields", "AskedQuestion", "max_concurrent"):
            with (
                changed(project, word, "other"),
                pytest.raises(StoredStepError, match=rf"runs\.db: run {run_id}: its "),
            ):
                soar.resume(run_id)
        assert soar.resume(run_id, accept_changes=True).ok, "what is put right again can be resumed"


@contextmanager
def changed(project: Project, word: str, other: str) -> Iterator[None]:
    """Has a word of the notes replaced."""
    with sqlite3.connect(project.runs_db) as journal:
        notes = journal.execute("SELECT seq, payload FROM events WHERE kind = ?", [NoteKept.kind]).fetchall()
        journal.executemany(
            "UPDATE events SET payload = ? WHERE seq = ?", [(note.replace(word, other), seq) for seq, note in notes]
        )
    yield
    with sqlite3.connect(project.runs_db) as journal:
        journal.executemany("UPDATE events SET payload = ? WHERE seq = ?", [(note, seq) for seq, note in notes])


def test_the_record_says_which_version_of_a_prompt_an_answer_is_to(project: Project) -> None:
    with Memory.open(project.root) as memory:
        memory.index()
        result = orchestrator(project, memory).execute(QUESTION)
    prompts = [note.note["prompt"] for note in read_notes(project.runs_db, result.query_id) if note.topic == "answer"]
    assert prompts == ["plan 2", "answer 2"]


@pytest.mark.parametrize(
    "stored",
    [
        {"of": "os:system", "fields": {}},
        {"of": "aurora_soar.resumption.values:importlib", "fields": {}},
        {"of": "aurora_soar.resumption.values:from_json", "fields": {}},
        {"of": "aurora_soar.resumption.record:AskedQuestion", "fields": {"text": "x", "newer": 1}},
        {"of": "aurora_soar.question.question:Intent", "items": "sing"},
        {"of": "aurora_soar.gone:Gone", "fields": {}},
        {"of": "tuple"},
        {},
    ],
)
def test_a_stored_step_that_cannot_be_read_is_refused_by_type(stored: Any) -> None:
    with pytest.raises(StoredStepError):
        from_json(stored)


def test_values_come_back_as_they_were() -> None:
    asked = AskedQuestion(text="x", tool=None, max_concurrent=4)
    value = (read_question("Compare A and B"), asked, frozenset({"a"}), {"k": (1.5, None, True)}, ["x"])
    assert from_json(json.loads(json.dumps(to_json(value)))) == value
    with pytest.raises(TypeError):
        to_json(object())


def test_a_question_is_resumed_with_as_many_agents_at_once_as_it_was_asked_with(shop: Path) -> None:
    with Aurora.open(shop) as aurora:
        aurora.set_up()
        state_dir = aurora.project_agents.recovery().state_dir
        recorder = QuestionRecorder(
            project=aurora.project, tool=None, max_concurrent=1, fresh=False, state_dir=state_dir
        )
        with recorder.new("Explain how the till scans an article and how the basket adds it", None) as record:
            pass  # the process ends here
        assert aurora.project_agents.max_concurrent() > 1
        aurora.resume_question(record.query_id)
        (part,) = parts_of(aurora.project.runs_db, record.query_id)
        assert find_run(aurora.project.runs_db, part)[0].max_concurrent == 1
