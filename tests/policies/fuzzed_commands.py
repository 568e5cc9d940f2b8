"""Commands that nobody would write: pieces of the published ones, cut, repeated, nested and joined."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.policies.commands import cases

if TYPE_CHECKING:
    from collections.abc import Iterator

GLUE = (
    *(" ", "\n", ";", "|", "&&", "||", "&", "$(", ")", "`", "'", '"', "{", "}", ">", "<", "\\\n", "\\"),
    *("<<EOF\n", "\nEOF\n"),
)
WRAPPERS = (
    *("$(@)", "`@`", "(@)", "{ @; }", "eval '@'", 'bash -c "@"', "if @; then :; fi", "f() { @; }; f", "sudo @"),
    *("for i in 1 2; do @; done", "echo @ | sh", "cat <<E\n@\nE", "time @", "x='@'; $x", "let 'a[$(@)]'", "xargs @"),
    *("find . -exec @ \\;", 'psql -c "@"', "python -c '@'", "while read l; do @; done"),
)


def fuzzed(seed: int, count: int) -> Iterator[str]:
    """Yields commands; the same for the same seed."""
    chance = random.Random(seed)
    commands = [case.command for name in ("building.jsonl", "held_out.jsonl") for case in cases(name)]
    for _number in range(count):
        yield _one(chance, commands)


def _one(chance: random.Random, commands: list[str]) -> str:
    text = chance.choice(commands)
    for _change in range(chance.randint(1, 4)):
        kind = chance.randrange(6)
        if kind == 0:
            text = chance.choice(WRAPPERS).replace("@", text)
        elif kind == 1:
            at, end = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
            text = text[:at] + text[end:]
        elif kind == 2:
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(GLUE) + text[at:]
        elif kind == 3:
            text = text + chance.choice(GLUE) + chance.choice(commands)
        elif kind == 4:
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chr(chance.choice((0, 7, 127, 0xE000, 0xE006, 0xD800, 0x1F600, 0x202E))) + text[at:]
        else:
            words = text.split(" ")
            chance.shuffle(words)
            text = " ".join(words)
    return text
