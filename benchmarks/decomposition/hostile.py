"""Sixty hostile answers of a model that was asked for a plan, written before the reader that they test.

The model gives the same answer at each try. `keeps` are words of its own that a usable plan must still hold; answers
without a plan in them keep nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from aurora_soar.model_plans.planned import PLAN_FORM

__all__ = ["GOAL", "LATER", "VARIANTS", "Variant"]

GOAL = "Explain how the retry loop computes the backoff delay and why it gives up after the limit"
FIRST = "Read how backoff_delay doubles the wait"
SECOND = "Find the limit at which retry_loop gives up"
THIRD = "Summarise both for a newcomer"
ALL = ("backoff_delay doubles", "retry_loop gives up", "newcomer")
BOTH = ALL[:2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One hostile answer.

    Attributes:
        keeps: texts that descriptions of the plan must hold between them; () if the answer holds no plan.
    """

    name: str
    kind: str
    answer: str
    keeps: tuple[str, ...] = ()


def _part(description: object, agent: object = "coder", needs: object = (), **more: object) -> dict[str, Any]:
    depends_on = list(needs) if isinstance(needs, tuple) else needs
    return {
        "description": description,
        "ideal_agent": agent,
        "assigned_agent": agent,
        "depends_on": depends_on,
        **more,
    }


def _plan(*parts: object) -> str:
    return json.dumps({"goal": "Explain the retry loop", "subgoals": parts})


PARTS = (_part(FIRST), _part(SECOND, "local"), _part(THIRD, "coder", (0, 1)))
TWO = PARTS[:2]
PLAN = {"goal": "Explain the retry loop", "subgoals": list(PARTS)}
LINE = json.dumps(PLAN)
PAGE = json.dumps(PLAN, indent=2)
CODER = '"assigned_agent": "coder"'
NO_NEEDS = '"depends_on": []'


def _of(kind: str, *rows: tuple[str, str, tuple[str, ...]]) -> tuple[Variant, ...]:
    return tuple(Variant(name=name, kind=kind, answer=answer, keeps=keeps) for name, answer, keeps in rows)


_WRAPPING = _of(
    "wrapping",
    ("fenced with a language", f"```json\n{PAGE}\n```", ALL),
    ("fenced without a language", f"```\n{LINE}\n```", ALL),
    ("fenced as JSON5 in capitals", f"```JSON5\n{PAGE}\n```\nHope this helps!", ALL),
    ("a fence that never closes", f"Here is the plan:\n```json\n{PAGE}\n", ALL),
    (
        "braces in the prose around it",
        f"Looking at {{retry.py}}, I would do this:\n\n{PAGE}\n\nLet me know if {{anything}} is unclear.",
        ALL,
    ),
    ("the form before the plan", 'The format is {"goal": "...", "subgoals": []}. My plan:\n' + LINE, ALL),
    (
        "a draft in thinking tags",
        f'<think>\nMaybe {{"goal": "no", "subgoals": [{{"description": "a bad draft"}}]}}? No.\n</think>\n{LINE}',
        ALL,
    ),
    ("wrapped in a list", json.dumps([PLAN]), ALL),
    ("wrapped in an envelope", json.dumps({"status": "ok", "result": {"plan": PLAN}}), ALL),
    ("JSON inside a JSON string", json.dumps({"content": LINE}), ALL),
    ("a plan and its correction", LINE.replace('"coder"', '"ghost"') + "\nSorry, corrected:\n" + LINE, ALL),
    ("YAML in a fence", "```yaml\n" + yaml.safe_dump(PLAN, sort_keys=False) + "```", ALL),
)
_SYNTAX = _of(
    "syntax",
    ("trailing commas", PAGE.replace("]\n}", "],\n}").replace("}\n  ]", "},\n  ]"), ALL),
    ("single quotes", repr(PLAN), ALL),
    ("single quotes with an apostrophe", repr(PLAN).replace("the limit at", "the loop\\'s limit at"), ALL),
    (
        "the words of Python",
        repr({"goal": "g", "subgoals": [_part(FIRST, is_critical=True, source_file=None), _part(SECOND)]}),
        BOTH,
    ),
    (
        "keys without quotes",
        PAGE.replace('"goal"', "goal").replace('"subgoals"', "subgoals").replace('"description"', "description"),
        ALL,
    ),
    (
        "comments",
        PAGE.replace('"subgoals"', '// the parts\n  "subgoals"').replace(NO_NEEDS, f"{NO_NEEDS} /* none */"),
        ALL,
    ),
    (
        "typographic quotes",
        LINE.replace(': "', ": \u201c").replace('", "', '\u201d, "').replace('"}', "\u201d}"),
        ALL,
    ),
    ("a line break inside a string", LINE.replace("doubles the wait", "doubles\nthe wait"), ALL),
    ("no commas between objects", PAGE.replace("},\n    {", "}\n    {"), ALL),
    ("an ellipsis in a list", PAGE.replace(NO_NEEDS, '"depends_on": [...]'), ALL),
    ("a backslash that escapes nothing", LINE.replace("Read how", r"Read \d+: how"), ALL),
    ("a byte order mark and null bytes", f"\ufeff{LINE}\x00\x00", ALL),
)
_CUT_OFF = _of(
    "cut off",
    ("in a string", LINE[: LINE.index("gives up")], ALL[:1]),
    ("after a key", LINE[: LINE.index('"assigned_agent": "local"') + 17], BOTH),
    ("before the last bracket", LINE[:-2], ALL),
    ("in the first subgoal", LINE[: LINE.index('"assigned_agent"')], ALL[:1]),
    ("in a fence", "```json\n" + PAGE[: PAGE.index(THIRD) + 9], BOTH),
    ("in the middle", f"{LINE[:150]}\n[... 2,031 characters omitted ...]\n{LINE[-80:]}", ALL[:1]),
)
_TYPES = _of(
    "types",
    ("indexes as strings", LINE.replace("[0, 1]", '["0", "1"]'), ALL),
    ("one index and no list", LINE.replace("[0, 1]", "1"), ALL),
    ("null for lists", LINE.replace(NO_NEEDS, '"depends_on": null'), ALL),
    ("subgoals as strings", _plan(FIRST, SECOND, THIRD), ALL),
    (
        "subgoals as an object of numbers",
        json.dumps({"goal": "g", "subgoals": {"1": TWO[0], "2": TWO[1]}}),
        BOTH,
    ),
    (
        "words for true and numbers for quality",
        _plan(
            _part(FIRST, is_critical="yes", match_quality=0.9),
            _part(SECOND, is_critical="false", match_quality="Excellent"),
        ),
        BOTH,
    ),
    ("a description that is a list", _plan(_part([FIRST, "and note the cap"]), TWO[1]), BOTH),
    (
        "no goal, and fields that nobody asked for",
        json.dumps(
            {"version": 3, "subgoals": [_part(FIRST, estimate="2h", risk={"level": 1}), _part(SECOND, tags=["x"])]}
        ),
        BOTH,
    ),
)
_AGENTS = _of(
    "agents",
    ("an unknown agent", LINE.replace(CODER, '"assigned_agent": "senior-python-dev"'), ALL),
    ("agents with @ and capitals", LINE.replace(CODER, '"assigned_agent": "@Coder"'), ALL),
    ("no agents at all", _plan({"description": FIRST}, {"description": SECOND}), BOTH),
    ("agents as objects", _plan(_part(FIRST, {"id": "coder"}), _part(SECOND, None)), BOTH),
)
_GRAPH = _of(
    "graph",
    ("a cycle of two", _plan(_part(FIRST, needs=(1,)), _part(SECOND, needs=(0,)), PARTS[2]), ALL),
    ("each needs itself", _plan(_part(FIRST, needs=(0,)), _part(SECOND, needs=(1,))), BOTH),
    ("indexes from one", _plan(PARTS[0], _part(SECOND, needs=(1,)), _part(THIRD, needs=(1, 2))), ALL),
    ("dependants first", _plan(_part(THIRD, needs=(1, 2)), *TWO), ALL),
    ("indexes that do not exist", _plan(_part(FIRST, needs=(-1,)), _part(SECOND, needs=(99,))), BOTH),
    (
        "dependencies by name",
        _plan(_part(FIRST, id="sg-1"), _part(SECOND, id="sg-2"), _part(THIRD, id="sg-3", needs=("sg-1", "sg-2"))),
        ALL,
    ),
)
_SIZE = _of(
    "size",
    (
        "200 subgoals",
        _plan(*(_part(f"Look at part number {n} of backoff_delay") for n in range(1, 201))),
        ("part number 1 of", "part number 12 of"),
    ),
    ("the same subgoal 40 times and another", _plan(*[TWO[0]] * 40, TWO[1]), BOTH),
    ("a description of 50,000 characters", _plan(_part(FIRST + " and how it does so" * 2_700), TWO[1]), BOTH),
    ("brackets 5,000 deep", '{"goal": "g", "subgoals": ' + "[" * 5_000, ()),
)
_WORDS = _of(
    "words",
    (
        "a numbered list in Markdown",
        f"I would go about it like this:\n\n1. **{FIRST}** (coder)\n2. **{SECOND}**\n3. {THIRD}\n\nShall I begin?",
        ALL,
    ),
    (
        "a table in Markdown",
        f"| # | Subgoal | Agent |\n|---|---|---|\n| 1 | {FIRST} | coder |\n| 2 | {SECOND} | local |\n",
        BOTH,
    ),
    (
        "keys and words in German",
        json.dumps(
            {
                "ziel": "Die Wiederholung erklären",
                "teilziele": [
                    {"beschreibung": "Lies, wie backoff_delay die Wartezeit verdoppelt", "agent": "coder"},
                    {"beschreibung": "Finde die Grenze, an der retry_loop aufgibt", "agent": "local"},
                ],
            },
            ensure_ascii=False,
        ),
        ("verdoppelt", "aufgibt"),
    ),
    (
        "a list in Chinese",
        "计划如下：\n1. 阅读 backoff_delay 如何加倍等待时间\n2. 找到 retry_loop 放弃的上限\n",  # noqa: RUF001 - its own stops
        ("backoff_delay", "retry_loop"),
    ),
    ("an empty list", '{"goal": "Explain the retry loop", "subgoals": []}', ()),
    ("a refusal", "I'm sorry, but I can't help with that request.", ()),
    (
        "a refusal with reasons",
        "I cannot create this plan because:\n\n- the goal is unclear to me\n- I see no files\n\nPlease say more.",
        (),
    ),
    ("nothing", "  \n", ()),
)

VARIANTS = (*_WRAPPING, *_SYNTAX, *_CUT_OFF, *_TYPES, *_AGENTS, *_GRAPH, *_SIZE, *_WORDS)

_SHORT = {"goal": "g", "subgoals": list(TWO)}
LATER = _of(
    "later",
    ("a tool call with arguments as text", json.dumps({"name": "plan", "arguments": json.dumps(_SHORT)}), BOTH),
    ("an assignment in JavaScript", f"const plan = {json.dumps(_SHORT)};\nexport default plan;", BOTH),
    ("one object a line", "\n".join(json.dumps(part) for part in TWO), BOTH),
    ("objects without a list around them", f"{json.dumps(TWO[0])}, {json.dumps(TWO[1])}", BOTH),
    ("an apostrophe in single quotes", repr(_SHORT).replace("the limit at", "the loop's limit at"), BOTH),
    ("quotes inside quotes", json.dumps(_SHORT).replace("the limit at", 'the "hard" limit at'), BOTH),
    ("a diff", "\n".join("+" + line for line in json.dumps(_SHORT, indent=2).splitlines()), BOTH),
    ("colours of a terminal", f"\x1b[32m{json.dumps(_SHORT)}\x1b[0m", BOTH),
    (
        "a tree of parts",
        json.dumps({"goal": "g", "subgoals": [{**TWO[0], "subgoals": [_part(SECOND)]}]}),
        ALL[:1],
    ),
    ("a key twice", json.dumps(_SHORT)[:-1] + ', "subgoals": []}', BOTH),
    ("not a number", json.dumps(_SHORT)[:-1] + ', "cost": NaN, "limit": Infinity}', BOTH),
    ("stops of full width", json.dumps(_SHORT).replace('": ', '"：').replace('", "', '"，"'), BOTH),  # noqa: RUF001
    (
        "blocks with labels",
        f"Subgoal 1: {FIRST}\nAgent: coder\nDepends on: none\n\nSubgoal 2: {SECOND}\nAgent: local\nDepends on: 1\n",
        BOTH,
    ),
    ("check boxes", f"## Plan\n- [ ] {FIRST}\n- [ ] {SECOND}\n", BOTH),
    ("headings with text below", f"### 1. {FIRST}\nIt is short.\n\n### 2. {SECOND}\nSee the constant.\n", BOTH),
    ("a list in HTML", f"<ol><li>{FIRST}</li><li>{SECOND}</li></ol>", BOTH),
    ("elements of XML", f"<plan><subgoal>{FIRST}</subgoal><subgoal>{SECOND}</subgoal></plan>", BOTH),
    ("prose that counts", f"First, {FIRST.lower()}. Then {SECOND.lower()}. Finally, summarise both.", ALL[:2]),
    (
        "prose in French",
        "D'abord, lire comment backoff_delay double l'attente. Ensuite, trouver la limite de retry_loop.",
        ("backoff_delay double", "limite de retry_loop"),
    ),
    ("YAML without a fence", yaml.safe_dump(_SHORT, sort_keys=False), BOTH),
    ("TOML", f'[[subgoals]]\ndescription = "{FIRST}"\n\n[[subgoals]]\ndescription = "{SECOND}"\n', BOTH),
    ("sorry, and then a plan", f"I'm sorry for the delay. Here you are:\n{json.dumps(_SHORT)}", BOTH),
    ("sorry, and then a list", f"I can't run the tests here, but this is the plan:\n1. {FIRST}\n2. {SECOND}\n", BOTH),
    ("the form itself", json.dumps(PLAN_FORM), ()),
    ("a refusal in German", "Leider kann ich dabei nicht helfen:\n- zu wenig Kontext\n- keine Dateien\n", ()),
    ("a question back", "Which of the two loops do you mean?\n1. the one in retry.py\n2. the one in client.py\n", ()),
)
"""Written after the reader, to see how it copes with what it was not made for."""
