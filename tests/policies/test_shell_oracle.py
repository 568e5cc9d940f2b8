"""The commands that the analyser sees are those that an independent parser of shell scripts sees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.policies.commands import cases

from aurora_policies.shell.state import State
from aurora_policies.shell.stream import NOT_KNOWN, Stream
from aurora_policies.shell.walk import Command, Shell
from aurora_policies.shell.words import Word

SHFMT = Path(sys.executable).with_name("shfmt")
# What the other parser sees and bash would not run by itself: bodies of functions, and data.
NOT_RUN = ("()", "function ", "alias", "trap", "<<", "coproc", "select", "case")


class Seen:
    """Programs that note their names and do nothing."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.commands: list[list[str]] = []

    def run(self, command: Command, shell: Shell) -> Stream:
        self.names.add(command.words[0].text)
        self.commands.append([word.text for word in command.words])
        return NOT_KNOWN

    def read(self, target: Word, shell: Shell) -> Stream:
        return NOT_KNOWN

    def write(self, target: Word, content: Stream, shell: Shell, *, append: bool, by: str | None) -> None: ...

    def assigned(self, name: str, value: object, shell: Shell) -> None: ...

    def undecided(self, reason: str) -> None: ...

    def fork_bomb(self, name: str) -> None: ...


def names_by_oracle(command: str) -> set[str] | None:
    """Returns the literal names of the commands; None if the script is refused."""
    done = subprocess.run(
        [SHFMT, "--to-json", "-ln", "bash"], input=command.encode(), capture_output=True, check=False
    )
    return set(_literal_names(json.loads(done.stdout))) if done.returncode == 0 else None


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
        Shell(seen, state=State(folder="/w"), home="/h").run_text(command)
        compared += 1
        if not wanted <= seen.names | {"time", "let", "[", "test", "declare", "export"}:
            wrong.append((command, wanted - seen.names))
    assert wrong == []
    assert compared > 60


def seen(command: str) -> list[list[str]]:
    programs = Seen()
    Shell(programs, state=State(folder="/w"), home="/h").run_text(command)
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
