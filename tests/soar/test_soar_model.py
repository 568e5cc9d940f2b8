"""A model plans and writes: what it says is strictly read, asked again, and never believed about places."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.exhaustive import few

from aurora_core import Memory, Project
from aurora_policies import PoliciesEngine
from aurora_soar import Agent, AgentModel, AgentRegistry, Completion, ModelAnswerError, SOAROrchestrator
from aurora_soar.evidence.claims import places_in, read_claims
from aurora_soar.evidence.evidence import FindingKind
from aurora_soar.model_plans.planned import PlannedWork
from aurora_soar.models.structured import WrittenAnswer, read_document
from aurora_soar.question.focus import Focus
from aurora_soar.report.conversation_log import log_document
from aurora_soar.report.result import SoarResult
from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings
from aurora_spawner.journal.anchor import read_anchor
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.usage import Usage

QUESTION = "Explain how the retry loop computes the backoff delay and why it gives up after the limit"
SOURCE = '''"""Retries."""

LIMIT = 5


def backoff_delay(attempt):
    """The delay before a retry: doubled each time, capped."""
    return min(30, 2**attempt)


def retry_loop(call):
    """Call until it works, at most LIMIT times."""
    for attempt in range(LIMIT):
        if call():
            return True
        wait(backoff_delay(attempt))
    return False
'''
USED = Usage(input_tokens=100, output_tokens=20, cost_usd=0.01)

PLAN = {
    "goal": "explain the retry loop",
    "subgoals": [
        {"description": "Explain the backoff delay", "ideal_agent": "coder", "assigned_agent": "coder"},
        {
            "description": "Find the retry loop's limit",
            "ideal_agent": "local",
            "assigned_agent": "local",
            "depends_on": [0],
        },
    ],
}
GOOD = {
    "answer": (
        "The retry loop tries LIMIT times and gives up after that limit (Agent: coder) (retry.py:13).\n"
        "The backoff delay it computes is doubled each time, at most 30 (Agent: local) (./retry.py:8)."
    ),
    "conflicts": [],
}
REPORT = "- the backoff delay is doubled (retry.py:8)\n- the limit is 5 (retry.py:3)\n- nothing else"


class Scripted:
    """A model that says what it was given, in turn, and remembers what it was asked."""

    name = "coder"

    def __init__(self, *answers: str | Completion) -> None:
        self.answers = list(answers)
        self.prompts: list[str] = []

    async def ask(self, prompt: str, *, title: str) -> Completion:
        assert title in ("plan", "answer")
        self.prompts.append(prompt)
        answer = self.answers.pop(0)
        if isinstance(answer, Completion):
            return answer
        return Completion(text=answer, agent="coder", usage=USED, error=None)


FAILED = Completion(text="", agent="coder", usage=None, error="it exited with code 1: 401")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "retry.py").write_text(SOURCE)
    return Project.init(tmp_path)


@pytest.fixture
def ask(project: Project, memory: Memory, tmp_path: Path) -> Callable[..., SoarResult]:
    """Answer QUESTION with a model; the agent that parts go to prints REPORT, or what it is given."""

    def answer(model: Any, report: str = REPORT, question: str = QUESTION) -> SoarResult:
        coder = CommandBackend("coder", ("sh", "-c", f"cat > asked.$AURORA_TASK_ID; echo '{report}'"))
        registry = AgentRegistry.local(project.root).joined_by(
            Agent(id="coder", description="codes"), {"coder": coder}
        )
        return SOAROrchestrator(
            project=project,
            memory=memory,
            policies=PoliciesEngine.load(tmp_path / "none.yaml"),
            registry=registry,
            model=model,
        ).execute(question)

    return answer


def test_a_model_plans_its_agents_look_and_it_writes(ask: Callable[..., SoarResult], project: Project) -> None:
    model = Scripted(json.dumps(PLAN), json.dumps(GOOD))
    result = ask(model)
    assert result.decomposition is not None
    assert [subgoal.assigned_agent for subgoal in result.decomposition.subgoals] == ["coder", "local"]
    assert [output.success for output in result.collected.outputs] == [True, True]
    assert result.answer.startswith("The retry loop tries LIMIT times")
    assert [(source.file, source.line) for source in result.sources] == [("retry.py", 13), ("retry.py", 8)]
    assert (result.synthesis.factuality, result.synthesis.written_by) == (1.0, "coder")
    assert result.ok
    asked = (project.root / "asked.0").read_text()
    assert "Your part: Explain the backoff delay" in asked
    assert "retry.py:" in asked
    plan, answer = model.prompts
    assert "- coder: codes" in plan
    assert "the backoff delay is doubled (retry.py:8)" in answer


def test_what_was_used_is_summed_and_what_nobody_told_is_unknown(ask: Callable[..., SoarResult]) -> None:
    result = ask(Scripted(json.dumps(PLAN), json.dumps(GOOD)))
    assert result.usage == Usage(input_tokens=200, output_tokens=40, cost_usd=0.02)
    document = log_document(result)
    assert document["total_cost_usd"] == 0.02
    assert document["tokens_used"] == {"input": 200, "output": 40}
    silent = replace(FAILED, text=json.dumps(PLAN), error=None)
    untold = ask(Scripted(silent, replace(silent, text=json.dumps(GOOD))))
    assert log_document(untold)["total_cost_usd"] is None
    assert "tokens and cost unknown" in untold.response


@pytest.mark.parametrize(
    ("answer", "error"),
    few(
        [
            ("I would rather talk about it.", "there is no JSON object"),
            ('{"goal": "g", "subgoals": [', "no valid JSON"),
            ('{"goal": "g", "subgoals": []}', "subgoals: List should have at least 1 item"),
            (
                json.dumps(PLAN).replace('"assigned_agent": "coder"', '"assigned_agent": "nobody"'),
                "there is no 'nobody'",
            ),
            (json.dumps(PLAN).replace("[0]", "[0, 1]"), "subgoals.1.depends_on: 1 is the subgoal itself"),
            (json.dumps(PLAN).replace("[0]", "[-1]"), "subgoals.1.depends_on: there is no subgoal -1"),
        ],
        3,
    ),
)
def test_a_plan_that_cannot_be_used_is_asked_again_with_the_exact_error(
    ask: Callable[..., SoarResult], answer: str, error: str
) -> None:
    model = Scripted(answer, json.dumps(PLAN), json.dumps(GOOD))
    result = ask(model)
    assert result.decomposition is not None
    assert result.decomposition.goal == "explain the retry loop"
    assert error in model.prompts[1]
    assert model.prompts[1].startswith(model.prompts[0])


def test_after_three_plans_that_cannot_be_used_the_rules_plan(ask: Callable[..., SoarResult]) -> None:
    model = Scripted("no", "no", "no", json.dumps(GOOD))
    result = ask(model)
    assert result.decomposition is not None
    assert {subgoal.assigned_agent for subgoal in result.decomposition.subgoals} == {"local"}
    assert result.answer.startswith("The retry loop tries")


def test_a_model_that_fails_altogether_leaves_the_local_answer(ask: Callable[..., SoarResult]) -> None:
    model = Scripted(FAILED, FAILED)
    result = ask(model)
    assert len(model.prompts) == 2, "one call for the plan and one for the answer; a failure is not asked again"
    assert result.synthesis.written_by is None
    assert result.ok
    assert "`retry.py:" in result.answer


CUT_OFF = Completion(text="", agent="coder", usage=None, error="interrupted", interrupted=True)


def test_an_interrupted_answer_is_called_so_and_not_recorded(ask: Callable[..., SoarResult]) -> None:
    result = ask(Scripted(json.dumps(PLAN), CUT_OFF))
    assert (result.interrupted, result.ok, result.recorded.cached) == (True, False, False)
    assert result.to_dict()["interrupted"] is True
    assert result.response.startswith("Interrupted: this rests on what was found until then.\n\n")
    assert "- the backoff delay is doubled (`retry.py:8`)" in result.answer
    weak = replace(CUT_OFF, text='{"answer": "No idea.", "conflicts": []}', error=None)
    model = Scripted(json.dumps(PLAN), weak)
    assert ask(model).interrupted
    assert len(model.prompts) == 2, "it was not asked again"


def test_an_interrupted_plan_starts_no_agent(ask: Callable[..., SoarResult], project: Project) -> None:
    result = ask(Scripted(CUT_OFF))
    assert (result.interrupted, result.ok, result.sources) == (True, False, ())
    assert not list(project.root.glob("asked.*"))


def test_findings_are_not_lost_when_no_answer_can_be_used(ask: Callable[..., SoarResult]) -> None:
    result = ask(Scripted(json.dumps(PLAN), "words", "more words", "{}"))
    assert result.synthesis.written_by is None
    assert result.synthesis.retries == 2
    assert "- the backoff delay is doubled (`retry.py:8`)" in result.answer


def test_places_that_do_not_exist_are_asked_about_and_then_called_so(ask: Callable[..., SoarResult]) -> None:
    invented = {"answer": f"{GOOD['answer']} See retry.py:99 and src/nowhere.py:3.", "conflicts": []}
    model = Scripted(json.dumps(PLAN), *[json.dumps(invented)] * 3)
    result = ask(model)
    assert "there is nothing at these places: retry.py:99, src/nowhere.py:3" in model.prompts[2]
    assert result.synthesis.factuality == 0.5
    assert "retry.py:99 [there is no such place]" in result.answer
    assert "src/nowhere.py:3 [there is no such place]" in result.answer
    assert len(result.sources) == 2
    mended = ask(Scripted(json.dumps(PLAN), json.dumps(invented), json.dumps(GOOD)))
    assert mended.synthesis.factuality == 1.0
    assert mended.synthesis.retries == 1


def test_the_best_of_weak_answers_stands(ask: Callable[..., SoarResult]) -> None:
    weak = {"answer": "No idea.", "conflicts": []}
    better = {
        "answer": "The retry loop has a limit (retry.py:3), see retry.py:77.",
        "conflicts": ["A says 5, B says 6."],
    }
    result = ask(Scripted(json.dumps(PLAN), json.dumps(weak), json.dumps(better), json.dumps(weak)))
    assert result.answer.startswith("The retry loop has a limit")
    assert result.synthesis.conflicts == ("A says 5, B says 6.",)


def test_an_agent_that_says_nothing_of_places_still_counts(ask: Callable[..., SoarResult]) -> None:
    result = ask(Scripted(json.dumps(PLAN), json.dumps(GOOD)), report="I found nothing")
    assert result.collected.outputs[0].success
    assert result.collected.outputs[0].words == "I found nothing\n"
    assert result.synthesis.subgoals_partial == 1


def test_a_simple_question_is_written_from_the_memory_with_one_call(ask: Callable[..., SoarResult]) -> None:
    model = Scripted(json.dumps({"answer": "`backoff_delay` is at retry.py:6.", "conflicts": []}))
    result = ask(model, question="where is backoff_delay")
    assert result.decomposition is None
    assert len(model.prompts) == 1
    assert "retry.py" in result.answer


async def test_an_agent_is_asked_as_a_run_of_its_own(project: Project, tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    recovery = RecoverySettings(
        policy=RecoveryPolicy(max_retries=0), fallbacks={"coder": ("spare",)}, state_dir=state_dir
    )

    def model(script: str) -> AgentModel:
        return AgentModel(
            name="coder",
            backends={
                "coder": CommandBackend("coder", ("sh", "-c", script)),
                "spare": CommandBackend("spare", ("cat",)),
            },
            project=project,
            timeout_s=20,
            recovery=recovery,
            executor=lambda _resumed: LocalExecutor(grace_s=0.3, detached=False),
        )

    said = await model("tr a-z A-Z").ask("hello", title="plan")
    assert (said.text, said.agent, said.error) == ("HELLO", "coder", None)
    other = await model("echo no >&2; exit 3").ask("hello", title="plan")
    assert (other.text, other.agent) == ("hello", "spare")
    assert read_anchor(state_dir, project.runs_db), "the user's own folder knows of the journal, as of other runs"


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "replace")))
@pytest.mark.parametrize("kind", [PlannedWork, WrittenAnswer])
def test_any_words_are_read_or_refused_by_type(kind: type[BaseModel], words: str) -> None:
    for text in (words, f"{{{words}}}", f"```json\n{{{words}\n```"):
        with suppress(ModelAnswerError):
            assert isinstance(read_document(text, kind), kind)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PLAN, "depends_on"]), inner),
    max_leaves=10,
)


@given(JSON)
def test_any_json_is_a_plan_or_refused_by_type(value: object) -> None:
    try:
        plan = read_document(json.dumps({**PLAN, "subgoals": value}), PlannedWork)
    except ModelAnswerError:
        return
    assert plan.subgoals


@pytest.mark.parametrize(
    "words",
    [
        json.dumps(GOOD),
        f"Here it is:\n```json\n{json.dumps(GOOD, indent=2)}\n```\nAnything else?",
        f"```\n{json.dumps(GOOD)}\n```",
        f"I think {json.dumps(GOOD)} says it.",
        json.dumps(GOOD).replace('"conflicts": []}', '"conflicts": [],}'),
    ],
)
def test_the_document_is_found_among_words(words: str) -> None:
    assert read_document(words, WrittenAnswer).answer == GOOD["answer"]


def test_a_document_nested_beyond_reason_is_refused() -> None:
    with pytest.raises(ModelAnswerError):
        read_document('{"answer": ' + "[" * 90_000, WrittenAnswer)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("see (src/a.py:12)", [("src/a.py", 12, 12)]),
        ("`./src/a.py:12-20` and a-b/c.d.ts:3", [("src/a.py", 12, 20), ("a-b/c.d.ts", 3, 3)]),
        ("/root-of-it/x.py:4", [("x.py", 4, 4)]),
        ("http://host.example:8080/x.py at 12:30, 1/2 of and/or e.g. i.e.", []),
        ("x.py:0", [("x.py", 0, 0)]),
        (".github/w.yml:7 .env:3 Makefile:400", [(".github/w.yml", 7, 7), (".env", 3, 3), ("Makefile", 400, 400)]),
        ("../outside.py:1 /etc/passwd:1", [("../outside.py", 1, 1), ("/etc/passwd", 1, 1)]),
        ("src/a.py", [("src/a.py", None, None)]),
        ("in `src/a.py`, line 42, or src/a.py lines 3-5", [("src/a.py", 42, 42), ("src/a.py", 3, 5)]),
        ("src/a.py::foo", [("src/a.py", None, None)]),
        (
            "[x](src/a.py#L7) src/a.py:L9-L11 **src/a.py**:5",
            [("src/a.py", 7, 7), ("src/a.py", 9, 11), ("src/a.py", 5, 5)],
        ),
        ("a.py:99999999999999999999", [("a.py", 10_000_000, 10_000_000)]),
    ],
)
def test_places_are_read_from_words(text: str, places: list[tuple[str, int | None, int | None]]) -> None:
    assert [(each.file, each.line, each.last) for each in places_in(text, Path("/root-of-it"))] == places


@pytest.mark.parametrize(
    "spelled",
    few([
        "../../../etc/passwd:1", "/etc/passwd:1", "src/no.py", "src/no.py, line 42", "`src/no.py` lines 3-5",
        "src/no.py::foo", "[x](src/no.py#L7)", "**src/no.py**:5", "Makefile:400", ".env:3", "retry.py:4-9999",
        "retry.py:0", "retry.py:L99", "retry.py#L77", "retry.py:99999999999999999999", "no.py:3 and src/no.py:3",
    ], 2),
)  # fmt: skip
def test_an_invented_place_is_marked_once_however_it_is_spelled(ask: Callable[..., SoarResult], spelled: str) -> None:
    invented = {"answer": f"{GOOD['answer']} See {spelled}.", "conflicts": []}
    answer = ask(Scripted(json.dumps(PLAN), *[json.dumps(invented)] * 3)).answer
    assert answer.count("[there is no such place]") == len(spelled.split(" and "))
    assert "retry.py:13 [" not in answer


@given(st.text(max_size=300))
def test_claims_of_any_words_have_places(text: str) -> None:
    focus = Focus(weights={}, stems={}, unknown=())
    for finding in read_claims(text, focus, Path("/p")).findings:
        assert finding.kind is FindingKind.CLAIM
        assert finding.line > 0
        assert finding.text
