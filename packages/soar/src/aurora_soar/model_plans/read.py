"""Reads the plan in a model's answer: JSON wherever it stands and however it is written, YAML, TOML, or words."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_core.plain_yaml import PlainYamlError, parse_plain_yaml
from aurora_soar.errors import ModelAnswerError
from aurora_soar.model_plans.mend import Mended, mend
from aurora_soar.model_plans.planned import PlannedWork
from aurora_soar.model_plans.shapes import Found, find_subgoals, is_subgoal
from aurora_soar.model_plans.words import subgoals_in_words
from aurora_soar.models.lenient_json import NestingError, parse_lenient
from aurora_soar.models.structured import MAX_ANSWER, read_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["read_plan"]

_THOUGHT: Final = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_YAML: Final = re.compile(r"```ya?ml[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_TOML: Final = re.compile(r"```toml[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_YAML_ITSELF: Final = re.compile(r"^(?:subgoals|tasks|steps)\s*:\s*$", re.MULTILINE)
_MARGIN: Final = re.compile(r"^[+>|]", re.MULTILINE)
_OPENING: Final = re.compile(r"[{\[]")
_MOST_READ: Final = 1_000_000
"""Characters that are read altogether, since brackets in prose make texts be read more than once."""
_CUT_OFF: Final = "the answer ends inside the object"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """The reading of one answer."""

    agents: Sequence[str]
    goal: str

    def best(self, text: str) -> Mended | None:
        """Returns the best plan in the JSON of a text: one without complaints, then the longest, then the last."""
        best: Mended | None = None
        for complete, plan in self._plans(text):
            mended = plan if complete else replace(plan, complaints=(_CUT_OFF, *plan.complaints))
            if best is None or _rank(mended) >= _rank(best):
                best = mended
        return best

    def plan(self, found: Found | None) -> Mended | None:
        return mend(found, self.agents, self.goal) if found else None

    def _plans(self, text: str) -> Iterator[tuple[bool, Mended]]:
        """Yields each plan of a text, and whether its end was there; objects in a row may be the subgoals of one."""
        at = read = 0
        alone: list[object] = []
        while read < _MOST_READ and (match := _OPENING.search(text, at)):
            at = match.start() + 1
            try:
                value = parse_lenient(text, match.start())
            except NestingError:
                read += len(text) // 4
                continue
            read += value.end - match.start()
            found = find_subgoals(value.value)
            if found is None and is_subgoal(value.value):
                at = value.end
                alone.append(value.value)
            elif mended := self.plan(found):
                at = value.end
                yield value.complete, mended
        if mended := self.plan(find_subgoals(alone)):
            yield True, mended


def read_plan(text: str, agents: Sequence[str], goal: str) -> Mended:
    """Returns the plan in an answer, mended where needed, with what was lost on the way.

    Args:
        agents: ids that subgoals may be assigned to, at least one.
        goal: the goal, if the answer does not name it.
    """
    answer = _without_margin(_without_thoughts(text[:MAX_ANSWER]))
    reading = _Reading(agents=agents, goal=goal)
    mended = reading.best(answer) or _in_a_text(answer, reading) or _in_a_file(answer, reading)
    if mended is not None and mended.plan is not None:
        return mended
    complaint = _complaint(answer)
    steps = subgoals_in_words(answer, agents)
    in_words = reading.plan(Found(items=steps, goal=None, tools=(), others=0)) if steps else None
    if in_words is not None:
        return replace(in_words, complaints=(complaint, *in_words.complaints))
    return mended or Mended(plan=None, complaints=(complaint,))


def _rank(mended: Mended) -> tuple[bool, int]:
    return not mended.complaints, len(mended.plan.subgoals) if mended.plan else 0


def _in_a_text(answer: str, reading: _Reading) -> Mended | None:
    """Returns the plan in a JSON text that is itself a text in JSON."""
    match = _OPENING.search(answer)
    if match is None:
        return None
    try:
        value = parse_lenient(answer, match.start()).value
    except NestingError:
        return None
    members = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    texts = [each for each in members if isinstance(each, str) and "{" in each]
    return next((mended for text in texts if (mended := reading.best(text))), None)


def _in_a_file(answer: str, reading: _Reading) -> Mended | None:
    """Returns the plan in an answer that is written as YAML or TOML."""
    for value in _documents(answer):
        if mended := reading.plan(find_subgoals(value)):
            return mended
    return None


def _documents(answer: str) -> Iterator[object]:
    for block in (*_YAML.findall(answer), *((answer,) if _YAML_ITSELF.search(answer) else ())):
        with suppress(PlainYamlError):
            yield parse_plain_yaml(block).value
    for block in (*_TOML.findall(answer), answer):
        if "[[" in block:
            with suppress(tomllib.TOMLDecodeError, RecursionError):
                yield tomllib.loads(block)


def _without_thoughts(answer: str) -> str:
    """Returns an answer without what stands between tags of thinking."""
    kept: list[str] = []
    at, opened = 0, None
    for tag in _THOUGHT.finditer(answer):
        if not tag.group(1) and opened is None:
            opened = tag.start()
        elif tag.group(1) and opened is not None:
            kept.append(answer[at:opened])
            at, opened = tag.end(), None
    return "".join([*kept, answer[at:]])


def _without_margin(answer: str) -> str:
    """Returns an answer without the sign that begins each of its lines, as in a diff or a quotation."""
    lines = answer.strip().splitlines()
    if len(lines) > 1 and all(line[:1] == lines[0][:1] for line in lines) and _MARGIN.match(lines[0]):
        if lines[0].rstrip().endswith("|"):
            return answer
        return "\n".join(line[1:] for line in lines)
    return answer


def _complaint(answer: str) -> str:
    """Returns why an answer is no plan, in the words of a strict reading."""
    try:
        read_document(answer, PlannedWork)
    except ModelAnswerError as error:
        return str(error)
    return "subgoals: none of them says what is to be done"
