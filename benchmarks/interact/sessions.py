"""Measures the memory of sessions that are open at once: in one process that holds them all, and in one `aur` each.

    python benchmarks/interact/sessions.py FOLDER SESSIONS          holds sessions of a project, until its input ends

The agents are scripted programs, half of them in ACP and half in JSON Lines; each has answered a turn and is warm.
They are not counted, since what they need is theirs. All of Aurora's processes are counted: coordinators, fork
servers and supervisors.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.cli.talks import AGENT, Talk

from aurora_soar import Aurora

if TYPE_CHECKING:
    from aurora_spawner.conversations.session import Session

ACP_AGENT = AGENT.with_name("acp_agent.py")
AUR = Path(sys.executable).with_name("aur")
AGENTS = ("over-acp", "in-lines")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Megabytes: pages that several processes share are counted once, in parts (PSS)."""

    coordinators: float
    supervisors: float
    processes: int


def measured_sessions(folder: Path, sessions: int) -> dict[str, Memory]:
    """Returns the memory of so many open sessions, by how they are held."""
    folder.mkdir()
    (folder / ".aurora").mkdir()
    (folder / "home").mkdir()
    programs = {"over-acp": (ACP_AGENT, "acp"), "in-lines": (AGENT, "json-lines")}
    backends = {
        name: {"kind": "command", "command": [sys.executable, str(program)], "conversation": protocol}
        for name, (program, protocol) in programs.items()
    }
    (folder / ".aurora" / "config.yaml").write_text(json.dumps({"backends": backends}))
    return {
        "one session": _in_one_process(folder, 1),
        f"{sessions} sessions, in one process": _in_one_process(folder, sessions),
        f"{sessions} sessions, an `aur interact` each": _in_processes(folder, sessions),
    }


def _in_one_process(folder: Path, sessions: int) -> Memory:
    words = [sys.executable, __file__, str(folder), str(sessions)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=_environ(folder), stdin=pipe, stdout=pipe) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        if holder.stdout.readline() != b"ready\n":
            raise SystemExit("the sessions did not open")
        found = _memory([holder.pid])
        holder.stdin.close()
    return found


def _in_processes(folder: Path, sessions: int) -> Memory:
    with ExitStack() as ends:
        talks = []
        for number in range(sessions):
            words = [str(AUR), "interact", "--agent", AGENTS[number % 2]]
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                words, cwd=folder, env=_environ(folder), stdin=pipe, stdout=pipe, stderr=pipe, text=True
            )
            ends.enter_context(process)
            ends.callback(process.kill)
            talks.append(Talk(process))
        for talk in talks:
            talk.say("Hello")
        found = _memory([talk.process.pid for talk in talks])
        for talk in talks:
            talk.leave()
    return found


def _environ(folder: Path) -> dict[str, str]:
    """Returns the environment of a user who trusts the project and has nothing else set."""
    return {**os.environ, "HOME": str(folder / "home"), "AURORA_TRUST": "1", "PYTHONPATH": str(ROOT)}


def _memory(coordinators: list[int]) -> Memory:
    """Returns the memory of processes and of those that they have started, but for agents."""
    found = [psutil.Process(pid) for pid in coordinators]
    below = {each.pid: each for process in found for each in process.children(recursive=True)}
    own = [each for each in below.values() if not {str(AGENT), str(ACP_AGENT)} & set(each.cmdline()[:3])]
    return Memory(
        coordinators=sum(map(_megabytes, found)),
        supervisors=sum(map(_megabytes, own)),
        processes=len(found) + len(own),
    )


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 1e6


def shown_sessions(found: dict[str, Memory]) -> str:
    """Returns the section with the table."""
    lines = [
        "",
        "## Memory of sessions at once",
        "",
        "Megabytes; pages that processes share are counted once. Scripted agents, half in ACP and half in JSON",
        "Lines, each after one turn; their own memory is not counted. *Coordinators*: the processes that hold the",
        "sessions; the target for 20 sessions is 150. A program that uses the library can hold all sessions in one",
        "process. `aur interact` is a process of its own for each session, with an interpreter and its modules.",
        "",
        "| held | coordinators | supervisors and fork servers | processes |",
        "|---|---|---|---|",
    ]
    for name, each in found.items():
        lines.append(f"| {name} | {each.coordinators:.0f} | {each.supervisors:.0f} | {each.processes} |")
    return "\n".join([*lines, ""])


async def hold(folder: Path, sessions: int) -> None:
    """Holds sessions until the input ends; each has had a turn."""

    async def opened(aurora: Aurora, number: int, ends: AsyncExitStack) -> Session:
        session_id = aurora.new_session("", agent=AGENTS[number % 2])
        return await ends.enter_async_context(
            aurora.held_session(session_id, asks=True, on_event=lambda _event: None)
        )

    with Aurora.open(folder) as aurora:
        async with AsyncExitStack() as ends:
            held = [await opened(aurora, number, ends) for number in range(sessions)]
            turns = await asyncio.gather(*(each.say("Hello") for each in held))
            if any(turn.state != "done" for turn in turns):
                raise SystemExit(f"a turn was not answered: {turns}")
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(hold(Path(sys.argv[1]), int(sys.argv[2])))
