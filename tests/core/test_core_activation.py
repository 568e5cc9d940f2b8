"""Activation is what ACT-R's formulas say, and never more than a small part of a score."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core import ChunkKind, Memory, SymbolType
from aurora_core.activation import (
    KEPT,
    MIN_AGE_S,
    PRESETS,
    AccessHistory,
    ActivationInputs,
    ActivationPreset,
    ActivationSettings,
    activation_score,
    base_level,
    decay_of,
    decay_penalty,
    total_activation,
)

NOW = 2_000_000_000.0
DAY = 86_400.0
AGES = st.floats(min_value=MIN_AGE_S, max_value=400 * DAY)
DECAYS = st.floats(min_value=0.02, max_value=0.95)


def history(*ages: float) -> AccessHistory:
    """A history of accesses so many seconds ago."""
    times = sorted(NOW - age for age in ages)
    return AccessHistory(total=len(times), first_at=times[0], recent=tuple(times[-KEPT:]))


def signs(
    past: AccessHistory | None, *, decay: float = 0.4, spreading: float = 0.0, overlap: float = 0.0
) -> ActivationInputs:
    return ActivationInputs(history=past, decay=decay, spreading=spreading, overlap=overlap)


@given(st.lists(AGES, min_size=1, max_size=KEPT), DECAYS)
def test_the_base_level_of_kept_accesses_is_the_closed_formula(ages: list[float], decay: float) -> None:
    expected = math.log(sum(age**-decay for age in ages))
    assert base_level(history(*ages), NOW, decay) == pytest.approx(expected, abs=1e-6)


@given(st.integers(min_value=KEPT + 1, max_value=400), st.floats(min_value=200.0, max_value=DAY), DECAYS)
def test_evenly_spread_older_accesses_are_close_to_the_sum(count: int, step: float, decay: float) -> None:
    """Petrov's approximation assumes even spacing; there it is near the sum over all accesses."""
    ages = [step * (number + 1) for number in range(count)]
    exact = math.log(sum(age**-decay for age in ages))
    assert base_level(history(*ages), NOW, decay) == pytest.approx(exact, abs=0.05)


@given(st.lists(AGES, min_size=1, max_size=30), AGES, DECAYS)
def test_one_more_access_raises_it_and_time_lowers_it(ages: list[float], later: float, decay: float) -> None:
    past = history(*ages)
    assert base_level(past, NOW + later, decay) <= base_level(past, NOW, decay)
    assert base_level(past.accessed(NOW), NOW, decay) >= base_level(past, NOW, decay) - 0.2
    if len(ages) < KEPT:
        assert base_level(past.accessed(NOW), NOW, decay) > base_level(past, NOW, decay)


@given(st.lists(AGES, min_size=1, max_size=200))
def test_storage_stays_constant(ages: list[float]) -> None:
    past = history(ages[0])
    for age in sorted(ages[1:], reverse=True):
        past = past.accessed(NOW - age)
    assert past.total == len(ages)
    assert len(past.recent) <= KEPT


def test_a_clock_that_went_back_counts_as_just_now() -> None:
    assert base_level(history(-5000.0), NOW) == base_level(history(MIN_AGE_S), NOW)
    assert decay_penalty(history(-5000.0), NOW) == 0.0


@pytest.mark.parametrize(
    ("age", "penalty"),
    [(10, 0.0), (3600, 0.0), (DAY, 0.0), (10 * DAY, -0.5), (1000 * DAY, -1.5), (1e9 * DAY, -2.0)],
)
def test_the_decay_penalty_is_half_the_logarithm_of_the_days(age: float, penalty: float) -> None:
    assert decay_penalty(history(age), NOW) == pytest.approx(penalty)


@pytest.mark.parametrize(
    ("kind", "symbol", "decay"),
    [
        (ChunkKind.KB, SymbolType.SECTION, 0.05),
        (ChunkKind.DOC, SymbolType.PARAGRAPH, 0.02),
        (ChunkKind.REAS, SymbolType.REASONING, 0.30),
        (ChunkKind.CODE, SymbolType.CLASS, 0.20),
        (ChunkKind.CODE, SymbolType.FUNCTION, 0.40),
        (ChunkKind.CODE, SymbolType.METHOD, 0.40),
        (ChunkKind.CODE, SymbolType.MODULE, 0.50),
    ],
)
def test_decay_is_by_type_and_churn_quickens_that_of_code(kind: ChunkKind, symbol: SymbolType, decay: float) -> None:
    assert decay_of(kind, symbol, 0) == decay
    churned = decay + 0.1 * math.log10(100) if kind is ChunkKind.CODE else decay
    assert decay_of(kind, symbol, 99) == pytest.approx(churned)
    assert decay_of(kind, symbol, 10**12) < 1


def test_the_parts_add_up() -> None:
    past = history(5 * DAY)
    total = total_activation(signs(past, spreading=0.3, overlap=0.5), NOW, ActivationSettings())
    assert total == pytest.approx(base_level(past, NOW, 0.4) + decay_penalty(past, NOW) + 0.3 + 0.25)


@given(st.floats(min_value=-800, max_value=800), st.floats(min_value=0, max_value=50))
def test_the_score_is_a_share_that_rises(total: float, more: float) -> None:
    assert 0.0 <= activation_score(total) <= activation_score(total + more) <= 1.0
    assert activation_score(-math.inf) == 0.0


@given(spreading=st.floats(min_value=0.01, max_value=1), overlap=st.floats(min_value=0, max_value=1))
def test_spreading_lifts_what_was_never_used_and_words_alone_do_not(spreading: float, overlap: float) -> None:
    settings = ActivationSettings()
    assert total_activation(signs(None, overlap=overlap), NOW, settings) == -math.inf
    assert total_activation(signs(None, spreading=spreading, overlap=overlap), NOW, settings) > -math.inf


def test_each_preset_leads_by_its_own_part() -> None:
    used = signs(history(120.0, 300.0, 4000.0))
    around = signs(history(90 * DAY), spreading=0.6, overlap=1.0)

    def lead(preset: ActivationPreset) -> float:
        settings = PRESETS[preset]
        return total_activation(used, NOW, settings) - total_activation(around, NOW, settings)

    assert lead(ActivationPreset.CONTEXT_FOCUSED) < lead(ActivationPreset.DEFAULT)
    assert lead(ActivationPreset.DEFAULT) < lead(ActivationPreset.BLA_FOCUSED)
    weights = [PRESETS[p].weight for p in (ActivationPreset.CONSERVATIVE, ActivationPreset.DEFAULT)]
    assert [*weights, PRESETS[ActivationPreset.AGGRESSIVE].weight] == [0.05, 0.1, 0.2]


@pytest.mark.parametrize("preset", list(ActivationPreset))
def test_use_never_pushes_a_good_match_off_the_first_page(tmp_path: Path, preset: ActivationPreset) -> None:
    """Thirty weak matches that are used all day against one that answers the question."""
    for number in range(30):
        body = "".join(f"    step_{number}_{line} = invoice\n" for line in range(12))
        (tmp_path / f"weak{number}.py").write_text(f"def weak_{number}():\n{body}")
    (tmp_path / "good.py").write_text("def settle_invoice(invoice):\n    return invoice.settle()\n")
    with Memory.open(tmp_path, activation=preset) as memory:
        memory.index()
        before = memory.search("settle invoice", limit=40, record=False)
        assert before[0].file == "good.py"
        weak = [hit.chunk_id for hit in before if hit.file != "good.py"]
        assert len(weak) == 30
        for age in range(KEPT * 8):
            memory.record_access(weak, now=time.time() - age)
        page = memory.search("settle invoice", record=False)
    assert max(hit.activation_score for hit in page) > 0.5, "they are very active"
    assert page[0].file == "good.py"


@given(scores=st.lists(st.tuples(st.floats(0, 1.2), st.floats(0, 1)), min_size=11, max_size=40))
def test_a_hit_that_leads_the_page_s_end_by_the_weight_stays_on_it(scores: list[tuple[float, float]]) -> None:
    """Why the test above holds: activation adds at most its weight."""
    weight = max(settings.weight for settings in PRESETS.values())
    by_text = sorted(scores, reverse=True)
    safe = [hit for hit in by_text if hit[0] > by_text[10][0] + weight]
    page = sorted(scores, key=lambda hit: -(hit[0] + weight * hit[1]))[:10]
    assert all(hit in page for hit in safe)
