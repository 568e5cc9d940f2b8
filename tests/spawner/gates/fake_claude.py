"""A stand-in for Claude Code: runs its PreToolUse hooks before each command that its prompt lists, one a line.

It waits at `wait for FILE`, and reports a tool without a hook at `unasked …`. As a reviewer, `--review COMMAND`, it
runs that command instead, and approves.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

settings = json.loads(sys.argv[sys.argv.index("--settings") + 1])
hooks = [hook for entry in settings["hooks"]["PreToolUse"] for hook in entry["hooks"]]
print(
    json.dumps({"type": "system", "subtype": "init", "cwd": str(Path.cwd()), "session_id": "s", "model": "m"}),
    flush=True,
)
said = []
review = sys.argv[sys.argv.index("--review") + 1] if "--review" in sys.argv else None
prompt = sys.stdin.read()
# What follows the task in the prompt of a retry, a hand-over note, is no command.
commands = prompt.partition("An earlier attempt at this task")[0].splitlines()
for command in commands if review is None else [review]:
    if command.startswith("wait for "):
        while not Path(command.removeprefix("wait for ")).exists():
            time.sleep(0.01)
        continue
    if command.startswith("unasked "):
        use = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": command}}
        print(json.dumps({"type": "assistant", "message": {"role": "assistant", "content": [use]}}), flush=True)
        continue
    call = {"tool_name": "Bash", "tool_input": {"command": command}, "cwd": str(Path.cwd())}
    answers = [
        subprocess.run(
            hook["command"], shell=True, input=json.dumps(call), text=True, capture_output=True, check=False
        )
        for hook in hooks
    ]
    denied = [answer.stderr.strip() for answer in answers if answer.returncode == 2]
    if denied:
        said.append(f"denied: {command}: {denied[0]}")
    else:
        subprocess.run(command, shell=True, check=False)
        said.append(f"done: {command}")
if review is not None:
    said = [json.dumps({"verdict": "approve", "summary": said[0], "reasons": []})]
print(
    json.dumps(
        {"type": "result", "subtype": "success", "is_error": False, "result": "\n".join(said), "session_id": "s"}
    )
)
