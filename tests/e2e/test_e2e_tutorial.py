"""The tutorial: every command of docs/tutorial.md, run in order, prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.control.approvals import open_approvals
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.status import coordinator_pid

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"\b(RUN|ID|PID)\b")
LOOKS = re.compile(r"aur (approvals|runs show|status)\b")
"""Commands that only look: what they are to show may take a moment, so they are asked again."""
WAIT_S = 30


def steps() -> Iterator[tuple[str, str]]:
    """Yields each block of commands with the output that follows it, empty if none is shown."""
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    for (kind, text), (following, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "sh":
            yield text, shown if following == "text" else ""


def commands(block: str) -> Iterator[str]:
    """Yields commands that name a run or only look one by one, and those between them together."""
    waiting: list[str] = []
    for line in block.splitlines():
        if NAMED.search(line) or LOOKS.match(line):
            yield "\n".join(waiting)
            waiting.clear()
            yield line
        else:
            waiting.append(line)
    yield "\n".join(waiting)


def pattern(shown: str) -> re.Pattern[str]:
    lines = [line for line in shown.splitlines() if line != "…"]
    return re.compile("(?s)" + ".*?".join(f"(?m:^{re.escape(line).replace('…', '.*')}$)" for line in lines))


def value_of(name: str, journal: Path) -> str:
    """Returns the newest run, its process or the open question."""
    if name == "ID":
        return open_approvals(journal)[0].approval
    newest = next(each.run for each in list_checkpoints(journal) if each.run.kind == "spawn")
    return newest.run_id if name == "RUN" else str(coordinator_pid(newest))


def test_every_command_of_the_tutorial_prints_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    environ = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "HOME": str(tmp_path / "home"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LANG": "C.UTF-8",
    }
    folder = tmp_path

    def run(script: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{script}"],
            cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def named(text: str) -> str:
        return NAMED.sub(lambda found: value_of(found[0], folder / ".aurora" / "runs.db"), text)

    for block, shown in steps():
        printed = ""
        for command in filter(None, commands(block)):
            given = named(command)
            printed += run(given)
            end = time.monotonic() + WAIT_S
            while LOOKS.match(command) and shown and not pattern(named(shown)).search(printed):
                assert time.monotonic() < end, f"{given}\n{printed}\nis to show\n{shown}"
                time.sleep(0.2)
                printed = run(given)
        folder = tmp_path / "shop"
        if shown:
            assert pattern(named(shown)).search(printed), f"{block}\n{printed}\nis to show\n{shown}"
