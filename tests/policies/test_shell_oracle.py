"""The commands that the analyser sees are those that an independent parser of shell scripts sees."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.policies.commands import cases

from aurora_policies.shell.command import Command
from aurora_policies.shell.port import Shell
from aurora_policies.shell.state import State
from aurora_policies.shell.stream import NOT_KNOWN, Stream
from aurora_policies.shell.walk import Walk
from aurora_policies.shell.words import Word

SHFMT = Path(sys.executable).with_name("shfmt")
# What the other parser sees and bash would not run by itself: bodies of functions, and data.
NOT_RUN = ("()", "function ", "alias", "trap", "<<", "coproc", "select", "case")


class Seen:
    """Programs that note their names and do nothing."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.commands: list[list[str]] = []
        self.refused = False

    def run(self, command: Command, shell: Shell) -> Stream:
        self.names.add(command.words[0].text)
        self.commands.append([word.text for word in command.words])
        return NOT_KNOWN

    def read(self, target: Word, shell: Shell) -> Stream:
        return NOT_KNOWN

    def write(self, target: Word, content: Stream, shell: Shell, *, append: bool, by: str | None) -> None: ...

    def assigned(self, name: str, value: object, shell: Shell) -> None: ...

    def undecided(self, reason: str) -> None:
        self.refused = True

    def fork_bomb(self, name: str) -> None: ...

    def piles_up(self) -> None: ...


def tree_by_oracle(command: str) -> Any:
    """Returns the syntax tree; None if the script is refused."""
    done = subprocess.run(
        [SHFMT, "--to-json", "-ln", "bash"], input=command.encode(), capture_output=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def names_by_oracle(command: str) -> set[str] | None:
    """Returns the literal names of the commands; None if the script is refused."""
    tree = tree_by_oracle(command)
    return set(_literal_names(tree)) if tree is not None else None


def _literal_names(node: Any) -> list[str]:
    found: list[str] = []
    if isinstance(node, dict):
        if node.get("Type") == "CallExpr" and node.get("Args"):
            parts = node["Args"][0]["Parts"]
            if len(parts) == 1 and parts[0].get("Type") == "Lit" and not set(parts[0]["Value"]) & set("\\*?[{~"):
                found.append(parts[0]["Value"])
        if node.get("Type") != "FuncDecl":
            for value in node.values():
                found += _literal_names(value)
    elif isinstance(node, list):
        for value in node:
            found += _literal_names(value)
    return found


@pytest.mark.skipif(not SHFMT.exists(), reason="shfmt is not installed here")
def test_the_names_of_commands_agree() -> None:
    commands = [case.command for name in ("building.jsonl", "held_out.jsonl") for case in cases(name)]
    compared, wrong = 0, []
    for command in commands[::6]:
        if any(mark in command for mark in NOT_RUN):
            continue
        wanted = names_by_oracle(command)
        if wanted is None:
            continue
        seen = Seen()
        Walk(seen, state=State(folder="/w"), home="/h").run_text(command)
        compared += 1
        if not wanted <= seen.names | {"time", "let", "[", "test", "declare", "export"}:
            wrong.append((command, wanted - seen.names))
    assert wrong == []
    assert compared > 60


def seen(command: str) -> list[list[str]]:
    programs = Seen()
    Walk(programs, state=State(folder="/w"), home="/h").run_text(command)
    return programs.commands


REDIRECTIONS = ("2>/dev/null", "> out", "<in", "2>&1", ">&2", "&>all", "<<< text", ">|x", "3>&1", "<&-")


@pytest.mark.parametrize("redirection", REDIRECTIONS)
def test_no_word_is_lost_wherever_a_redirection_stands(redirection: str) -> None:
    words = ["rm", "-rf", "a", "b"]
    for at in range(len(words) + 1):
        command = " ".join([*words[:at], redirection, *words[at:]])
        assert seen(command) == [words], command
        assert words in seen(f"ls; {command} && ls"), command
        assert words in seen(f"ls | {command}"), command
        assert words in seen(f"A=1 {command} 2>x"), command


def test_no_word_is_lost_behind_a_here_document() -> None:
    for command in ("rm <<E -rf a b\nx\nE", "rm -rf <<E a b\nx\nE", "<<E rm -rf a b\nx\nE", "rm -rf a <<'E' b\nx\nE"):
        assert ["rm", "-rf", "a", "b"] in seen(command), command


SIMPLE = ("rm -rf a", "git push -f", "touch x y", "psql -c q", "ls")


def simple(chance: random.Random) -> str:
    words = chance.choice(SIMPLE).split()
    for _number in range(chance.randint(0, 2)):
        words.insert(chance.randint(0, len(words)), chance.choice(REDIRECTIONS))
    if chance.random() < 0.2:
        words.insert(0, chance.choice(["A=1", "!", "time"]))
    return " ".join(words)


def script(chance: random.Random, depth: int = 0) -> str:
    """A script of nested statements, with redirections in any place."""

    def inner() -> str:
        return script(chance, depth + 1)

    kind = chance.randrange(12) if depth < 3 else 0
    if kind < 2:
        return simple(chance)
    forms = {
        2: lambda: inner() + chance.choice([" | ", " && ", " || ", "; ", " & ", "\n", " |& "]) + inner(),
        3: lambda: f"({inner()})" + chance.choice(["", " >o", " 2>&1"]),
        4: lambda: f"{{ {inner()}; }}" + chance.choice(["", " >o", " <i"]),
        5: lambda: f"if {inner()}; then {inner()}; else {inner()}; fi",
        6: lambda: f"while {inner()}; do {inner()}; done" + chance.choice(["", " <i"]),
        7: lambda: f"for i in 1 2; do {inner()}; done",
        8: lambda: f'echo $({inner()}) "`{simple(chance)}`"',
        9: lambda: f"case x in a) {inner()};; *) {inner()};; esac",
        10: lambda: f"cat <({inner()})",
        11: lambda: (
            "cat <<E" + chance.choice([f" | {simple(chance)}", " >o", "", f" && {simple(chance)}"]) + "\ntext\nE"
        ),
    }
    return forms[kind]()


def literal_commands(node: Any) -> list[list[str | None]]:
    """Returns the words of all commands, with None for one that is not plain text."""
    found: list[list[str | None]] = []
    if isinstance(node, dict):
        if node.get("Type") == "CallExpr" and node.get("Args"):
            parts = [word["Parts"] for word in node["Args"]]
            found.append(
                [each[0]["Value"] if len(each) == 1 and each[0]["Type"] == "Lit" else None for each in parts]
            )
        for value in node.values():
            found += literal_commands(value)
    elif isinstance(node, list):
        for value in node:
            found += literal_commands(value)
    return found


@pytest.mark.skipif(not SHFMT.exists(), reason="shfmt is not installed here")
def test_the_words_of_generated_scripts_agree() -> None:
    chance = random.Random(11)
    compared = 0
    for _number in range(80):
        text = script(chance)
        tree = tree_by_oracle(text)
        if tree is None:
            continue
        programs = Seen()
        Walk(programs, state=State(folder="/w"), home="/h").run_text(text)
        if programs.refused:
            continue  # a prompt, whatever is in it
        compared += 1
        found = programs.commands
        for words in literal_commands(tree):
            if None not in words:  # a word that comes of a substitution may be none or many
                assert (words[1:] if words[0] == "time" else words) in found, text
    assert compared > 40
