"""The fields of work around software: who works in each, which are near, by which phrases each is known.

The table is made from `tools/fields_of_work/*.ini` by `tools/compile_fields.py`, so that reading it takes some
milliseconds. It is general knowledge, written down without looking at anybody's personas or subgoals.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Field", "FieldsOfWork", "fields_of_work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of work.

    Attributes:
        id: names the agent of this field, for example "mobile-developer".
        does: what such an agent is for, a sentence.
        part_of: ids of the fields whose people do this too, as generalists.
        near: ids of the fields whose people can help out.
    """

    id: str
    does: str
    part_of: frozenset[str]
    near: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsOfWork:
    """The table.

    Attributes:
        by_id: every field.
        order: the fields' ids, in the order that `claims` counts in.
        claims: by phrase (words as `wording.words` returns them, joined by a space): the place of a field in the
            order, how much the phrase speaks for it in hundredths, and so on for each field that claims it. As text:
            numbers for all of them would take most of the time of reading.
    """

    by_id: Mapping[str, Field]
    order: Sequence[str]
    claims: Mapping[str, str]


@lru_cache(maxsize=1)
def fields_of_work() -> FieldsOfWork:
    """Reads the table, once."""
    found = json.loads(files(__package__).joinpath("fields_of_work.json").read_bytes())
    by_id = {
        name: Field(id=name, does=each["does"], part_of=frozenset(each["part_of"]), near=frozenset(each["near"]))
        for name, each in found["fields"].items()
    }
    return FieldsOfWork(by_id=by_id, order=tuple(by_id), claims=found["phrases"])
