"""The fields of work around software: who works in each, by which words it is known, which are near.

The table stands in `fields/*.ini`, a file for each discipline. Of a field it says

    does = one sentence
    part of = fields whose people also do this, as generalists
    near = fields whose people can help out
    marks = words and phrases that this field alone, or one near it, is known by
    asks = how people ask for such work in everyday words
    hints = words that speak for this field among others
    named = names that are ordinary words as well; they count where they have a capital
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Field", "fields_of_work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of work.

    Attributes:
        id: names the agent of this field, for example "mobile-developer".
        does: what such an agent is for, a sentence.
        part_of: ids of the fields of generalists.
        near: ids of fields, also of those that name this one.
    """

    id: str
    does: str
    part_of: frozenset[str]
    near: frozenset[str]
    marks: tuple[str, ...]
    asks: tuple[str, ...]
    hints: tuple[str, ...]
    named: tuple[str, ...]


@lru_cache(maxsize=1)
def fields_of_work() -> Mapping[str, Field]:
    """Returns the table by id; read once."""
    entries: dict[str, dict[str, str]] = {}
    for file in sorted(files(__package__).joinpath("fields").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".ini"):
            entries |= _entries(file.read_text(encoding="utf-8").splitlines())
    near = {name: set(_listed(entry.get("near", ""))) for name, entry in entries.items()}
    for name in entries:
        for other in _listed(entries[name].get("near", "")):
            near[other].add(name)
    return {name: _field(name, entry, near[name]) for name, entry in entries.items()}


def _entries(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """Reads the small part of the INI form that the table keeps to; `configparser` takes most of the time allowed."""
    entries: dict[str, dict[str, str]] = {}
    entry: dict[str, str] = {}
    key = ""
    for line in lines:
        if line.startswith("["):
            entry = entries[line.strip("[]")] = {}
        elif line.startswith(" "):
            entry[key] += line
        elif line and line[0] != "#":
            key, _, value = line.partition(" = ")
            entry[key] = value
    return entries


def _field(name: str, entry: Mapping[str, str], near: set[str]) -> Field:
    return Field(
        id=name,
        does=entry["does"],
        part_of=frozenset(_listed(entry.get("part of", ""))),
        near=frozenset(near - {name}),
        marks=_listed(entry["marks"]),
        asks=_listed(entry.get("asks", "")),
        hints=_listed(entry["hints"]),
        named=_listed(entry.get("named", "")),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (each.strip() for each in text.split(","))))
