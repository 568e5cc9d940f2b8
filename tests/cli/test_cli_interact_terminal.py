"""The prompt of a session at a real terminal, that of tmux: turns, commands, Ctrl-C, long texts, two sizes."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.cli.screens import Tmux, needs_tmux
from tests.cli.talks import talking_project
from tests.cli.terminals import AUR, on_terminal
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Open = Callable[..., Tmux]

pytestmark = needs_tmux


@pytest.fixture(autouse=True)
def project(shop: Path) -> Path:
    talking_project(shop)
    return shop


@pytest.fixture
def tmux() -> Iterator[Open]:
    opened: list[Tmux] = []

    def start(*words: str, columns: int = 80, rows: int = 24) -> Tmux:
        opened.append(Tmux("env", "TERM=screen-256color", "LANG=C.UTF-8", AUR, *words, columns=columns, rows=rows))
        return opened[-1]

    yield start
    for each in opened:
        with suppress(Exception):
            each.kill()


def paste(screen: Tmux, text: str) -> None:
    """Pastes as a terminal does that brackets what is pasted."""
    server = ["tmux", "-L", screen._name]
    subprocess.run([*server, "load-buffer", "-"], input=text.encode(), check=True)
    subprocess.run([*server, "paste-buffer", "-p"], check=True)


@pytest.mark.parametrize(("columns", "rows"), few([(80, 24), (200, 50)], 1))
def test_a_conversation_at_the_prompt(tmux: Open, columns: int, rows: int) -> None:
    screen = tmux("interact", columns=columns, rows=rows)
    screen.wait_for("@bot>")
    screen.press("grüße 東京 👩🏽‍🚀", "Enter")
    screen.wait_for("@bot begins (one process, in JSON Lines)", "\ngrüße 東京")
    screen.press("/sw", "Tab")
    screen.wait_for("@bot> /switch")
    screen.press(" fr", "Tab")
    screen.wait_for("@bot> /switch fresh")
    screen.press("Enter")
    screen.wait_for("@fresh>")
    screen.press("/agents", "Enter")
    screen.wait_for("* fresh", "  bot", "  cat")
    screen.press("/switch nobody", "Enter")
    screen.wait_for("no agent named 'nobody'")
    screen.resize(60, 20)
    screen.press("/cost", "Enter")
    screen.wait_for("12 tokens, $0.0100")
    screen.press("/nothing", "Enter")
    screen.wait_for("there is no command /nothing")
    screen.press("C-d")
    screen.wait_for("aur interact --resume", "status 0")


def test_control_c_at_the_prompt_and_in_a_turn(tmux: Open) -> None:
    screen = tmux("interact")
    screen.wait_for("@bot>")
    screen.press("slow:500", "Enter")
    screen.wait_for("0,1,2,3,")
    screen.press("C-c")
    screen.wait_for("(interrupted)")
    screen.press("count", "Enter")
    screen.wait_for("\n2")
    screen.press("C-c")
    screen.wait_for("Ctrl-C once more leaves")
    screen.press("C-c")
    screen.wait_for("status 0")


def test_what_is_typed_while_an_agent_answers_stands_at_the_next_prompt_and_not_in_the_answer(tmux: Open) -> None:
    screen = tmux("interact")
    screen.wait_for("@bot>")
    screen.press("slow:25", "Enter")
    screen.wait_for("0,1,")
    screen.press("count", "Enter", "half of")
    shown = screen.wait_for("@bot> count\n2", "@bot> half of")
    assert "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24," in shown
    screen.press(" it", "Enter", "run:rm_-rf_victim", "Enter")
    screen.wait_for("half of it", "a = approve, d = deny")
    screen.press("x")
    screen.wait_for("\nx")
    screen.press("Enter", "d", "Enter")
    screen.wait_for("denied: the policies")


def test_a_question_is_asked_at_the_prompt_and_control_c_at_it_ends_the_turn(tmux: Open) -> None:
    screen = tmux("interact", "run:rm_-rf_victim")
    screen.wait_for("what  rm -rf victim", "a = approve, d = deny")
    screen.press("d", "Enter")
    screen.wait_for("denied: the policies")
    screen.press("ask:Port?", "Enter")
    screen.wait_for("what  Port?", "your answer")
    screen.press("8080", "Enter")
    screen.wait_for("answered 8080")
    screen.press("ask:Again?", "Enter")
    screen.wait_for("what  Again?")
    screen.press("C-c")
    screen.wait_for("(interrupted)")
    screen.press("/quit", "Enter")
    screen.wait_for("status 0")


def test_a_pasted_text_of_5000_lines_is_one_turn(tmux: Open) -> None:
    screen = tmux("interact", "--agent", "cat")
    screen.wait_for("@cat>")
    paste(screen, "".join(f"line {number}\n" for number in range(5_000)))
    screen.wait_for("line 4999")
    screen.press("Enter")
    screen.wait_for(lambda now: now.rstrip().endswith("@cat>") and "line 4998\nline 4999" in now)
    screen.press("/status", "Enter")
    screen.wait_for(": 1 turn, @cat")


def test_batch_at_a_terminal_answers_once_and_lists_the_defaults() -> None:
    status, written = on_terminal("interact", "ask:Port?|80", "--mode", "batch")
    assert status == ExitCode.DONE
    assert "answered 80" in written
    assert "by default: Port?: 80" in written
    assert on_terminal("interact", "--mode", "batch")[0] == ExitCode.USAGE
    assert on_terminal("interact", "fail", "--mode", "batch")[0] == ExitCode.NOT_REACHED
