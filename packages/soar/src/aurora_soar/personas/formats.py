"""Readers of personas that are not in Markdown: TOML of Codex, JSON of Kiro and Amazon Q, mode lists of Roo and Kilo.

Each reader returns the keys, values and body that a Markdown file has.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.plain_yaml import PlainYamlError, parse_plain_yaml
from aurora_soar.personas.front_matter import FrontMatter, FrontMatterError, Given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aurora_soar.personas.front_matter import Value

__all__ = ["FORMATS", "MODE_LISTS", "Format", "mode_list", "one_mapping"]

MAX_CHARACTERS: Final = 64_000
"""Characters of TOML that are parsed; the time grows with the square of the escapes at worst."""
MAX_DOTS: Final = 50
"""Dots in a key of TOML; the parser's time grows with the square of their number."""
MAX_MODES: Final = 200
MODE_LISTS: Final = {".roomodes": "roo", ".kilocodemodes": "kilocode"}
"""Tool by the name of its file in the project's root."""

FIELDS: Final = frozenset(
    {
        "id",
        "name",
        "role",
        "goal",
        "description",
        "category",
        "skills",
        "examples",
        "when_to_use",
        "whenToUse",
        "when-to-use",
        "dependencies",
        "tools",
        "model",
    }
)
_BODIES: Final = ("developer_instructions", "instructions", "prompt", "system_prompt")
# An unterminated string reaches to the end of its line or text, so that no character is read twice.
_STRING: Final = re.compile(
    r'''
    """ (?:[^"\\]|\\.|"(?!""))* (?:""")?
    | '{3} (?:[^']|'(?!'{2}))* (?:'{3})?
    | " (?:[^"\\\n]|\\.)* "?
    | ' [^'\n]* '?
    ''',
    re.DOTALL | re.VERBOSE,
)
_SENTENCE: Final = re.compile(r"[.!?](?:\s|$)|[\u3002\uff01\uff1f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format of files with one persona each.

    Attributes:
        tools: the tools that write personas in it; in the folders of others, such a file may be anything.
    """

    parse: Callable[[str], object]
    tools: frozenset[str]


def one_mapping(text: str, suffix: str) -> FrontMatter:
    """Returns the fields of a TOML or JSON file with one persona.

    Raises:
        FrontMatterError: The text is not of that format.
    """
    value = FORMATS[suffix].parse(text)
    if not isinstance(value, dict):
        raise FrontMatterError(1, "has no fields; give the persona's name, description and instructions")
    return _of_fields(value)


def mode_list(text: str) -> Iterator[FrontMatter]:
    """Yields the fields of each mode in a YAML or JSON list.

    Raises:
        FrontMatterError: The text is neither, or holds no list `customModes`.
    """
    try:
        document = parse_plain_yaml(text)
    except PlainYamlError as error:
        raise FrontMatterError(error.line or 1, error.reason) from error
    modes = document.value.get("customModes") if isinstance(document.value, dict) else None
    if not isinstance(modes, list):
        raise FrontMatterError(1, "has no list `customModes`")
    if len(modes) > MAX_MODES:
        raise FrontMatterError(1, f"has more than {MAX_MODES} modes; split it")
    for index, mode in enumerate(modes):
        line = document.lines.get(("customModes", index), 1)
        yield _of_fields(_as_fields(mode) if isinstance(mode, dict) else {}, line)


def _as_fields(mode: Mapping[str, object]) -> dict[str, object]:
    """Returns a mode under the field names of a persona; the mode's definition becomes the instructions."""
    definition = _text(mode.get("roleDefinition"))
    when = _text(mode.get("whenToUse"))
    groups = mode.get("groups")
    return {
        "id": mode.get("slug"),
        "role": mode.get("name"),
        "description": mode.get("description") or _first_sentence(definition) or when,
        "when_to_use": when,
        "tools": [_first(each) for each in groups] if isinstance(groups, list) else groups,
        "instructions": "\n\n".join(filter(None, (definition, _text(mode.get("customInstructions"))))),
    }


def _first_sentence(text: str) -> str:
    end = _SENTENCE.search(text)
    return text[: end.end()].strip() if end else text


def _first(group: object) -> object:
    """Returns the name of a group of tools, which may come with a restriction: `[edit, {fileRegex: …}]`."""
    return group[0] if isinstance(group, list) and group else group


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _of_fields(fields: Mapping[str, object], line: int = 1) -> FrontMatter:
    body = next((fields[name] for name in _BODIES if isinstance(fields.get(name), str)), "")
    problems: tuple[tuple[int, str, str], ...] = ()
    if str(body).startswith("file://"):
        reason = "names another file, which is not read; put the text itself here"
        body, problems = "", ((line, "prompt", reason),)
    given = {
        _clean(name): Given(value=_value(value), line=line)
        for name, value in fields.items()
        if name in FIELDS and value
    }
    if not any(fields.get(name) for name in ("description", "goal")) and body:
        given["description"] = Given(value=_clean(_first_sentence(str(body))), line=line)
    if given.get("tools", Given(value=None, line=line)).value == ("*",):
        del given["tools"]  # all of them: no restriction
    return FrontMatter(given=given, body=_clean(body).strip(), problems=problems)


def _value(value: object) -> Value:
    if isinstance(value, list):
        return tuple(map(_clean, value)) if all(map(_is_scalar, value)) else None
    if isinstance(value, dict):
        scalars = {_clean(name): _clean(each) for name, each in value.items() if _is_scalar(each)}
        return scalars if len(scalars) == len(value) else None
    return _clean(value) if _is_scalar(value) else None


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, int, float))


def _clean(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.encode("utf-8", "replace").decode("utf-8")


def _toml(text: str) -> object:
    if len(text) > MAX_CHARACTERS:
        raise FrontMatterError(1, f"is larger than {MAX_CHARACTERS // 1000} kB")
    for number, line in enumerate(_STRING.sub("", text).split("\n"), start=1):
        if line.count(".") > MAX_DOTS:
            raise FrontMatterError(number, f"has a key of more than {MAX_DOTS} parts")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = re.search(r"at line (\d+)", str(error))
        raise FrontMatterError(int(found[1]) if found else 1, f"is not valid TOML: {error!s:.200}") from error


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise FrontMatterError(error.lineno, f"is not valid JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise FrontMatterError(1, f"is not valid JSON: {error!s:.200}") from error


FORMATS: Final[Mapping[str, Format]] = {
    ".toml": Format(parse=_toml, tools=frozenset({"codex"})),
    ".json": Format(parse=_json, tools=frozenset({"kiro", "amazonq"})),
}
"""Formats by suffix of the file."""
