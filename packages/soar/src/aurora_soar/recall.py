"""Plans and answers out of the cache, as the phases would have made them; and back into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_soar.answer_cache import CachedAnswer, CachedPlan
from aurora_soar.evidence.cited_code import all_hold, cited_code
from aurora_soar.phases.decompose_with_model import Planned

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_soar.answer_cache import AnswerCache
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.report.execution import Execution

__all__ = ["Recalled", "keep_answer", "keep_plan", "recall", "recall_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """The content of the cache for a question.

    Attributes:
        key: "" without a cache.
        answer: None if it has none that holds.
        note: why what it has cannot be used; "" if nothing is to be said.
    """

    key: str = ""
    answer: CachedAnswer | None = None
    note: str = ""


def recall(cache: AnswerCache, key: str, root: Path) -> Recalled:
    """Returns the cached answer of a key, unless a file that it cites has changed and was not indexed since."""
    answer, problem = cache.find(CachedAnswer, key)
    if answer is not None and not all_hold(answer.evidence, root):
        return Recalled(key=key, note="the cached answer cites code that has changed, and is ignored")
    return Recalled(key=key, answer=answer, note=problem)


def recall_plan(cache: AnswerCache, key: str) -> Planned | None:
    """Returns the cached plan of a key; None if there is none that can be read."""
    plan, problem = cache.find(CachedPlan, key)
    if plan is None or problem:
        return None
    return Planned(decomposition=plan.decomposition, planned_by=plan.planned_by, cached=True)


def keep_plan(cache: AnswerCache, key: str, planned: Planned) -> str:
    """Stores a model's plan that was used as it was; returns why that failed, "" if it did not."""
    if planned.planned_by is None or planned.note or planned.interrupted:
        return ""
    return _put(cache, key, CachedPlan(decomposition=planned.decomposition, planned_by=planned.planned_by))


def keep_answer(cache: AnswerCache, key: str, execution: Execution, memory: SoarMemory) -> str:
    """Stores an answer that is whole; returns why that failed, "" if it did not."""
    if not execution.ok or execution.cached_from:
        return ""
    synthesis = replace(execution.synthesis, retries=0)
    entry = CachedAnswer(
        query_id=execution.query_id,
        synthesis=synthesis,
        decomposition=execution.decomposition,
        evidence=cited_code(memory, ((source.file, source.line) for source in synthesis.sources)),
    )
    return _put(cache, key, entry)


def _put(cache: AnswerCache, key: str, entry: CachedPlan | CachedAnswer) -> str:
    try:
        cache.put(key, entry)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return f"nothing was cached: {place}{error.strerror or error}"
    return ""
