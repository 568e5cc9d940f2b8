"""On a terminal there are colour, a live table and a question before agents start; NO_COLOR takes the colour away."""

from __future__ import annotations

import os
import pty
from typing import TYPE_CHECKING

import pytest
from tests.cli.terminals import AUR, COLOUR, on_terminal, read_all
from tests.warm_python import WarmPopen

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]


@pytest.fixture
def indexed(aur: Aur, shop: Path) -> Path:
    aur("mem", "index")
    return shop


def test_results_have_colour_on_a_terminal(indexed: Path) -> None:
    status, written = on_terminal("mem", "search", "price")
    assert status == ExitCode.DONE
    assert COLOUR.search(written)


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_there_is_no_colour_where_it_is_not_wanted(indexed: Path, environ: dict[str, str]) -> None:
    _, written = on_terminal("mem", "search", "price", **environ)
    assert "price_of" in written
    assert not COLOUR.search(written)


def test_there_is_no_colour_off_a_terminal(indexed: Path, aur: Aur) -> None:
    assert "\x1b" not in aur("mem", "search", "price").stdout


@pytest.fixture
def echoing(shop: Path) -> Path:
    (shop / ".aurora").mkdir()
    config = 'backends:\n  echo: {kind: command, command: ["sh", "-c", "sleep 0.3; cat"]}\n'
    (shop / ".aurora" / "config.yaml").write_text(config, encoding="utf-8")
    (shop / "tasks.md").write_text("- [ ] 1 Say hello\n  - Agent: echo\n", encoding="utf-8")
    return shop


def test_a_run_is_asked_for_first_and_shown_live(echoing: Path) -> None:
    status, written = on_terminal("spawn", "tasks.md", typed="y\n")
    assert status == ExitCode.DONE
    assert "Start? [Y/n]" in written
    assert "1 running" in written
    assert "[1/1] 1 Say hello: succeeded" in COLOUR.sub("", written)
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h"), "the cursor is shown again"


def test_a_terminal_that_cannot_draw_gets_lines(echoing: Path) -> None:
    status, written = on_terminal("spawn", "tasks.md", "--yes", TERM="dumb")
    assert status == ExitCode.DONE
    assert "\x1b" not in written
    assert "[1/1] 1 Say hello: succeeded" in written


def test_a_no_starts_nothing(echoing: Path) -> None:
    status, written = on_terminal("spawn", "tasks.md", typed="n\n")
    assert status == ExitCode.NOT_REACHED
    assert "Start? [Y/n]" in written
    assert not (echoing / ".aurora" / "runs.db").exists()


def test_yes_asks_nothing(echoing: Path) -> None:
    status, written = on_terminal("spawn", "tasks.md", "--yes")
    assert status == ExitCode.DONE
    assert "Start?" not in written


def test_an_end_of_input_at_the_question_starts_nothing(echoing: Path) -> None:
    status, _ = on_terminal("spawn", "tasks.md", typed="\x04")
    assert status == ExitCode.INTERRUPTED
    assert not (echoing / ".aurora" / "runs.db").exists()


@pytest.fixture
def failing(shop: Path) -> Path:
    (shop / ".aurora").mkdir()
    config = (
        "spawner: {recovery: {preset: no_recovery, max_failure_rate: 0.5, min_batch: 2}}\n"
        "backends:\n"
        '  broken: {kind: command, command: ["sh", "-c", "exit 7"]}\n'
        '  echo: {kind: command, command: ["cat"]}\n'
    )
    (shop / ".aurora" / "config.yaml").write_text(config, encoding="utf-8")
    agents = ("broken", "broken", "echo")
    tasks = "".join(f"- [ ] {number} Task\n  - Agent: {agent}\n" for number, agent in enumerate(agents, 1))
    (shop / "tasks.md").write_text(tasks, encoding="utf-8")
    return shop


@pytest.mark.parametrize(
    ("typed", "became", "third"),
    [("c\n", "continued", "succeeded"), ("what?\nskip\n", "skipped", "skipped"), ("S\n", "skipped", "skipped")],
)
def test_a_held_batch_is_asked_about(failing: Path, typed: str, became: str, third: str) -> None:
    status, written = on_terminal("spawn", "tasks.md", "--yes", "--max-concurrent", "1", typed=typed)
    plain = COLOUR.sub("", written)
    assert status == ExitCode.NOT_REACHED
    assert plain.count("c = continue, s = skip the rest, l = leave it held?") == typed.count("\n")
    assert f"[3/3] 3 Task: {third}" in plain
    assert f"2 of 2 tasks failed, more than 50%; the rest was {became}" in plain
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h"), "the cursor is shown again"


def test_a_batch_that_is_left_held_goes_on_by_a_command(failing: Path, aur: Aur) -> None:
    ours, its = pty.openpty()
    command = [str(AUR), "spawn", "tasks.md", "--yes", "--max-concurrent", "1"]
    with WarmPopen(command, stdin=its, stdout=its, stderr=its, env={**os.environ, "TERM": "dumb"}):
        os.close(its)
        os.write(ours, b"l\n")
        written = ""
        while "aur resume spawn-" not in written or "leave it held?" not in written:
            written += os.read(ours, 65536).decode()
        run_id = written.split("aur resume ")[1].split()[0]
        assert aur("resume", run_id).returncode == ExitCode.DONE
        written += read_all(ours)
    os.close(ours)
    assert "[3/3] 3 Task: succeeded" in written
