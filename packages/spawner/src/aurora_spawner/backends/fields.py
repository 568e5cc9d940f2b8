"""Fields of an untrusted JSON object: a field that is missing or of another type reads as empty."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

ABOUT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one object."""

    raw: dict[str, Any]

    def has(self, name: str) -> bool:
        """Returns True if the field exists, whatever its value."""
        return name in self.raw

    def text(self, *names: str) -> str:
        """Returns the first of these fields that is a non-empty string; else ""."""
        found = (self.raw.get(name) for name in names)
        return next((value for value in found if isinstance(value, str) and value), "")

    def whole(self, *names: str) -> int | None:
        """Returns the first of these fields that is a whole number; else None."""
        found = (self.raw.get(name) for name in names)
        return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), None)

    def count(self, *names: str) -> int:
        """Returns the first of these fields that is a whole number; 0 if none is or it is negative."""
        return max(0, self.whole(*names) or 0)

    def real(self, name: str) -> float | None:
        """Returns an amount: a number that is neither negative nor infinite; else None."""
        value = self.raw.get(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if 0 <= number < float("inf") else None

    def fields(self, name: str) -> Fields:
        """Returns the fields of a nested object."""
        value = self.raw.get(name)
        return Fields(value if isinstance(value, dict) else {})

    def rows(self, name: str) -> list[Fields]:
        """Returns the fields of each object in a nested list."""
        value = self.raw.get(name)
        return [Fields(each) for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def is_true(self, name: str) -> bool:
        """Returns True if the field is exactly true."""
        return self.raw.get(name) is True

    def about(self) -> str:
        """Returns the command, path or query of a tool's input, in one line."""
        said = self.text("command", "cmd", "file_path", "filePath", "path", "pattern", "query", "url", "description")
        if not said and self.raw:
            said = next((str(value) for value in self.raw.values() if value), "")
        return " ".join(said[: 4 * ABOUT_LENGTH].split())[:ABOUT_LENGTH]


def object_in(line: str) -> Fields | None:
    """Returns the JSON object in a line; None if the line is anything else."""
    text = line.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return Fields(value) if isinstance(value, dict) else None


def beginning_of(line: str) -> Fields | None:
    """Returns the complete fields of an object whose line is cut off; None if it has none."""
    found: dict[str, Any] = {}
    place = line.find("{") + 1
    try:
        while place:
            name, place = _DECODER.raw_decode(line, _after_space(line, place))
            place = _after_space(line, place)
            value, end = _DECODER.raw_decode(line, _after_space(line, place + 1))
            place = _after_space(line, end)
            if not (isinstance(name, str) and line[place] == ","):
                break
            found[name] = value
            place += 1
    except (ValueError, IndexError, RecursionError):
        pass
    return Fields(found) if found else None


_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"\s*")


def _after_space(line: str, place: int) -> int:
    found = _SPACE.match(line, place)
    return found.end() if found else place
