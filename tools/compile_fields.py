"""Make the table of fields of work that the persona matcher reads.

    .venv/bin/python tools/compile_fields.py

Reads tools/fields_of_work/*.ini, a file for each discipline, and writes
packages/soar/src/aurora_soar/personas/fields_of_work.json. Of a field the files say

    does = one sentence
    part of = fields whose people do this too, as generalists
    near = fields whose people can help out
    named = names that are ordinary words as well; they count where they have a capital
    marks = words and phrases that this field, or one near it, is known by
    asks = how people ask for such work in everyday words
    hints = words that speak for this field among others
"""

from __future__ import annotations

import json
from collections import defaultdict
from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_soar.personas.lexicon import LONGEST
from aurora_soar.personas.wording import FUNCTION_WORDS, bare, words

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tools" / "fields_of_work"
TABLE = ROOT / "packages" / "soar" / "src" / "aurora_soar" / "personas" / "fields_of_work.json"
MARK = 300
ASK = 250
HINT = 100
# A single everyday word is said of much else.
SINGLE_ASK = 175
# By how many of a phrase's words are no function words: "look into" says little, "slow query" more than its words.
PHRASE = (0.4, 0.9, 1.7)
# Marks are sure: "find out why" is a debugger's.
MARKED = (1.2, 1.2, 1.7)


def main() -> None:
    """Writes the table."""
    TABLE.write_text(compiled(), encoding="utf-8")


def compiled() -> str:
    """Returns the table as it should stand in the file, a line for each entry."""
    entries = _entries()
    near: dict[str, set[str]] = {name: set(_listed(entry.get("near", ""))) for name, entry in entries.items()}
    for name, entry in entries.items():
        for other in _listed(entry.get("near", "")):
            near[other].add(name)
    fields = {
        name: {"does": entry["does"], "part_of": _listed(entry.get("part of", "")), "near": sorted(near[name])}
        for name, entry in entries.items()
    }
    return '{"fields": {\n' + _lines(fields) + '\n},\n"phrases": {\n' + _lines(_phrases(entries)) + "\n}}\n"


def _entries() -> dict[str, Mapping[str, str]]:
    entries: dict[str, Mapping[str, str]] = {}
    for path in sorted(SOURCE.glob("*.ini")):
        parser = ConfigParser(interpolation=None, delimiters=("=",))
        parser.read(path, encoding="utf-8")
        entries |= {name: {**parser[name], "file": path.name} for name in parser.sections()}
    return entries


def _phrases(entries: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    claims: dict[str, dict[int, int]] = defaultdict(dict)
    for place, (field, entry) in enumerate(entries.items()):
        for key, weight in (("hints", HINT), ("asks", ASK), ("marks", MARK)):
            for text in _listed(entry.get(key, "")):
                phrase = words(text.lower())
                if not 0 < len(phrase) <= LONGEST:
                    raise ValueError(
                        f"{entry['file']}: {field}: {key}: {text!r} has {len(phrase)} words that count; "
                        f"write 1 to {LONGEST}"
                    )
                claims[" ".join(phrase)][place] = SINGLE_ASK if key == "asks" and len(phrase) == 1 else weight
        for name in _listed(entry.get("named", "")):
            claims[bare(name.lower())].setdefault(place, HINT)
            claims[bare(name.lower()).capitalize()][place] = MARK
    return {phrase: _shared(phrase, fields) for phrase, fields in sorted(claims.items())}


def _shared(phrase: str, fields: Mapping[int, int]) -> str:
    """Shares a phrase out between the fields that claim it."""
    said = phrase.split()
    content = sum(word not in FUNCTION_WORDS for word in said)
    shared = []
    for field, weight in fields.items():
        bonus = (MARKED if weight == MARK else PHRASE)[min(content, 2)] if len(said) > 1 else 1.0
        shared.append(f"{field} {round(weight * bonus / len(fields) ** 0.5)}")
    return " ".join(shared)


def _listed(text: str) -> list[str]:
    return list(filter(None, (" ".join(each.split()) for each in text.split(","))))


def _lines(entries: Mapping[str, object]) -> str:
    return ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())


if __name__ == "__main__":
    main()
