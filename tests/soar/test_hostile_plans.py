"""A decomposition always comes out, and it is the model's own wherever there is one in its answer."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from benchmarks.decomposition.hostile import GOAL, LATER, VARIANTS, Variant
from benchmarks.decomposition.run import EMPTY, REGISTRY, measure
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples, few

from aurora_soar import Completion, read_question
from aurora_soar.model_plans.links import in_order, resolve
from aurora_soar.model_plans.planned import MAX_SUBGOALS, PlannedWork
from aurora_soar.model_plans.read import read_plan
from aurora_soar.models.lenient_json import MAX_DEPTH, NestingError, parse_lenient
from aurora_soar.phases.decompose_with_model import Planned, plan_with_model

AGENTS = ("coder", "local")
KNOWN_FAILURES = {"prose in French"}


@pytest.mark.parametrize("variant", [*VARIANTS, *LATER], ids=lambda variant: variant.name)
def test_a_plan_comes_out_of_any_answer(variant: Variant) -> None:
    outcome = measure(variant)
    assert outcome.sound
    assert 1 <= len(outcome.planned.calls) <= 3
    if variant.keeps and variant.name not in KNOWN_FAILURES:
        assert outcome.own, outcome.planned.note
    else:
        assert outcome.planned.planned_by is None, "no plan was read out of words that hold none"
        assert "planned by rules" in outcome.planned.note


def test_there_are_sixty_of_them() -> None:
    assert len({variant.name for variant in VARIANTS}) == 60
    assert len(KNOWN_FAILURES) <= 0.05 * sum(bool(variant.keeps) for variant in VARIANTS)


class Scripted:
    name = "coder"

    def __init__(self, *answers: Completion | str) -> None:
        self.answers = list(answers)
        self.prompts: list[str] = []

    async def ask(self, prompt: str, *, title: str) -> Completion:
        assert title == "plan"
        self.prompts.append(prompt)
        answer = self.answers.pop(0)
        return (
            answer if isinstance(answer, Completion) else Completion(text=answer, agent="c", usage=None, error=None)
        )


def planned(*answers: Completion | str) -> tuple[Planned, Scripted]:
    model = Scripted(*answers)
    return asyncio.run(plan_with_model(read_question(GOAL), EMPTY, REGISTRY, model)), model


def part(description: str, **fields: object) -> dict[str, object]:
    return {"description": description, "ideal_agent": "coder", "assigned_agent": "coder", **fields}


def answer(*parts: object) -> str:
    return json.dumps({"goal": "the goal", "subgoals": parts})


def test_a_slip_without_loss_costs_no_second_call() -> None:
    plan, model = planned("Sure:\n" + answer(part("Read the loop"), part("Find the limit")).replace('"', "'"))
    assert len(model.prompts) == 1
    assert (plan.planned_by, plan.note) == ("coder", "")


def test_a_better_second_answer_replaces_the_mended_first() -> None:
    cut_off = answer(part("Read the loop"), part("Find the limit"))[:-30]
    plan, model = planned(cut_off, answer(part("Read all of it")))
    assert [subgoal.description for subgoal in plan.decomposition.subgoals] == ["Read all of it"]
    assert "the answer ends inside the object" in model.prompts[1]
    assert plan.note == ""


def test_a_model_that_fails_at_the_second_try_leaves_the_first_answer() -> None:
    failed = Completion(text="", agent="c", usage=None, error="it exited with code 1")
    plan, model = planned(answer(part("Read the loop"), part("Find the limit"))[:-30], failed)
    assert len(model.prompts) == 2
    assert plan.planned_by == "coder"
    assert "was mended (the answer ends inside the object" in plan.note


def test_the_longest_of_the_mended_plans_is_taken_and_its_loss_told() -> None:
    whole = answer(part("Read the loop"), part("Find the limit"), part("Tell both", assigned_agent="nobody"))
    plan, _ = planned(whole[:90], whole, "no")
    assert len(plan.decomposition.subgoals) == 3
    assert plan.note == (
        "the plan of coder was mended (subgoals.2.assigned_agent: there is no 'nobody'; the agents are coder, local)"
    )


def test_an_agent_that_does_not_exist_becomes_a_gap() -> None:
    unknown = answer(part("Read the loop", assigned_agent="rustacean", ideal_agent="rustacean"))
    plan, _ = planned(unknown, unknown, unknown)
    (subgoal,) = plan.decomposition.subgoals
    assert (subgoal.ideal_agent, subgoal.assigned_agent, subgoal.match_quality) == (
        "rustacean",
        "coder",
        "insufficient",
    )


def test_the_model_is_told_a_few_complaints_and_the_number_of_the_others() -> None:
    lost = answer(*(part(f"Read part {n}", depends_on=[99]) for n in range(9)))
    _, model = planned(lost, answer(part("Read the loop")))
    assert model.prompts[1].count("there is no subgoal 99") == 5
    assert "; and 4 more like these" in model.prompts[1]


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        ([[], [1], [2, 9]], [(), (0,), (1,)]),
        ([[], ["step 1"], [2]], [(), (0,), (1,)]),
    ],
)
def test_an_id_that_exists_is_no_position(needs: list[list[object]], found: list[tuple[int, ...]]) -> None:
    parts = [part(f"Read part {n}", id=n, depends_on=need) for n, need in enumerate(needs, start=1)]
    plan, _ = planned(*[answer(*parts)] * 3)
    assert [each.depends_on for each in plan.decomposition.subgoals] == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
CONTAINERS = st.lists(JSON, max_size=4) | st.dictionaries(st.text(max_size=8), JSON, max_size=4)


@settings(max_examples=examples(40))
@given(CONTAINERS, st.sampled_from([None, 2]), st.booleans())
def test_valid_json_is_read_as_it_is(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = parse_lenient(text)
    assert found.complete
    assert found.end == len(text)
    assert found.value == value


@settings(max_examples=examples(40))
@given(CONTAINERS, st.data())
def test_a_prefix_of_json_is_read_and_called_incomplete(value: object, data: st.DataObject) -> None:
    text = json.dumps(value)
    prefix = text[: data.draw(st.integers(1, len(text) - 1))]
    found = parse_lenient(prefix)
    assert type(found.value) is type(value)
    assert not found.complete


@given(st.text(max_size=300) | st.text(alphabet="{}[]\",:'\\ab1 \n", max_size=120))
def test_any_text_is_read_or_refused_by_type(text: str) -> None:
    for start in ("{", "["):
        with suppress(NestingError):
            found = parse_lenient(start + text)
            assert 0 < found.end <= len(text) + 1


def test_nesting_has_a_limit() -> None:
    parse_lenient("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(NestingError):
        parse_lenient("[" * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 'it''s', b: True,}", {"a": "it''s", "b": True}),
        (
            '{"a": "say \\"no\\" twice", "b": "\\u00e4\\ud83d\\ude00\\ud800"}',
            {"a": 'say "no" twice', "b": "ä😀\ufffd"},
        ),
        ('["a" "b"]', ['a" "b']),
        ('["a"\n "b"]', ["a", "b"]),
        ("[1, -2.5, 1e999, 99999999999999999999, 3rd]", [1, -2.5, None, None, "3rd"]),
        ("{a: 1 // one\n, # two\n b: /* three */ 2}", {"a": 1, "b": 2}),
        ('{"a" "b": 1}', {'a" "b': 1}),
        ('{"a": [1, 2}', {"a": [1, 2]}),
        ('{"path": "C:\\dir\\new"}', {"path": "C:\\dir\new"}),
        ("{nothing}", {}),
    ],
)
def test_slips_of_a_model_are_read_as_they_are_meant(text: str, value: object) -> None:
    assert parse_lenient(text).value == value


PLANS = st.lists(
    st.tuples(
        st.text(alphabet="abc xyz", min_size=8, max_size=30).filter(lambda text: len(text.split()) > 1),
        st.sampled_from(AGENTS),
        st.booleans(),
        st.lists(st.integers(0, 11), max_size=3),
    ),
    min_size=1,
    max_size=MAX_SUBGOALS,
    unique_by=lambda row: " ".join(row[0].split()),
)


@settings(max_examples=examples(30))
@given(PLANS)
def test_a_valid_plan_is_not_changed(rows: list[tuple[str, str, bool, list[int]]]) -> None:
    subgoals = [
        {
            "description": " ".join(text.split()),
            "ideal_agent": agent,
            "ideal_agent_desc": "",
            "assigned_agent": agent,
            "match_quality": "acceptable",
            "source_file": None,
            "is_critical": critical,
            "depends_on": sorted({need for need in needs if need < index}),
        }
        for index, (text, agent, critical, needs) in enumerate(rows)
    ]
    if any(len(str(subgoal["description"])) < 6 for subgoal in subgoals):
        return
    plan = {"goal": "the goal", "subgoals": subgoals, "expected_tools": ["grep"]}
    mended = read_plan(json.dumps(plan), AGENTS, "another goal")
    assert mended.complaints == ()
    assert mended.plan == PlannedWork.model_validate(plan)


@given(st.text(max_size=400) | JSON.map(json.dumps), st.sampled_from(["", "{", '{"subgoals": [', "1. ", "```yaml\n"]))
def test_any_answer_gives_a_valid_plan_or_a_complaint(text: str, before: str) -> None:
    mended = read_plan(before + text, AGENTS, "the goal")
    assert mended.plan is not None or mended.complaints
    for index, subgoal in enumerate(mended.plan.subgoals if mended.plan else ()):
        assert subgoal.assigned_agent in AGENTS
        assert all(0 <= need < index for need in subgoal.depends_on)


@pytest.mark.parametrize(
    "words",
    few([" " * 100_000, "<think>" * 14_000, '{"' * 50_000, "- " * 50_000, "{" * 100_000, '{"a" ' + " " * 99_000], 2),
)
def test_an_answer_made_to_be_slow_ends_in_time(words: str) -> None:
    assert read_plan(words + "x", AGENTS, "the goal").complaints


@given(st.lists(st.lists(st.integers(-1, 8) | st.sampled_from(["a", "2", "step 3"]), max_size=4), max_size=8))
def test_any_dependencies_become_an_order(needs: list[list[object]]) -> None:
    names = [frozenset({name}) for name in "abcdefgh"[: len(needs)]]
    order, links = in_order(resolve(needs, names))
    assert sorted(order) == list(range(len(needs)))
    place = {index: at for at, index in enumerate(order)}
    assert all(place[need] < place[index] for index, own in enumerate(links.needs) for need in own)


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ([[], [0], [0, 1]], ((), (0,), (0, 1))),
        ([[], [1], [1, 2]], ((), (0,), (0, 1))),
        ([None, "none", "a, b"], ((), (), ())),
        ([[], "a", ["step 1", "b"]], ((), (0,), (0, 1))),
        ([[], {"id": "a"}, [0.0, True, "1"]], ((), (0,), (0, 1))),
    ],
)
def test_dependencies_are_read_as_they_are_meant(needs: list[object], expected: tuple[tuple[int, ...], ...]) -> None:
    assert resolve(needs, [frozenset({name}) for name in "abc"]).needs == expected
