"""A model whose answers are kept with the question: a resume gives each again, and asks only what is open."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from aurora_soar.models.language_model import Completion
from aurora_soar.prompts.prompt import version_of

if TYPE_CHECKING:
    from aurora_soar.models.language_model import LanguageModel
    from aurora_soar.resumption.record import Unrecorded

__all__ = ["RecordedModel"]


@runtime_checkable
class _Resumable(Protocol):
    """A model whose calls are runs of their own, which a resume takes up."""

    async def ask_within(self, record: Unrecorded, key: str, prompt: str, *, title: str) -> Completion: ...


class RecordedModel:
    """The model of one question."""

    def __init__(self, model: LanguageModel, record: Unrecorded) -> None:
        self._model = model
        self._record = record
        self._asked: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """The name of the model itself."""
        return self._model.name

    async def ask(self, prompt: str, *, title: str) -> Completion:
        """Returns the answer that is kept for this call, or asks the model; a call that was cut off is not kept."""
        # By step and order, and not by the words of the prompt: quoted text is marked anew in each. In the whole
        # question the order would not tell, since a resume leaves out the calls of steps whose results are kept.
        place = f"{title} of {self._record.step}" if self._record.step else title
        self._asked[place] += 1
        key = f"{place} {self._asked[place]}"
        kept = self._record.answer(key)
        if isinstance(kept, Completion):
            return kept
        if isinstance(self._model, _Resumable):
            answer = await self._model.ask_within(self._record, key, prompt, title=title)
        else:
            answer = await self._model.ask(prompt, title=title)
        if not answer.interrupted:
            self._record.keep_answer(key, answer, prompt=version_of(title))
        return answer
