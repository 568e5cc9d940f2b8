"""Other spellings of a word: British and American, past forms and plurals that no stemmer leads back to the word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_core.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_core.search import Rarity

__all__ = ["known_spelling", "spellings"]

_FORMS: Final = """
    begun:begin bound:bind broken:break built:build caught:catch chosen:choose dealt:deal drawn:draw driven:drive
    fed:feed forgotten:forget frozen:freeze given:give held:hold hidden:hide kept:keep led:lead left:leave lost:lose
    meant:mean overridden:override ran:run rebuilt:rebuild sent:send sought:seek spent:spend stolen:steal stuck:stick
    sunk:sink swept:sweep taken:take thrown:throw torn:tear woken:wake wound:wind written:write rewritten:rewrite
"""
_VERBS: Final[Mapping[str, str]] = dict(form.split(":") for form in _FORMS.split())
_PLURALS: Final = ("uses", "ases", "ises")
_VARIANTS: Final = (("our", "or"), ("or", "our"), ("is", "iz"), ("iz", "is"), ("tre", "ter"))


def spellings(word: str) -> tuple[str, ...]:
    """Returns other spellings that a word may have, in lower case; most are no words."""
    lower = word.lower()
    variants = [lower.replace(a, b) for a, b in _VARIANTS if a in lower]
    # The stem of "statuses" is another than that of "status".
    singular = lower.removesuffix("es") if lower.endswith(_PLURALS) else ""
    return (*variants, *filter(None, [_VERBS.get(lower), singular]))


def known_spelling(word: str, rarity: Rarity) -> str:
    """Returns a word, or the spelling of it that the project has if it does not have the word itself."""
    if all(rarity.containing.get(term, 0) for term in terms(word)):
        return word
    known = (other for other in spellings(word) if all(rarity.containing.get(term, 0) for term in terms(other)))
    return next(known, word)
