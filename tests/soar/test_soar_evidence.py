"""Evidence crosses a process boundary as JSON and is believed only as far as its types go."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_soar import AgentOutputError
from aurora_soar.evidence.evidence import Aspect, Evidence, Finding, FindingKind, LocalRequest, parse_evidence

FINDING = Finding(kind=FindingKind.STEP, file="a.py", line=3, line_end=3, symbol="f", text="x = 1")
EVIDENCE = Evidence(aspect=Aspect.DEFINITIONS, focus="x", findings=(FINDING,), missing=("y",), searched=4)


def test_evidence_survives_the_way_through_json() -> None:
    assert parse_evidence("local", EVIDENCE.model_dump_json()) == EVIDENCE


@pytest.mark.parametrize(
    ("output", "field"),
    [
        ("", "document"),
        ("I could not find anything, sorry.", "document"),
        ("[]", "document"),
        ("{}", "aspect"),
        (EVIDENCE.model_dump_json().replace('"line":3', '"line":0'), "findings.0.line"),
        (EVIDENCE.model_dump_json().replace('"step"', '"guess"'), "findings.0.kind"),
        (json.dumps({**json.loads(EVIDENCE.model_dump_json()), "extra": 1}), "extra"),
    ],
)
def test_anything_else_is_named_by_its_field(output: str, field: str) -> None:
    with pytest.raises(AgentOutputError, match=rf"agent local: {field}"):
        parse_evidence("local", output)


@given(st.text(max_size=200))
def test_no_output_raises_anything_else(output: str) -> None:
    with pytest.raises(AgentOutputError):
        parse_evidence("local", output)


def test_a_request_takes_what_the_spawner_adds() -> None:
    request = LocalRequest.model_validate(
        {
            "question": "q",
            "aspect": "flow",
            "focus": "f",
            "dependency_results": [{"task_id": "0", "agent": "local", "output": "{}", "truncated": False}],
        }
    )
    assert request.dependency_results[0].output == "{}"
