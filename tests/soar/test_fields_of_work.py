"""The learnt weights of the fields of work: current, consistent, compact, and read as they were written."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import pytest

from aurora_soar.personas.fields_of_work import features, fields_of_work
from aurora_soar.personas.profile import spoken_for, text_profile
from aurora_soar.personas.wording import bare, words

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def tool() -> dict[str, object]:
    return run_path(str(TOOLS / "train_matching.py"))


def main_field(text: str) -> str:
    spoken = spoken_for(words(text))
    return fields_of_work().order[max(spoken, key=spoken.__getitem__)]


def test_the_weights_are_made_from_the_examples_that_are_there(tool: dict[str, object]) -> None:
    """Else run tools/train_matching.py."""
    assert tool["stored_fingerprint"]() == tool["fingerprint"]()  # type: ignore[operator]


def test_a_field_that_does_not_exist_is_refused_with_its_place(tool: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("[locksmith]\nOpen the door\n\n[burglar]\nOpen the door\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"some.txt:4: \[burglar\] is no field"):
        list(tool["_of_file"](path, {"locksmith": {}}))  # type: ignore[operator]


def test_a_field_is_learnt_from_few_texts_and_survives_rounding(tool: dict[str, object]) -> None:
    entries = {"locksmith": {"does": "Opens doors."}, "baker": {"does": "Bakes bread."}}
    texts = [tool["Example"](field=field, kind="does", text=entries[field]["does"]) for field in entries]  # type: ignore[operator]
    learnt = tool["learn"](texts, entries)  # type: ignore[operator]
    assert learnt.judge("a door")[0] > 0 > learnt.judge("a door")[1]
    assert learnt.judge("qwertz").shape in {(2,), ()}


def test_fields_name_fields_only(tool: dict[str, object]) -> None:
    entries = tool["entries"]()  # type: ignore[operator]
    listed = tool["listed"]
    for name, entry in entries.items():
        around = {*listed(entry.get("near", "")), *listed(entry.get("part of", ""))}  # type: ignore[operator]
        assert around <= entries.keys() - {name}
        assert entry["does"].endswith(".")
    assert list(entries) == list(fields_of_work().order)


def test_work_around_software_is_covered_broadly() -> None:
    assert len(fields_of_work().order) >= 300


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Audit the smart contract", "smart-contract-auditor"),
        ("Read the contract with the landlord", "contract-specialist"),
        ("The chart of the queue worker in the cluster", "kubernetes-engineer"),
        ("Tweet about the new release on Twitter", "twitter-engager"),
        ("Let people log in with Google", "authentication-engineer"),
    ],
)
def test_words_near_each_other_tell_the_field(text: str, field: str) -> None:
    assert main_field(text) == field


def test_a_word_that_nobody_knows_is_no_evidence() -> None:
    assert spoken_for(words("qwertz")) == {}
    assert text_profile([]) == {}


def test_a_profile_is_like_itself_and_unlike_another_trade() -> None:
    one, other = text_profile(words("Deploy the service to Kubernetes")), text_profile(words("Translate the novel"))
    assert sum(strength**2 for strength in one.values()) == pytest.approx(1)
    assert sum(strength * other.get(field, 0) for field, strength in one.items()) < 0.1


def test_features_are_words_and_neighbours() -> None:
    everyday, others = {"go": 0.3, "with": 0.3, "it": 0.3}, {"go with": 1, "with it": 1, "Go": 1}
    assert features(["Go", "with", "it"]) == everyday | others


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("deploys deployed deploying", ["deploy"] * 3),
        ("optimise optimizing optimisation optimization", ["optimiz"] * 4),
        ("colour colors", ["color", "color"]),
        ("the user's queries", ["user", "query"]),
        ("C++, C# and .NET", ["cpp", "csharp", "and", "dotnet"]),
        ("CI/CD for Node.js", ["cicd", "for", "Nodej"]),
        ("Go on. Go far in Go", ["go", "on", "go", "far", "in", "Go"]),
    ],
)
def test_spelling_and_inflection_make_no_difference(written: str, read: list[str]) -> None:
    assert words(written) == read


def test_a_text_without_end_is_read_for_its_beginning_only() -> None:
    assert words("deploy " + "? " * 500_000) == ["deploy"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("community", "communication"), ("product", "production"), ("market", "marketing"), ("fit", "fitness")],
)
def test_words_that_only_begin_alike_stay_apart(one: str, other: str) -> None:
    assert bare(one) != bare(other)
