"""A scripted stand-in for `codex app-server`: what a turn says decides what it does.

    python app_server.py FOLDER …

Threads are files in the folder. A turn is words and commands, separated by spaces: `run:COMMAND` and `patch:FILE` ask
for consent, `ask:TEXT` asks the user, `odd` asks for what nobody offers, `mcp:TOOL` asks for a tool of a server,
`other` does things in another thread, `slow` waits to be interrupted, `late` too, and has no id before, `fail:STATUS`
fails, `retry` says that it tries again, `garbage` writes what is no message, `die` ends, `count` tells the turns of
the thread. Other words are said again.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def tell(**message: Any) -> None:
    """Writes a line."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Server:
    """The server with its one thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.thread = ""
        self.turn = ""
        self.asked = 0

    def note(self, method: str, **params: Any) -> None:
        """Tells something about the turn."""
        tell(method=method, params={"threadId": self.thread, "turnId": self.turn, **params})

    def item(self, method: str, **item: Any) -> None:
        self.note(method, item=item)

    def on_initialize(self, message: dict[str, Any]) -> None:
        if (self.folder / "refuses").exists():
            tell(id=message["id"], error={"code": -32600, "message": "this client is too old"})
        else:
            tell(id=message["id"], result={"userAgent": "scripted"})

    def on_thread_start(self, message: dict[str, Any]) -> None:
        self.thread = f"t{len(list(self.folder.glob('t*')))}"
        (self.folder / self.thread).touch()
        self.opened(message)

    def on_thread_resume(self, message: dict[str, Any]) -> None:
        self.thread = message["params"]["threadId"]
        if not (self.folder / self.thread).exists():
            tell(id=message["id"], error={"code": -32600, "message": f"no rollout found for {self.thread}"})
            return
        self.opened(message)
        self.turn = "an earlier one"
        self.used(7)

    def opened(self, message: dict[str, Any]) -> None:
        (self.folder / "opened.json").write_text(json.dumps(message["params"]))
        tell(id=message["id"], result={"thread": {"id": self.thread, "turns": []}, "model": "scripted"})

    def used(self, count: int) -> None:
        self.note("thread/tokenUsage/updated", tokenUsage={"last": {"inputTokens": count, "outputTokens": 1}})

    def on_turn_start(self, message: dict[str, Any]) -> None:
        text = message["params"]["input"][0]["text"]
        with (self.folder / self.thread).open("a") as file:
            file.write(f"{text.splitlines()[-1]}\n")
        self.turn = f"turn {text}"
        words = text.rpartition("The user now says:\n")[2].split()
        if "late" not in words:
            tell(id=message["id"], result={"turn": {"id": self.turn}})
            self.note("turn/started", turn={"id": self.turn})
        end: dict[str, Any] = {"status": "completed", "error": None}
        for word in words:
            verb, _, rest = word.partition(":")
            found = getattr(self, f"do_{verb}", self.do_say)(rest or word)
            if found is not None:
                end = found
                break
        self.used(10)
        self.note("turn/completed", turn={"id": self.turn, **end})

    def do_say(self, word: str) -> None:
        self.item("item/started", type="agentMessage", id=f"m-{word}", text="")
        self.note("item/agentMessage/delta", itemId=f"m-{word}", delta=word[:2])
        self.note("item/agentMessage/delta", itemId=f"m-{word}", delta=word[2:])
        self.item("item/completed", type="agentMessage", id=f"m-{word}", text=word)

    def do_whole(self, _word: str) -> None:
        self.item("item/started", type="agentMessage", id="m-whole", text="")
        self.item("item/completed", type="agentMessage", id="m-whole", text="in one piece")

    def do_count(self, _word: str) -> None:
        self.do_say(str(len((self.folder / self.thread).read_text().splitlines())))

    def ask(self, method: str, **params: Any) -> Any:
        """Asks the client, and returns its answer."""
        self.asked += 1
        tell(id=self.asked, method=method, params={"threadId": self.thread, "turnId": self.turn, **params})
        while True:
            answer = json.loads(sys.stdin.readline())
            if answer.get("id") == self.asked:
                return answer

    def do_run(self, command: str) -> None:
        command = command.replace("_", " ")
        shown = f"/bin/bash -lc '{command}'"
        self.item("item/started", type="commandExecution", id="c1", command=shown)
        answer = self.ask("item/commandExecution/requestApproval", kind="command", itemId="c1", command=shown)
        self.do_say(answer["result"]["decision"])

    def do_host(self, _word: str) -> None:
        answer = self.ask("item/commandExecution/requestApproval", kind="command", itemId="c2", command=None)
        self.do_say(answer["result"]["decision"])

    def do_patch(self, path: str) -> None:
        change = {"path": path, "kind": {"type": "add"}, "diff": "one\ntwo\n"}
        self.item("item/started", type="fileChange", id="p1", changes=[change])
        answer = self.ask("item/fileChange/requestApproval", itemId="p1")
        self.item("item/completed", type="fileChange", id="p1", changes=[change], status="completed")
        self.do_say(answer["result"]["decision"])

    def do_ask(self, text: str) -> None:
        options = [{"label": "red"}, {"label": "blue"}]
        questions = [{"id": "q", "question": text, "options": options}]
        answer = self.ask("item/tool/requestUserInput", itemId="u1", questions=questions)
        self.do_say(answer["result"]["answers"]["q"]["answers"][0].split(";")[0].replace(" ", "-"))

    def do_odd(self, _word: str) -> None:
        self.do_say(str(self.ask("attestation/generate")["error"]["code"]))
        granted = self.ask("item/permissions/requestApproval", permissions={"network": True})["result"]
        self.do_say(json.dumps(granted["permissions"]))
        self.do_say(self.ask("mcpServer/elicitation/request", mode="url", serverName="s")["result"]["action"])

    def do_mcp(self, tool: str) -> None:
        meta = {"codex_approval_kind": "mcp_tool_call", "tool_name": tool, "tool_params": {"sql": "drop table t"}}
        about = {"server": "db", "tool": tool, "arguments": meta["tool_params"]}
        self.item("item/started", type="mcpToolCall", id="s1", **about)
        answer = self.ask("mcpServer/elicitation/request", mode="form", serverName="db", _meta=meta)
        self.do_say(answer["result"]["action"])

    def do_other(self, _word: str) -> None:
        about = {"threadId": "another", "turnId": "x"}
        tell(method="item/agentMessage/delta", params={**about, "itemId": "m", "delta": "not ours"})
        tell(method="turn/completed", params={**about, "turn": {"id": "x", "status": "failed"}})

    def do_slow(self, _word: str) -> dict[str, Any]:
        request = json.loads(sys.stdin.readline())
        assert (request["method"], request["params"]["turnId"]) == ("turn/interrupt", self.turn)
        tell(id=request["id"], result={})
        return {"status": "interrupted", "error": None}

    def do_late(self, word: str) -> dict[str, Any]:
        self.do_say(word)
        waits = self.folder / "go"
        while not waits.exists():
            time.sleep(0.01)
        self.note("turn/started", turn={"id": self.turn})
        return self.do_slow(word)

    def do_fail(self, status: str) -> dict[str, Any]:
        info = {"responseTooManyFailedAttempts": {"httpStatusCode": int(status)}}
        return {"status": "failed", "error": {"message": "too many requests", "codexErrorInfo": info}}

    def do_retry(self, _word: str) -> None:
        self.note("error", willRetry=True, error={"message": "Reconnecting... 1/5", "codexErrorInfo": "other"})

    def do_garbage(self, _word: str) -> None:
        lines = ("{", "[]", "\x00\x1b[2J", '{"method": 5}', '{"method": "item/started", "params": 5}', '{"id": {}}')
        sys.stdout.write("".join(f"{line}\n" for line in (*lines, "y" * (9 << 20), '{"error": "x", "id": "z"}')))
        sys.stdout.flush()

    def do_die(self, _word: str) -> None:
        sys.stderr.write("thread main panicked\n")
        os._exit(101)


def main() -> None:
    """Serves until its stdin ends."""
    server = Server(Path(sys.argv[1]))
    while line := sys.stdin.readline():
        message = json.loads(line)
        handler = getattr(server, f"on_{message.get('method', '').replace('/', '_')}", None)
        if handler is not None:
            handler(message)


if __name__ == "__main__":
    main()
