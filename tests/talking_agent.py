"""A scripted agent that speaks JSON Lines: what it is told decides what it does.

    python talking_agent.py [FOLDER]

With a folder it keeps its sessions there, each a file with a line for each turn, and can go on with them. A turn is
words and commands, separated by spaces: `say:TEXT`, `slow:N` (N pieces, 50 ms each), `run:COMMAND` (asks for
permission), `ask:TEXT|DEFAULT`, `fail`, `die`, `hang`, `count` (tells the turns that it knows), `child` (starts a
process that stays), `flood:N` (N pieces of a megabyte), `garbage` (lines that are no events). Other words are said
again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def tell(**document: Any) -> None:
    """Writes a line."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


class Agent:
    """The agent with its session."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.turns: list[str] = []
        self.session: Path | None = None

    def open(self, session: str | None) -> None:
        """Goes on with a session, or begins one."""
        if self.folder is None:
            tell(type="session", id=None)
            return
        known = self.folder / str(session)
        self.session = known if session and known.exists() else self.folder / f"s{len(list(self.folder.iterdir()))}"
        self.session.touch()
        self.turns = self.session.read_text().splitlines()
        tell(type="session", id=self.session.name)

    def turn(self, text: str) -> None:
        """Does what a turn says."""
        self.turns.append(" ".join(text.split()))
        if self.session:
            self.session.write_text("".join(f"{each}\n" for each in self.turns))
        said = text.rpartition("The user now says:\n")[2]
        for word in said.split():
            verb, _, rest = word.partition(":")
            if not getattr(self, f"do_{verb}", self.do_say)(rest or word):
                return
        tell(type="usage", input_tokens=10, output_tokens=2, cost_usd=0.01)
        tell(type="done")

    def do_say(self, word: str) -> bool:
        tell(type="text", text=f"{word} ")
        return True

    def do_slow(self, count: str) -> bool:
        for number in range(int(count)):
            if heard := self.heard():
                tell(type="failed", message=f"stopped by {heard['type']}")
                return False
            tell(type="text", text=f"{number},")
            time.sleep(0.05)
        return True

    def do_run(self, command: str) -> bool:
        command = command.replace("_", " ")
        tell(type="tool", name="Bash", about=command)
        tell(type="permission", id="p1", tool="Bash", input={"command": command})
        answer = self.wait_for("permission")
        if answer is None:
            return False
        tell(type="text", text="allowed " if answer["allowed"] else f"denied: {answer['reason']} ")
        return True

    def do_ask(self, words: str) -> bool:
        text, _, default = words.partition("|")
        tell(type="question", id="q1", text=text, default=default or None, choices=[])
        answer = self.wait_for("answer")
        if answer is None:
            return False
        tell(type="text", text=f"answered {answer['text']} ")
        return True

    def do_count(self, _word: str) -> bool:
        return self.do_say(f"{len(self.turns)}")

    def do_child(self, _word: str) -> bool:
        subprocess.Popen(["sleep", "300"], start_new_session=True, stdout=subprocess.DEVNULL)
        return True

    def do_flood(self, count: str) -> bool:
        for _ in range(int(count)):
            tell(type="text", text="x" * (1 << 20))
        return True

    def do_garbage(self, _word: str) -> bool:
        for line in ("{", "[]", "\x00\x1b[2J", '{"type": 5}', '{"type": "text", "text": 5}', "y" * (9 << 20), "{}"):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        return True

    def do_fail(self, _word: str) -> bool:
        tell(type="failed", message="it went wrong")
        return False

    def do_die(self, _word: str) -> bool:
        sys.stderr.write("I die\n")
        os._exit(3)

    def do_hang(self, _word: str) -> bool:
        time.sleep(300)
        return True

    def heard(self) -> dict[str, Any] | None:
        """What was said meanwhile, if anything."""
        import select

        ready, _, _ = select.select([sys.stdin.fileno()], [], [], 0)
        return json.loads(sys.stdin.readline()) if ready else None

    def wait_for(self, kind: str) -> dict[str, Any] | None:
        """Waits for an answer; None if it was interrupted instead."""
        document = json.loads(sys.stdin.readline())
        if document["type"] == kind:
            return dict(document)
        tell(type="failed", message="interrupted")
        return None


def main() -> None:
    """Serves until its stdin ends."""
    agent = Agent(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    while line := sys.stdin.readline():
        document = json.loads(line)
        if document["type"] == "open":
            agent.open(document["session"])
        elif document["type"] == "turn":
            agent.turn(document["text"])


if __name__ == "__main__":
    # Lines are read one by one from an unbuffered stream, so that `heard` sees what waits.
    sys.stdin = os.fdopen(0, "rb", buffering=0)
    main()
