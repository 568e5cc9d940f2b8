"""From a real memory of a small project, each aspect finds what is there and claims nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.warm_python import WarmPopen

from aurora_core import Memory
from aurora_core.imports import reaches
from aurora_soar.evidence.citations import CitationChecker
from aurora_soar.evidence.evidence import Aspect, Evidence, FindingKind, LocalRequest, parse_evidence
from aurora_soar.local_agent.extract import extract
from aurora_soar.question.focus import Focus
from aurora_spawner.board.digest import HEADING
from aurora_spawner.tasks.prompts import RESULTS_HEADING

FILES = {
    "queue/heap.py": (
        "import heapq\n\nfrom queue.clock import now, quote\n\n\nclass Heap:\n"
        '    """Tasks by priority."""\n\n'
        "    def take(self):\n"
        '        """Take the task with the highest priority from the heap.\n\n'
        "        >>> build_example()\n"
        '        """\n'
        "        # Priority decides, and age among equal priorities.\n"
        "        started = now()\n"
        "        task = heapq.heappop(self._items)\n"
        "        self._note_taken(task, started)\n"
        "        return task.with_priority(task.priority)\n\n"
        "    def _note_taken(self, task, at):\n"
        "        if task is None:\n"
        '            raise LookupError("no task has a priority")\n'
    ),
    "queue/clock.py": 'def now():\n    """The time."""\n    return 1\n\n\ndef build_example():\n    return 2\n',
    "queue/worker.py": (
        "from queue.heap import Heap\nfrom urllib.parse import quote\n\n\n"
        "def work(heap: Heap):\n    task = heap.take()\n    return quote(task)\n\n\n"
        "def drain(heap):\n    while heap:\n        work(heap)\n"
    ),
    "queue/text.py": "def quote(text):\n    return text\n",
    "tests/test_heap.py": (
        "def test_the_highest_priority_is_taken_first():\n    heap = Heap()\n    assert heap.take().priority == 9\n"
    ),
    "guide.md": "# Guide\n\nThe task with the highest priority is taken from the heap first.\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for file, text in FILES.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with Memory.open(tmp_path) as memory:
        memory.index()
    return tmp_path


def ask(project: Path, aspect: Aspect, focus: str = "task highest priority taken heap", **fields: object) -> Evidence:
    request = LocalRequest.model_validate({"question": focus, "aspect": aspect, "focus": focus, **fields})
    with Memory.open(project) as memory:
        return extract(memory, request)


def test_the_definition_that_says_it_comes_first(project: Path) -> None:
    best = ask(project, Aspect.DEFINITIONS).findings[0]
    assert (best.kind, best.symbol, best.file, best.line) == (FindingKind.DEFINITION, "Heap.take", "queue/heap.py", 9)
    assert best.detail == "Take the task with the highest priority from the heap."


def test_steps_are_lines_of_code_only(project: Path) -> None:
    steps = [f for f in ask(project, Aspect.DEFINITIONS).findings if f.kind is FindingKind.STEP]
    assert steps
    for step in steps:
        assert FILES[step.file].split("\n")[step.line - 1].strip() == step.text
        assert not step.text.startswith(("#", ">>>", '"""'))


def test_sentences_are_found_in_code_and_documents(project: Path) -> None:
    found = {(f.file, f.line) for f in ask(project, Aspect.STATEMENTS).findings}
    assert ("guide.md", 3) in found
    assert ("queue/heap.py", 10) in found


def test_flow_follows_what_the_dependency_found(project: Path) -> None:
    output = ask(project, Aspect.DEFINITIONS).model_dump_json()
    earlier = [{"task_id": "0", "agent": "local", "output": output}]
    flow = ask(project, Aspect.FLOW, dependency_results=earlier).findings
    calls = {f.symbol for f in flow if f.kind is FindingKind.CALLEE and f.about == "Heap.take"}
    assert calls == {"now", "Heap._note_taken"}, "the doctest calls nothing, and quote is not called"
    callers = {(f.file, f.line) for f in flow if f.kind is FindingKind.CALLER and f.about == "Heap.take"}
    assert callers == {("queue/worker.py", 6)}, "the parameter is annotated as a Heap"


def test_flow_without_a_dependency_searches_by_itself(project: Path) -> None:
    flow = ask(
        project, Aspect.FLOW, dependency_results=[{"task_id": "0", "output": "prose of another agent"}]
    ).findings
    assert any(f.kind is FindingKind.CALLEE for f in flow)


def test_a_function_s_callers_are_those_that_import_it(project: Path) -> None:
    flow = ask(project, Aspect.FLOW, focus="quote text").findings
    assert not any(f.file == "queue/worker.py" and f.about == "quote" for f in flow), "it calls the library's quote"
    flow = ask(project, Aspect.FLOW, focus="work").findings
    assert ("queue/worker.py", 12) in {(f.file, f.line) for f in flow if f.kind is FindingKind.CALLER}


def test_failures_and_tests(project: Path) -> None:
    failures = ask(project, Aspect.ERRORS).findings
    assert [(f.kind, f.line) for f in failures] == [(FindingKind.RAISE, 22)]
    exercises = ask(project, Aspect.TESTS).findings
    assert [f.symbol for f in exercises] == ["test_the_highest_priority_is_taken_first"]


@pytest.mark.parametrize("aspect", list(Aspect))
def test_everything_that_is_found_is_sound(project: Path, aspect: Aspect) -> None:
    findings = ask(project, aspect).findings
    assert findings
    assert CitationChecker(project).sound(findings) == list(findings)


def test_unknown_words_are_named(project: Path) -> None:
    evidence = ask(project, Aspect.DEFINITIONS, focus="zeppelin heap")
    assert evidence.missing == ("zeppelin",)


def test_rare_words_weigh_more(project: Path) -> None:
    with Memory.open(project) as memory:
        focus = Focus.of(memory, ["task", "example"])
    assert focus.weights["example"] > focus.weights["task"]
    assert sum(focus.weights.values()) == pytest.approx(1.0)
    assert focus.coverage("buildExample").words == ("example",)
    assert focus.coverage("").share == 0.0


@given(st.text(max_size=80))
def test_coverage_is_a_share(text: str) -> None:
    focus = Focus(weights={"a": 0.4, "b": 0.6}, stems={"a": frozenset(["a"]), "b": frozenset(["b"])}, unknown=())
    assert 0.0 <= focus.coverage(text).share <= 1.0


@pytest.mark.parametrize(
    ("caller", "text", "receiver", "definition", "expected"),
    [
        ("a.py", "", "", "a.py", True),
        ("a.py", "from x.text import quote\n", "", "x/text.py", True),
        ("a.py", "from x.text import (\n    other,\n    quote,\n)\n", "", "x/text.py", True),
        ("a.py", "from x import quote\n", "", "src/x/text.py", True),
        ("x/a.py", "from .text import quote\n", "", "x/text.py", True),
        ("a.py", "from urllib.parse import quote\n", "", "x/utils.py", False),
        ("a.py", "from x.text import other\n", "", "x/text.py", False),
        ("a.py", "import x.text\n", "x.text", "x/text.py", True),
        ("a.py", "", "", "x/text.py", False),
        ("a.ts", "import { quote } from './x/text'\n", "", "x/text.ts", True),
        ("a.js", "const { quote } = require('./text')\n", "", "text.js", True),
        ("a.ts", "import { quote } from 'other'\n", "", "x/text.ts", False),
        ("x/a.go", "", "", "x/b.go", True),
        ("y/a.go", "", "x", "x/b.go", True),
        ("y/a.go", "", "", "x/b.go", False),
    ],
)
def test_a_call_reaches_what_is_imported(
    caller: str, text: str, receiver: str, definition: str, expected: bool
) -> None:
    assert reaches("quote", receiver=receiver, caller=caller, caller_text=text, definition=definition) is expected


def local_agent(project: Path, prompt: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aurora_soar.local_agent", "--project", str(project)]
    with WarmPopen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
        out, err = process.communicate(prompt, timeout=30)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def test_the_local_agent_answers_a_request_as_a_process(project: Path) -> None:
    request = LocalRequest(question="q", aspect=Aspect.DEFINITIONS, focus="heap priority")
    done = local_agent(project, request.model_dump_json())
    assert done.returncode == 0, done.stderr
    assert parse_evidence("local", done.stdout).findings[0].symbol.startswith("Heap")


def test_the_local_agent_answers_plain_text(project: Path) -> None:
    done = local_agent(project, "Which task is taken from the heap?")
    assert done.returncode == 0, done.stderr
    assert "`queue/heap.py:9`" in done.stdout


@pytest.mark.parametrize("heading", [RESULTS_HEADING, HEADING])
def test_the_local_agent_does_not_answer_what_others_have_written(project: Path, heading: str) -> None:
    prompt = f"How do zeppelins fly?\n\n{heading}\n\n--- task 1 ---\ndef take(self)\n"
    assert local_agent(project, prompt).returncode == 1


@pytest.mark.parametrize(
    ("prompt", "status", "said"),
    [
        ("How do zeppelins fly?", 1, "zeppelins"),
        ("", 2, "has no word"),
        ("{}", 2, "not a request"),
        ('{"question": "q", "aspect": "flow", "focus": "?"}', 2, "has no word"),
    ],
)
def test_the_local_agent_says_why_it_has_no_answer(project: Path, prompt: str, status: int, said: str) -> None:
    done = local_agent(project, prompt)
    assert done.returncode == status
    assert said in done.stderr
    assert done.stdout == ""


def test_an_agent_starts_without_the_spawner_which_would_double_its_start() -> None:
    program = "import sys, aurora_soar.local_agent.__main__; sys.exit('aurora_spawner' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
