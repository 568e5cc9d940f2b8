"""A scripted Claude Code, for take-overs: `-p` works on a task, without it the user types at a terminal.

At work it notes its arguments and prompt in the file `calls` of its folder, says something in its session, and is
done once there is a file `go`. At a terminal `write FILE` leaves a file, `gate COMMAND` has a tool call judged by the
hook that it was given, `exit` ends it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SESSION = "11111111-2222-4333-8444-555555555555"


def tell(**event: Any) -> None:
    print(json.dumps({"session_id": SESSION, **event}), flush=True)


def work(folder: Path) -> None:
    prompt = sys.stdin.read()
    with (folder / "calls").open("a") as calls:
        calls.write(json.dumps({"arguments": sys.argv[2:], "prompt": prompt, "cwd": str(Path.cwd())}) + "\n")
    tell(type="system", subtype="init", cwd=str(Path.cwd()), model="claude-opus-5-5", tools=[])
    said = {"role": "assistant", "content": [{"type": "text", "text": "I work on it."}]}
    tell(type="assistant", message={"id": f"m{os.getpid()}", "model": "claude-opus-5-5", **said})
    while not (folder / "go").exists():
        time.sleep(0.05)
    Path("agents.txt").write_text("done\n")
    tell(type="result", subtype="success", is_error=False, result="All is done.", total_cost_usd=0.01, num_turns=1)


def talk() -> None:
    resumed = sys.argv[sys.argv.index("--resume") + 1]
    print(f"session {resumed} at a terminal: {os.isatty(0)}, process {os.getpid()}", flush=True)
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        if verb == "exit":
            return
        if verb == "write":
            Path(rest).write_text("by the user\n")
            print(f"wrote {rest}", flush=True)
        elif verb == "gate":
            settings = json.loads(sys.argv[sys.argv.index("--settings") + 1])
            hook = settings["hooks"]["PreToolUse"][0]["hooks"][0]["command"]
            call = {"tool_name": "Bash", "tool_input": {"command": rest}, "cwd": str(Path.cwd())}
            done = subprocess.run(
                ["sh", "-c", hook], check=False, input=json.dumps(call), capture_output=True, text=True
            )
            print(f"judged {rest}: {'allowed' if not done.returncode else 'denied'}", flush=True)


if __name__ == "__main__":
    if "-p" in sys.argv:
        work(Path(sys.argv[1]))
    else:
        talk()
