"""Nothing dangerous passes and nothing harmless is held up: each published command gets its answer."""

from __future__ import annotations

import pytest
from tests.policies.commands import SETS, ask, cases


@pytest.mark.parametrize("name", sorted(path.name for path in SETS.glob("*.jsonl")))
def test_each_command_gets_the_answer_that_it_should(name: str) -> None:
    wrong = []
    for case in cases(name):
        found = ask(case.command)
        if found.action != case.expect or (case.rule and found.rule != case.rule):
            wrong.append((case.command, case.expect, case.rule, found))
    assert wrong == []


def test_what_is_not_allowed_says_why_and_what_to_do_instead() -> None:
    for case in cases("building.jsonl"):
        found = ask(case.command)
        if found.action == "allow":
            assert (found.rule, found.reason, found.instead) == (None, "", "")
            continue
        assert found.rule
        assert found.reason
        assert found.instead.rstrip().endswith("."), (case.command, found)
        assert "\ue000" not in found.reason
