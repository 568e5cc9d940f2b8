"""Phase 4 for critical requests: a model looks for the faults of the plan before anybody follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.models.structured import Criticism, ask_until_valid, read_document
from aurora_soar.phases.prompts import critic_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_soar.models.language_model import Completion, LanguageModel
    from aurora_soar.phases.decompose import Decomposition
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.question.question import Question

__all__ = ["Criticised", "criticise"]

MAX_FINDINGS: Final = 8
NO_MODEL: Final = "no adversarial check of the plan was made: that needs a model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criticised:
    """The adversarial check of a plan.

    Attributes:
        by: the model that looked for faults; None if none did.
        findings: the faults that it found, the worst first.
        calls: its answers, the rejected ones included.
        note: why there was no check; "" if there was one.
    """

    by: str | None
    findings: tuple[str, ...] = ()
    calls: tuple[Completion, ...] = ()
    note: str = ""

    @property
    def interrupted(self) -> bool:
        """True if a signal ended the check."""
        return any(call.interrupted for call in self.calls)


async def criticise(
    question: Question,
    decomposition: Decomposition,
    context: RetrievedContext,
    model: LanguageModel | None,
    *,
    on_line: Callable[[str], None],
) -> Criticised:
    """Asks a model for the faults of a plan; without an answer the result says that there was no check.

    Args:
        on_line: called with each fault, or with the reason why there was no check.
    """
    criticised = await _criticised(question, decomposition, context, model)
    for sentence in criticised.findings:
        on_line(f"a fault of the plan: {sentence}")
    if criticised.note:
        on_line(criticised.note)
    return criticised


async def _criticised(
    question: Question, decomposition: Decomposition, context: RetrievedContext, model: LanguageModel | None
) -> Criticised:
    if model is None:
        return Criticised(by=None, note=NO_MODEL)
    replies = await ask_until_valid(
        model,
        critic_request(question, decomposition, context.code, most=MAX_FINDINGS),
        lambda said: read_document(said.text, Criticism),
        title="critic",
    )
    if replies.value is None:
        note = f"no adversarial check of the plan was made: {model.name} gave no usable answer ({replies.errors[-1]})"
        return Criticised(by=None, calls=replies.calls, note=note)
    return Criticised(by=model.name, findings=tuple(replies.value.findings[:MAX_FINDINGS]), calls=replies.calls)
