"""Short forms and verbs for one act are alike; words that merely begin alike are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core.kin_words import KIN, likeness

WORDS = st.lists(st.text(alphabet="abcdgeirst", min_size=1, max_size=12), max_size=6)


@pytest.mark.parametrize(
    ("word", "other", "alike"),
    [
        ("load", "loads", 1.0),
        ("returns", "get", KIN),
        ("checks", "is", KIN),
        ("directory", "folder", KIN),
        ("argument", "arg", KIN),
        ("milliseconds", "milli", KIN),
        ("contact", "contain", 0.0),
        ("get", "set", 0.0),
        ("of", "offset", 0.0),
        ("enable", "disable", 0.0),
    ],
)
def test_likeness_of_two_words_is_the_same_both_ways(word: str, other: str, alike: float) -> None:
    assert likeness([word], [other]).item() == pytest.approx(alike)
    assert likeness([other], [word]).item() == pytest.approx(alike)


@given(some=WORDS, others=WORDS)
def test_likeness_has_a_row_for_each_word_and_is_whole_for_the_word_itself(
    some: list[str], others: list[str]
) -> None:
    found = likeness(some, others)
    assert found.shape == (len(some), len(others))
    assert set(np.unique(found).tolist()) <= {0.0, np.float32(KIN).item(), 1.0}
    assert (np.diag(likeness(some, some)) == 1).all()
