"""Questions in other languages than English: their function words in English, as far as a list of them goes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["in_english", "language_of"]

_WORDS: Final[Mapping[str, str]] = {
    "German": """
        wie=how wo=where warum=why wieso=why weshalb=why wer=who welche=which welcher=which welches=which wann=when
        unterschied=difference zwischen=between und=and oder=or vergleiche=compare für=for ruft=calls
        aufgerufen=called benutzt=used verwendet=used gesetzt=set definiert=defined fehler=error tests=tests
        der das dem den ein eine einen einer eines ist sind wird werden wurde hat haben kann im zu von mit bei auf aus
        nicht sich es er sie man wir ich was die des diese dieser dieses macht tut
    """,
    "French": """
        comment=how où=where pourquoi=why qui=who quel=which quelle=which quels=which quand=when et=and ou=or
        différence=difference entre=between comparer=compare pour=for appelle=calls appelé=called appelée=called
        utilisé=used utilise=uses défini=defined définie=defined erreur=error
        le la les un une des du de est sont que quoi dans sur avec par il elle on ne pas se ce cette fait
    """,
    "Spanish": """
        cómo=how dónde=where quién=who cuál=which cuándo=when y=and o=or diferencia=difference entre=between
        comparar=compare para=for llama=calls llamado=called usado=used usa=uses definido=defined definida=defined
        error=error
        el la los las un una unos de del es son está están que qué en con por se lo hace
    """,
}
_LISTS: Final = {
    language: dict(pair.partition("=")[::2] for pair in words.split()) for language, words in _WORDS.items()
}
# Words that a question in English has, too, are no sign.
_ENGLISH: Final = frozenset("tests error die des was man on a no me he so in an is are the of to does how".split())  # noqa: SIM905
_SIGNS: Final = {language: frozenset(words) - _ENGLISH for language, words in _LISTS.items()}
_ENGLISH_SIGNS: Final = frozenset("the is are does do how what where why which who of to and it its".split())  # noqa: SIM905
_LEAST_SIGNS: Final = 2
_WORD: Final = re.compile(r"`[^`]*`|[^\W\d]+(?:[.(]\S*)?")


def language_of(text: str) -> str:
    """Returns the language of a question by its function words; "" for English and for what is not known."""
    words = {word.lower() for word in _WORD.findall(text)}
    counts = {language: len(words & signs) for language, signs in _SIGNS.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= max(_LEAST_SIGNS, len(words & _ENGLISH_SIGNS) + 1) else ""


def in_english(text: str, language: str) -> str:
    """Returns a question with its function words in English, or left out; all other words stay as they are."""
    words = _LISTS[language]
    return " ".join(_WORD.sub(lambda found: words.get(found[0].lower(), found[0]), text).split())
