"""The published questions stay what results.md says: enough, of every kind, and a part of them not fitted on."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import yaml

QUESTIONS = Path(__file__).parents[2] / "benchmarks" / "answers" / "questions"


def test_the_questions_are_enough_and_of_every_kind() -> None:
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(QUESTIONS.glob("*.yaml"))]
    rows = [row for document in documents for row in document["questions"]]
    kinds = Counter(row["kind"] for row in rows)
    assert len(rows) >= 90
    assert sum(not row["gold"] for row in rows) >= 25
    assert set(kinds) == {
        *("how", "where", "constant", "table", "alias", "file", "folder", "class", "function", "flow", "debug"),
        *("compare", "implement", "tests", "absent", "misnamed"),
    }
    assert Counter(document["half"] for document in documents) == {"fit": 2, "check": 1}
    assert all(re.fullmatch(r"pypi \w+==[\d.]+|npm \w+@[\d.]+", document["source"]) for document in documents)
    assert len({row["question"] for row in rows}) == len(rows)
    for row in rows:
        assert bool(row["gold"]) != (row["kind"] in ("absent", "misnamed"))
        assert all(re.fullmatch(r"[\w./-]+:\d+(-\d+)?", place) for place in row["gold"])
