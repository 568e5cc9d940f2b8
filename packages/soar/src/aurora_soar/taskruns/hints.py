"""Hints before the work: what the policies say to a task's text, for the agent that is about to work on it.

A hint stops nothing. It saves the agent calls that would be denied, and the user questions.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from aurora_policies import Action, Operation, OperationType
from aurora_policies.places import Patterns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aurora_policies import Policies, PoliciesEngine

__all__ = ["MOST_HINTS", "hints_for"]

MOST_HINTS: Final = 6
_MOST_COMMANDS: Final = 20
_COMMAND_LIMIT: Final = 300
"""The characters of a command in a task's text that is looked at; a longer one is no example."""
_TEXT_LIMIT: Final = 50_000
_SHOWN: Final = 80
_FENCE: Final = re.compile(r"^[ \t]*```[^\n]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_SPAN: Final = re.compile(r"`([^`\n]+)`")
_PATH: Final = re.compile(r"[\w.@~-]+(?:/[\w.@~-]+)*/?")
_MENTIONS: Final[Mapping[str, re.Pattern[str]]] = {
    "file_delete": re.compile(
        r"\b(delet(e|es|ing)|remov(e|es|ing)|clean(s|ing)? up|wip(e|ing)|purg(e|ing))\b", re.IGNORECASE
    ),
    "git_force_push": re.compile(
        r"\b(force[- ]?push\w*|rebas(e|ed|ing)|rewrit\w+ (the )?history|squash\w*)\b", re.IGNORECASE
    ),
    "git_push_main": re.compile(
        r"\b(push(es|ed|ing)?|releas(e|ing)|deploy(s|ing)?|publish(es|ing)?)\b", re.IGNORECASE
    ),
    "drop_table": re.compile(
        r"\b(drop(s|ped|ping)?)\b.{0,60}\b(tables?|columns?|schemas?|databases?)\b", re.IGNORECASE
    ),
    "truncate": re.compile(
        r"\b(truncat\w+|empt(y|ies|ying)|reset(s|ting)?)\b.{0,60}\b(files?|tables?|databases?|rows)\b", re.IGNORECASE
    ),
}
"""Patterns of a task's text for which a rule may matter, by rule."""
_WORDS: Final[Mapping[str, str]] = {
    "git_force_push": "pushes that overwrite a branch",
    "git_push_main": "pushes to a protected branch",
    "drop_table": "dropped tables, columns, schemas and databases",
    "truncate": "emptied files and tables, and DELETE or UPDATE without a condition",
}
_ACTIONS: Final = {Action.DENY: "denied", Action.PROMPT: "asked about"}


def hints_for(policies: PoliciesEngine, agent: str, text: str, workspace: Path) -> tuple[str, ...]:
    """Returns what an agent should know of the policies before it works on a task; nothing if no rule matters.

    Args:
        text: of the task.
        workspace: the folder that the agent works in.
    """
    text = text[:_TEXT_LIMIT]
    own = policies.for_agent(agent)
    commands = tuple(_of_commands(own, text, workspace))
    told = {rule for rule, _hint in commands}
    rules = (hint for rule, hint in _of_rules(own.policies, text) if rule not in told)
    found = (*(hint for _rule, hint in commands), *rules, *_of_paths(own.policies, text))
    return tuple(dict.fromkeys(found))[:MOST_HINTS]


def _of_commands(policies: PoliciesEngine, text: str, workspace: Path) -> Iterator[tuple[str, str]]:
    for command in islice(dict.fromkeys(_commands_in(text)), _MOST_COMMANDS):
        asked = Operation(type=OperationType.COMMAND, command=command, cwd=workspace, workspace=workspace)
        answer = policies.check(asked)
        if answer.action is not Action.ALLOW and answer.rule != "undecidable":
            shown = command if len(command) <= _SHOWN else f"{command[:_SHOWN]}…"
            yield answer.rule or "", f"`{shown}` is {_ACTIONS[answer.action]}: {answer.instead}"


def _commands_in(text: str) -> Iterator[str]:
    """Yields what may be commands in a text: the lines of fenced blocks, and what stands in backquotes."""
    for block in _FENCE.finditer(text):
        yield from filter(None, (line.strip().removeprefix("$ ") for line in block[1].splitlines()))
    for span in _SPAN.finditer(_FENCE.sub("", text)):
        if " " in span[1].strip() and len(span[1]) <= _COMMAND_LIMIT:  # one word is a name
            yield span[1].strip()


def _of_rules(policies: Policies, text: str) -> Iterator[tuple[str, str]]:
    rules = policies.destructive
    for rule, mentions in _MENTIONS.items():
        action = getattr(rules, rule).action
        if action is Action.ALLOW or not mentions.search(text):
            continue
        words = _WORDS.get(rule) or f"deletes of more than {rules.file_delete.max_files} files, or of whole folders"
        yield rule, f"{words} are {_ACTIONS[action]}"


def _of_paths(policies: Policies, text: str) -> Iterator[str]:
    protected = Patterns(policies.safety.protected_paths)
    named = dict.fromkeys(each for each in _PATH.findall(text) if protected.match(each.rstrip(".")))
    if named:
        yield f"changes of {', '.join(islice(named, 5))} are asked about; reading is allowed"
