"""A Markdown file → a persona, with whatever is wrong with it.

Two forms are read: our own (`id`, `role`, `goal`, …) and Claude Code's (`name`, `description`, `tools`, `model`), in
any mixture. What cannot be understood is left out and told; unknown keys are somebody else's and are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.front_matter import FrontMatterError, split_front_matter
from aurora_soar.personas.persona import Category, Persona, PersonaProblem, Scope

if TYPE_CHECKING:
    from aurora_soar.personas.front_matter import FrontMatter, Given

__all__ = ["MAX_BYTES", "Reading", "kebab", "parse_persona"]

MAX_BYTES: Final = 256_000
MAX_ID: Final = 64
_DOUBLE_SUFFIX: Final = re.compile(r"\.(?:agent|chatmode|droid|mode|persona|subagent)$")
_OFF: Final = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file gave.

    Attributes:
        persona: None where it gave none.
    """

    persona: Persona | None
    problems: tuple[PersonaProblem, ...]


def parse_persona(content: bytes, *, file: str, tool: str = "", scope: Scope = Scope.PROJECT) -> Reading:
    """Read a file's bytes; never raises, whatever they are."""
    problems: list[PersonaProblem] = []
    text = _decoded(content, file, problems)
    if text is None:
        return Reading(persona=None, problems=tuple(problems))
    try:
        head = split_front_matter(text)
    except FrontMatterError as error:
        problems.append(PersonaProblem(file=file, line=error.line, field="", reason=error.reason))
        return Reading(persona=None, problems=tuple(problems))
    problems += [PersonaProblem(file=file, line=line, field=key, reason=why) for line, key, why in head.complaints]
    fields = _Fields(head, file, problems)
    persona = _persona(fields, head.body, file=file, tool=tool, scope=scope)
    return Reading(persona=persona, problems=tuple(problems))


def kebab(text: str) -> str:
    """An id as tasks write it: `Code Reviewer` → `code-reviewer`; "" where nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_ID].rstrip("-")


def _decoded(content: bytes, file: str, problems: list[PersonaProblem]) -> str | None:
    if len(content) > MAX_BYTES:
        reason = f"is larger than {MAX_BYTES // 1000} kB; this is no persona"
        problems.append(PersonaProblem(file=file, line=None, field="", reason=reason))
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problems.append(PersonaProblem(file=file, line=line, field="", reason="is not UTF-8 text; save it as UTF-8"))
        return None


def _persona(fields: _Fields, body: str, *, file: str, tool: str, scope: Scope) -> Persona | None:
    stem = _DOUBLE_SUFFIX.sub("", re.sub(r"\.\w+$", "", file.replace("\\", "/").rpartition("/")[2]))
    name = fields.words("id") or fields.words("name") or stem
    persona_id = kebab(name)
    goal = fields.words("goal") or fields.words("description")
    if not persona_id:
        fields.complain(
            "id" if fields.words("id") else "name",
            f"{name!r:.60} has no letter or digit to be called by; the file was left out",
        )
        return None
    if not goal:
        fields.complain("description", "is missing; say what it is for in `goal:` or `description:`")
        return None
    model = fields.words("model")
    return Persona(
        id=persona_id,
        role=fields.words("role") or persona_id.replace("-", " ").capitalize(),
        goal=goal,
        category=_category(fields),
        skills=fields.several("skills"),
        examples=fields.several("examples", commas=False),
        when_to_use=fields.words("when_to_use") or fields.words("whenToUse") or fields.words("when-to-use"),
        dependencies=tuple(filter(None, map(kebab, fields.several("dependencies")))),
        instructions=body,
        tools=fields.switched("tools"),
        model=model if model and model != "inherit" else None,
        source_file=file,
        tool=tool,
        scope=scope,
    )


def _category(fields: _Fields) -> Category:
    word = fields.words("category").lower()
    if not word:
        return Category.GENERAL
    if word in list(Category):
        return Category(word)
    fields.complain("category", f"{word!r:.60} is none of {', '.join(Category)}; general was taken")
    return Category.GENERAL


class _Fields:
    """The values of one file by key, each in the shape that is asked for."""

    def __init__(self, head: FrontMatter, file: str, problems: list[PersonaProblem]) -> None:
        self._given = head.given
        self._file = file
        self._problems = problems

    def complain(self, key: str, reason: str) -> None:
        given = self._given.get(key)
        line = given.line if given else None
        self._problems.append(PersonaProblem(file=self._file, line=line, field=key, reason=reason))

    def words(self, key: str) -> str:
        """A text on one line; "" where it is not there."""
        value = self._value(key)
        if isinstance(value, dict) or (value is None and key in self._given):
            self.complain(key, "must be a text; it was left out")
            return ""
        text = " ".join(value) if isinstance(value, tuple) else value or ""
        return " ".join(text.replace("\\n", " ").split())

    def several(self, key: str, *, commas: bool = True) -> tuple[str, ...]:
        """Texts, from a list or from one text with commas."""
        value = self._value(key)
        if isinstance(value, dict) or (value is None and key in self._given):
            self.complain(key, "must be a list of texts; it was left out")
            return ()
        if isinstance(value, str):
            value = tuple(value.split(",")) if commas else (value,)
        return tuple(filter(None, (" ".join(item.split()) for item in value or ())))

    def switched(self, key: str) -> tuple[str, ...]:
        """Texts, also from `name: true` pairs; those that are switched off are left out."""
        value = self._value(key)
        if isinstance(value, dict):
            return tuple(name for name, switch in value.items() if switch.lower() not in _OFF)
        return self.several(key)

    def _value(self, key: str) -> str | tuple[str, ...] | dict[str, str] | None:
        given: Given | None = self._given.get(key)
        return given.value if given else None
