"""A scripted agent that speaks ACP by hand: what it is told decides what it does.

    python acp_agent.py [FOLDER]

With a folder it keeps its sessions there, each a file with a line for each turn, and can load them. A turn is words
and commands, separated by spaces: `say:TEXT`, `slow:N` (N pieces, 50 ms each), `run:COMMAND` (asks for permission),
`sleep:SECONDS` (a tool that takes long), `ask:TEXT` (a form with two choices), `read` (asks for a file, which Aurora
does not serve), `fail`, `die`, `garbage` (lines that are no events, one of them too long), `count` (tells the turns
that it knows), `child` (starts a process that stays), `stop:REASON`,
`chosen` (tells the mode and model that were set). Other words are said again.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SHIPS = {"sessionUpdate": "available_commands_update", "availableCommands": []}
OPTIONS = [
    {"optionId": "always", "name": "Always", "kind": "allow_always"},
    {"optionId": "once", "name": "Once", "kind": "allow_once"},
    {"optionId": "no", "name": "No", "kind": "reject_once"},
]


class TurnCancelledError(Exception):
    """The turn is cancelled."""


def tell(**document: Any) -> None:
    """Writes a line."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **document}) + "\n")
    sys.stdout.flush()


class Agent:
    """The agent with its session."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.session = ""
        self.turns: list[str] = []
        self.calls = 0
        self.chosen: list[str] = []

    def serve(self) -> None:
        """Answers requests until its stdin ends."""
        while line := sys.stdin.readline():
            request = json.loads(line)
            answer = getattr(self, "on_" + request["method"].replace("/", "_"), None)
            if answer is not None:
                answer(request.get("id"), request["params"])

    def on_initialize(self, request: str, params: dict[str, Any]) -> None:
        assert params["protocolVersion"] == 1
        loads = {"loadSession": self.folder is not None}
        tell(id=request, result={"protocolVersion": 1, "agentCapabilities": loads, "authMethods": []})

    def on_session_new(self, request: str, _params: dict[str, Any]) -> None:
        self.session = f"s{len(list(self.folder.iterdir()))}" if self.folder else "only"
        self.update(SHIPS)
        modes = {"currentModeId": "auto", "availableModes": []}
        tell(id=request, result={"sessionId": self.session, "modes": modes})

    def on_session_load(self, request: str, params: dict[str, Any]) -> None:
        self.session = params["sessionId"]
        if self.folder is None or not (self.folder / self.session).exists():
            tell(id=request, error={"code": -32603, "message": "Internal error", "data": {"details": "no session"}})
            return
        self.turns = (self.folder / self.session).read_text().splitlines()
        for turn in self.turns:
            self.update({"sessionUpdate": "user_message_chunk", "content": {"type": "text", "text": turn}})
            self.say(f"REPLAYED {turn}")
        tell(id=request, result={})

    def on_session_set_mode(self, request: str, params: dict[str, Any]) -> None:
        self.chosen.append(params["modeId"])
        tell(id=request, result={})

    def on_session_set_config_option(self, request: str, params: dict[str, Any]) -> None:
        if params["value"] == "unknown":
            tell(id=request, error={"code": -32602, "message": "no such model"})
            return
        self.chosen.append(f"{params['configId']}={params['value']}")
        tell(id=request, result={"configOptions": []})

    def on_session_prompt(self, request: str, params: dict[str, Any]) -> None:
        text = "".join(block["text"] for block in params["prompt"])
        self.turns.append(" ".join(text.split()))
        if self.folder:
            (self.folder / self.session).write_text("".join(f"{each}\n" for each in self.turns))
        reason = "end_turn"
        try:
            said = text.rpartition("The user now says:\n")[2].splitlines() or [""]
            for word in " ".join(line for line in said if not line.startswith("(Denied")).split():
                verb, _, rest = word.partition(":")
                if verb == "stop":
                    reason = rest
                    break
                if verb == "fail":
                    tell(id=request, error={"code": -32000, "message": "it went wrong"})
                    return
                getattr(self, f"do_{verb}", self.do_say)(rest or word)
        except TurnCancelledError:
            reason = "cancelled"
        usage = {"totalTokens": 12, "inputTokens": 10, "outputTokens": 2}
        tell(id=request, result={"stopReason": reason, "usage": usage})

    def update(self, update: dict[str, Any]) -> None:
        tell(method="session/update", params={"sessionId": self.session, "update": update})

    def say(self, text: str) -> None:
        self.update({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})

    def do_say(self, word: str) -> None:
        self.say(f"{word} ")

    def do_slow(self, count: str) -> None:
        for number in range(int(count)):
            self.look_up()
            self.say(f"{number},")
            time.sleep(0.05)

    def do_run(self, command: str) -> None:
        command = command.replace("_", " ")
        call = self.call("execute", command, rawInput={"command": command})
        answer = self.request("session/request_permission", toolCall=call, options=OPTIONS)["result"]["outcome"]
        if answer["outcome"] == "cancelled":
            raise TurnCancelledError
        self.say(f"{answer['optionId']} ")

    def do_sleep(self, seconds: str) -> None:
        self.call("execute", f"sleep {seconds}", status="in_progress")
        for _ in range(20 * int(seconds)):
            time.sleep(0.05)
            self.look_up()

    def do_ask(self, words: str) -> None:
        field = {"type": "string", "enum": ["red", "blue"], "default": "red"}
        schema = {"type": "object", "properties": {"colour": field}}
        answer = self.request("elicitation/create", mode="form", message=words, requestedSchema=schema)
        self.say(f"answered {json.dumps(answer['result'])} ")

    def do_read(self, _word: str) -> None:
        self.say(f"error {self.request('fs/read_text_file', path='/x')['error']['code']} ")

    def do_count(self, _word: str) -> None:
        self.say(f"{len(self.turns)} ")

    def do_chosen(self, _word: str) -> None:
        self.say(" ".join(self.chosen))

    def do_child(self, _word: str) -> None:
        subprocess.Popen(["sleep", "300"], start_new_session=True, stdout=subprocess.DEVNULL)

    def do_garbage(self, _word: str) -> None:
        wrong = json.dumps(
            {"method": "session/update", "params": {"update": {"sessionUpdate": "agent_message_chunk"}}}
        )
        lines = ("{", "[]", "\x00\x1b[2J", '{"id": [5]}', '{"method": 5}', wrong, "y" * (9 << 20), "{}")
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        tell(id="somebody-elses", result={})

    def do_die(self, _word: str) -> None:
        sys.stderr.write("I die\n")
        os._exit(3)

    def call(self, kind: str, title: str, **more: Any) -> dict[str, Any]:
        self.calls += 1
        call = {"toolCallId": f"c{self.calls}", "title": title, "kind": kind, "status": "pending", **more}
        self.update({"sessionUpdate": "tool_call", **call})
        return call

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        tell(id=7, method=method, params={"sessionId": self.session, **params})
        while True:
            document = json.loads(sys.stdin.readline())
            if document.get("id") == 7:
                return dict(document)

    def look_up(self) -> None:
        """Sees whether the turn was cancelled meanwhile."""
        ready, _, _ = select.select([sys.stdin.fileno()], [], [], 0)
        if ready and json.loads(sys.stdin.readline()).get("method") == "session/cancel":
            raise TurnCancelledError


if __name__ == "__main__":
    # Lines are read one by one from an unbuffered stream, so that `look_up` sees what waits.
    sys.stdin = os.fdopen(0, "rb", buffering=0)
    Agent(Path(sys.argv[1]) if len(sys.argv) > 1 else None).serve()
