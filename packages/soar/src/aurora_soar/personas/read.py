"""Reading of persona files, with a report of their problems.

Markdown has two forms, in any mixture: Aurora's own (`id`, `role`, `goal`, …) and Claude Code's (`name`,
`description`, `tools`, `model`). TOML, JSON and lists of modes become the same fields. An invalid value is left out
and reported as a problem; unknown keys belong to other tools and are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.categories import category_of
from aurora_soar.personas.formats import FORMATS, MODE_LISTS, mode_list, one_mapping
from aurora_soar.personas.front_matter import FrontMatterError, split_front_matter
from aurora_soar.personas.ids import id_of, kebab
from aurora_soar.personas.model_names import is_model_name
from aurora_soar.personas.persona import Category, Persona, PersonaProblem, Scope

if TYPE_CHECKING:
    from aurora_soar.personas.front_matter import FrontMatter, Given, Value

__all__ = ["MAX_BYTES", "Reading", "parse_file", "parse_persona"]

MAX_BYTES: Final = 256_000
MAX_TEXT: Final = 10_000
"""Characters of a field; the instructions below the front matter have no such limit."""
MAX_ITEMS: Final = 200
_DOUBLE_SUFFIX: Final = re.compile(r"\.(?:agent|chatmode|droid|mode|persona|subagent)$")
_OFF: Final = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The result of reading one persona.

    Attributes:
        persona: None if the file defines none.
    """

    persona: Persona | None
    problems: tuple[PersonaProblem, ...]


def parse_file(content: bytes, *, file: str, tool: str = "", scope: Scope = Scope.PROJECT) -> tuple[Reading, ...]:
    """Reads the bytes of a file that may hold several personas; never raises, whatever they are."""
    name = _name(file)
    if name not in MODE_LISTS:
        return (parse_persona(content, file=file, tool=tool, scope=scope),)
    problems: list[PersonaProblem] = []
    text = _decoded(content, file, problems)
    found: list[Reading] = []
    try:
        heads = list(mode_list(text)) if text is not None else []
        found = [_reading(head, [], stem="mode", file=file, tool=tool, scope=scope) for head in heads]
    except FrontMatterError as error:
        problems.append(PersonaProblem(file=file, line=error.line, field="", reason=error.reason))
    return (*found, Reading(persona=None, problems=tuple(problems)))


def parse_persona(content: bytes, *, file: str, tool: str = "", scope: Scope = Scope.PROJECT) -> Reading:
    """Reads the bytes of a file with one persona; never raises, whatever they are."""
    problems: list[PersonaProblem] = []
    text = _decoded(content, file, problems)
    if text is None:
        return Reading(persona=None, problems=tuple(problems))
    stem, dot, suffix = _name(file).rpartition(".")
    try:
        is_other = dot + suffix.lower() in FORMATS
        head = one_mapping(text, dot + suffix.lower()) if is_other else split_front_matter(text)
    except FrontMatterError as error:
        problems.append(PersonaProblem(file=file, line=error.line, field="", reason=error.reason))
        return Reading(persona=None, problems=tuple(problems))
    stem = _DOUBLE_SUFFIX.sub("", stem or suffix)
    return _reading(head, problems, stem=stem, file=file, tool=tool, scope=scope)


def _name(file: str) -> str:
    return file.replace("\\", "/").rpartition("/")[2]


def _reading(
    head: FrontMatter, problems: list[PersonaProblem], *, stem: str, file: str, tool: str, scope: Scope
) -> Reading:
    problems += [PersonaProblem(file=file, line=line, field=key, reason=why) for line, key, why in head.problems]
    persona = _persona(_Fields(head, file, problems), head.body, stem, file=file, tool=tool, scope=scope)
    return Reading(persona=persona, problems=tuple(problems))


def _decoded(content: bytes, file: str, problems: list[PersonaProblem]) -> str | None:
    if len(content) > MAX_BYTES:
        reason = f"is larger than {MAX_BYTES // 1000} kB; it was skipped"
        problems.append(PersonaProblem(file=file, line=None, field="", reason=reason))
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problems.append(PersonaProblem(file=file, line=line, field="", reason="is not UTF-8 text; save it as UTF-8"))
        return None


def _persona(fields: _Fields, body: str, stem: str, *, file: str, tool: str, scope: Scope) -> Persona | None:
    name = fields.words("id") or fields.words("name")
    persona_id = id_of(name, stem)
    goal = fields.words("goal") or fields.words("description")
    if not goal:
        fields.add_problem("description", "is missing; describe the persona in `goal:` or `description:`")
        return None
    role = fields.words("role") or persona_id.replace("-", " ").capitalize()
    skills = fields.several("skills")
    return Persona(
        id=persona_id,
        role=role,
        goal=goal,
        category=_category(fields, f"{persona_id} {role}", f"{goal} {' '.join(skills)}"),
        skills=skills,
        examples=fields.several("examples", commas=False),
        when_to_use=fields.words("when_to_use") or fields.words("whenToUse") or fields.words("when-to-use"),
        dependencies=tuple(filter(None, map(kebab, fields.several("dependencies")))),
        instructions=body,
        tools=fields.switched("tools"),
        model=_model(fields),
        source_file=file,
        tool=tool,
        scope=scope,
    )


def _model(fields: _Fields) -> str | None:
    name = fields.words("model")
    if not name or name == "inherit":
        return None
    if not is_model_name(name):
        fields.add_problem("model", f"{name!r:.60} is not the name of a model, which is one word; it was left out")
        return None
    return name


def _category(fields: _Fields, called: str, says: str) -> Category:
    """Returns the category that the file gives; an unknown category is one more word to choose a known one by."""
    word = fields.words("category").lower()
    return Category(word) if word in list(Category) else category_of(called, f"{word} {says}")


class _Fields:
    """The values of one file by key, in the shape that the caller asks for."""

    def __init__(self, head: FrontMatter, file: str, problems: list[PersonaProblem]) -> None:
        self._given = head.given
        self._file = file
        self._problems = problems

    def add_problem(self, key: str, reason: str) -> None:
        given = self._given.get(key)
        line = given.line if given else None
        self._problems.append(PersonaProblem(file=self._file, line=line, field=key, reason=reason))

    def words(self, key: str) -> str:
        """Returns a text on one line; "" if it is missing."""
        value = self._value(key)
        if isinstance(value, dict) or (value is None and key in self._given):
            self.add_problem(key, "must be a text; it was left out")
            return ""
        text = " ".join(value) if isinstance(value, tuple) else value or ""
        text = " ".join(text.replace("\\n", " ").split())
        if len(text) > MAX_TEXT:
            self.add_problem(key, f"is longer than {MAX_TEXT:,} characters and was cut; put the rest below the head")
        return text[:MAX_TEXT]

    def several(self, key: str, *, commas: bool = True) -> tuple[str, ...]:
        """Returns several texts, from a list or from one text with commas."""
        value = self._value(key)
        if isinstance(value, dict) or (value is None and key in self._given):
            self.add_problem(key, "must be a list of texts; it was left out")
            return ()
        if isinstance(value, str):
            value = tuple(value.split(",")) if commas else (value,)
        if len(value or ()) > MAX_ITEMS:
            self.add_problem(key, f"has more than {MAX_ITEMS} items; the rest was left out")
        return tuple(filter(None, (" ".join(item.split())[:MAX_TEXT] for item in (value or ())[:MAX_ITEMS])))

    def switched(self, key: str) -> tuple[str, ...]:
        """Returns several texts, also from `name: true` pairs without those that are switched off."""
        value = self._value(key)
        if isinstance(value, dict):
            return tuple(name for name, switch in value.items() if switch.lower() not in _OFF)
        return self.several(key)

    def _value(self, key: str) -> Value:
        given: Given | None = self._given.get(key)
        return given.value if given else None
