"""Folders of personas that are meant to exhaust whoever reads or matches them."""

from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.fuzz.bounded import bounded

from aurora_soar.personas import Matcher, load_roster
from aurora_soar.personas.read import MAX_BYTES

HEAD = "---\nname: NAME\ndescription: one two\n"
ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
SIZE = MAX_BYTES - 100
HEADS = {
    "long description": "goal: " + "word " * (SIZE // 5),
    "other words": "goal: " + " ".join(f"w{number}" for number in range(SIZE // 8)),
    "values": "skills: [" + "1," * (SIZE // 2) + "]",
    "some values": "skills: [" + "1," * 15_000 + "]",
    "nesting": "skills: " + "[" * 30_000,
    "deep nesting": "skills: " + "[" * SIZE,
    "mappings": "skills: " + "{a: " * 7_000,
    "dashes": "skills:\n" + "- " * 15_000,
    "keys": "".join(f"k{number}: v\n" for number in range(SIZE // 10)),
    "one key": "model: opus\n" * (SIZE // 12),
    "tags": "goal: a: b\n" + "<a>\n" * (SIZE // 4),
    "tags that end": "goal: a: b\n" + "<a>x</a><b>" * (SIZE // 11),
    "question marks": "? " * 15_000,
    "quotes": "goal: '" + "''" * 15_000,
    "commas": "tools: " + "a , " * (SIZE // 4),
    "blanks": "goal" + " " * (SIZE - 10) + ": x",
    "aliases": ALIASES + "skills: *i",
    "python tags": "skills: !!python/object/apply:os.system ['true']",
    "impossible date": "skills: !!timestamp 2024-99-99\nrole: !!int x",
    "colons": "goal" + ":" * (SIZE - 10),
    "signs": "name: " + "c++#.net" * (SIZE // 8),
}
OTHERS = {
    ".codex/agents/NAME.toml": {
        "dotted keys": ".".join("a" * 1 for _ in range(30_000)) + " = 1",
        "tables": "".join(f"[a{'.a' * (number % 150)}{number}]\n" for number in range(300)),
        "arrays": "a = " + "[" * 30_000,
        "quotes": 'a = "' + '\\"' * 30_000,
        "digits": "a = " + "9" * 60_000,
        "table of tables": "[[a]]\n" * 10_000,
    },
    ".kiro/agents/NAME.json": {
        "lists": "[" * SIZE,
        "digits": "9" * SIZE,
        "keys": "{" + ",".join(f'"{number}": 1' for number in range(SIZE // 12)) + "}",
        "prompt": '{"prompt": "' + "a " * (SIZE // 2 - 10) + '"}',
    },
}
FILES = 60


def find_and_match(project: Path) -> int:
    """Reads a project's personas and asks for one; returns how many there are."""
    roster = load_roster(project, None, cache=project / ".aurora/cache/manifest.json", now=2e9)
    Matcher(roster).match("Review the change and write tests")
    return len(roster)


@pytest.mark.parametrize("head", few(HEADS, 1))
def test_sixty_large_personas_are_read_and_matched(tmp_path: Path, head: str) -> None:
    folder = tmp_path / ".claude/agents"
    folder.mkdir(parents=True)
    for number in range(FILES):
        text = HEAD.replace("NAME", f"p{number}") + HEADS[head] + "\n---\nBody\n"
        (folder / f"p{number}.md").write_text(text, encoding="utf-8")
    assert bounded(find_and_match, tmp_path) == FILES


@pytest.mark.parametrize(
    ("place", "kind"), few([(place, kind) for place, kinds in OTHERS.items() for kind in kinds], 1)
)
def test_sixty_files_of_other_formats_are_read(tmp_path: Path, place: str, kind: str) -> None:
    for number in range(FILES):
        path = tmp_path / place.replace("NAME", f"p{number}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(OTHERS[place][kind], encoding="utf-8")
    assert bounded(find_and_match, tmp_path) in (0, FILES)


@pytest.mark.parametrize(
    "text", few(["[" * 100_000, ALIASES + "customModes: *i", "customModes:\n" + "- a\n" * 20_000], 1)
)
def test_a_list_of_modes_is_bounded(tmp_path: Path, text: str) -> None:
    (tmp_path / ".roomodes").write_text(text, encoding="utf-8")
    assert bounded(find_and_match, tmp_path) == 0
