"""A stand-in for the APIs of models, for agents that are cut off from the network.

    python stand_in.py PORT

It brings up the loopback interface of the network namespace that it is started in, and serves there:

    /PLAY/KEY/v1/messages                  Anthropic
    /PLAY/KEY/v1/responses                 OpenAI
    /PLAY/KEY/v1/chat/completions          OpenAI, older
    /PLAY/KEY/v1beta/models/M:generate…    Gemini
    /log/KEY                               what was asked with that key, as JSON

PLAY names one of `PLAYS`, KEY a performance of its own: each counts its acts from the first. Only requests that offer
tools go on in the play (agents make others for titles and the like, which are told "fine"), unless the play says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import re
import socket
import struct
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LONG_S = 600.0
FOREVER = 1_000_000
WRITE = "echo written by a tool > note.txt"
SLEEP = "echo $$ > tool.pid; exec sleep 299"
AUR = Path(sys.executable).with_name("aur")
WAIT = "until test -e go; do sleep 0.05; done"
USED = (100, 20)
"""Tokens of an answer if its act says nothing else."""
SLOWLY = "One word after the other, slowly and in order, and so many of them that there is time to break it off."
LOOK = "echo looked >> looks.txt"
DEAR = (90_000, 2_500)
CHEAP = (9_000, 700)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One answer."""

    say: str = ""
    run: str = ""
    """A shell command that the agent is to run."""
    write: tuple[str, str] | None = None
    """A file that the agent is to write, and its content: with its own tool, or by a shell where it has none."""
    use: tuple[str, dict[str, Any]] | None = None
    """A tool of an MCP server that the agent is to call: the end of its name, and its arguments."""
    finds: str = ""
    """A pattern; what its group matches in the request stands for FOUND in what is said and run."""
    status: int = 0
    """An error instead of an answer."""
    retry_after_s: int | None = None
    resets_in_s: int | None = None
    """The usage window of the account is used up, and resets then."""
    hang: bool = False
    """Take the request and never answer."""
    drop: bool = False
    """Break the connection in the middle of the answer."""
    pause_s: float = 0.0
    """Between the pieces of the answer."""
    used: tuple[int, int] = USED
    """Tokens that it reports: read, written."""
    times: int = 1
    for_s: float = 0.0
    """Instead of `times`: for so long after the first request of the play."""

    @property
    def acts(self) -> bool:
        """A tool is to be used."""
        return bool(self.run or self.write or self.use)


HUGE = " ".join(f"line {n} of a long answer;" for n in range(16_000))
OVER = Act(say="This play is over.", times=FOREVER)
# What a model says that plans, looks at two things, and writes: `aur soar --tool`.
PLAN = {
    "goal": "Say how prices are added up",
    "subgoals": [
        {
            "description": "Find where prices are added up",
            "ideal_agent": "thinker",
            "assigned_agent": "thinker",
            "source_file": "till.py",
        },
        {
            "description": "Judge what happens with a negative price",
            "ideal_agent": "code-reviewer",
            "ideal_agent_desc": "judges code",
            "assigned_agent": "thinker",
            "match_quality": "acceptable",
            "depends_on": [0],
        },
    ],
}
TORN_PLAN = {**PLAN, "subgoals": [PLAN["subgoals"][0], {"ideal_agent": "code-reviewer"}]}
"""A plan with a part that does not say what is to be done."""
NEW_PLAN = {
    "goal": "A calculator",
    "subgoals": [
        {"description": "Write the lexer", "ideal_agent": "thinker", "assigned_agent": "thinker"},
        {
            "description": "Test the parser",
            "ideal_agent": "thinker",
            "assigned_agent": "thinker",
            "depends_on": [0],
        },
    ],
}
ANSWER = {
    "answer": (
        "Prices are added up one by one in `total` (Agent: thinker) (till.py:6).\n"
        "- A negative price is refused with a ValueError (Agent: thinker) (till.py:8)."
    ),
    "conflicts": [],
}
COLOUR = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "red", "description": "like a rose"}, {"label": "blue", "description": "like the sky"}],
    "multiSelect": False,
}
PLAYS: dict[str, tuple[Act, ...]] = {
    "question": (
        Act(say=f"Here is a plan.\n```json\n{json.dumps(TORN_PLAN)}\n```"),
        Act(say=f"```json\n{json.dumps(PLAN, indent=1)}\n```"),
        Act(run="wc -l till.py"),
        Act(say="- `total` adds up the prices, one by one (till.py:6)"),
        Act(say="- a negative price raises a ValueError (till.py:8)"),
        Act(say=json.dumps(ANSWER)),
    ),
    "words": (
        Act(say=json.dumps(PLAN)),
        Act(say="- `total` adds up the prices, one by one (till.py:6)"),
        Act(say="- a negative price raises a ValueError (till.py:8)"),
        Act(say=json.dumps(ANSWER)),
    ),
    # Two tasks of a file, the second of which fails; a plan of the rest, and its two tasks.
    "replan": (
        Act(say="The grammar is in grammar.txt."),
        Act(say="The parser is written."),  # which is not true
        Act(say=f"```json\n{json.dumps(NEW_PLAN, indent=1)}\n```"),
        Act(say="The lexer is written."),
        Act(say="The parser is tested."),
    ),
    "tool": (Act(say="I write a note.", run=WRITE), Act(say="The note is written.")),
    # Two agents, each with half of a number, and none of the other's.
    "first-half": (
        Act(say="I tell my half.", use=("board_post", {"text": "the first half is 4", "to": "2"})),
        Act(say="I wait for the other.", use=("board_read", {"wait_s": 60})),
        Act(say="I write it.", finds=r"the second half is (\d)", run="echo 4FOUND > whole-1.txt"),
        Act(say="Done.", times=FOREVER),
    ),
    "second-half": (
        Act(say="I wait for the other.", use=("board_read", {"wait_s": 60})),
        Act(say="I tell my half.", use=("board_post", {"text": "the second half is 2", "to": "1"})),
        Act(say="I write it.", finds=r"the first half is (\d)", run="echo FOUND2 > whole-2.txt"),
        Act(say="Done.", times=FOREVER),
    ),
    "memory": (
        Act(say="I search.", use=("memory_search", {"query": "price", "limit": 1})),
        Act(say="I ask for a task.", use=("spawn_tasks", {"taskfile": "tasks.md", "wait_s": 60})),
        Act(say="I have both.", times=FOREVER),
    ),
    # A conversation: a tool, a question to the user, a tool that is interrupted, an answer that is cut off.
    "talk": (
        Act(say="I write a note.", run=WRITE),
        Act(say="The note is written."),
        Act(use=("AskUserQuestion", {"questions": [COLOUR]})),
        Act(say="Thank you."),
        Act(run=SLEEP),
        Act(say=SLOWLY, pause_s=0.4),
        Act(say="Glad to go on.", times=FOREVER),
    ),
    # The same for Codex, which asks its user by a tool of another name.
    "talk-codex": (
        Act(say="I write a note.", run=WRITE),
        Act(say="The note is written."),
        Act(use=("request_user_input", {"questions": [{"id": "colour", **COLOUR}]})),
        Act(say="Thank you."),
        Act(run=SLEEP),
        Act(say=SLOWLY, pause_s=0.4),
        Act(say="Glad to go on.", times=FOREVER),
    ),
    # What every agent can do, whatever it is talked with by.
    "whole": (
        Act(say="I write a note.", run=WRITE),
        Act(say="The note is written."),
        Act(run="rm -r victim"),  # Codex refuses -f by itself
        Act(say="It is removed."),
        Act(run=f"{AUR} ask 'Which colour?' --choices red,blue"),
        Act(say="Thank you."),
        Act(run=SLEEP),
        Act(say=SLOWLY, pause_s=0.4),
        Act(say="Glad to go on.", times=FOREVER),
    ),
    # The same for a model itself, which has no tools: an answer that is interrupted, one that is cut off.
    "words-slowly": (
        Act(say="Glad to go on.", times=2),
        Act(say=SLOWLY, pause_s=0.4, times=2),
        Act(say="Glad to go on.", times=FOREVER),
    ),
    "recall": (Act(say="Glad to help.", times=FOREVER),),
    # Its work fails a check at first, and is mended in the same session; two that write the same line.
    "mended": (
        Act(say="I write it.", run="echo helo > hello-$AURORA_TASK_ID.txt"),
        Act(say="It is written."),
        Act(say="A typing error; I mend it.", run="echo hello > hello-$AURORA_TASK_ID.txt"),
        Act(say="It is mended.", times=FOREVER),
    ),
    "shared": (Act(say="I write the line.", run="echo by $$ > shared.txt"), Act(say="Written.", times=FOREVER)),
    # The same work in three lines and in one, for two candidates of a task.
    "wordy": (Act(say="I write it.", run="seq 3 > best.txt"), Act(say="Written at length.", times=FOREVER)),
    "brief": (Act(say="I write it.", run="seq 1 > best.txt"), Act(say="Written in short.", times=FOREVER)),
    "slow": (Act(run=WRITE), Act(say="One word after the other, slowly and in order.", pause_s=0.4)),
    "r429": (Act(status=429, retry_after_s=1, times=2), Act(say="Patience was rewarded.")),
    "r429long": (Act(status=429, retry_after_s=2, times=5), Act(say="Patience was rewarded.", times=FOREVER)),
    "window": (Act(status=429, resets_in_s=8), Act(say="The window is open again.", times=FOREVER)),
    # A limit in time: 36 s and 12 s, told in steps, at once, and not at all.
    "limit36": (Act(status=429, retry_after_s=3, for_s=36.0), Act(say="Patience was rewarded.", times=FOREVER)),
    "limit12": (Act(status=429, retry_after_s=12, for_s=12.0), Act(say="Patience was rewarded.", times=FOREVER)),
    "untold12": (Act(status=429, for_s=12.0), Act(say="Patience was rewarded.", times=FOREVER)),
    "r401": (Act(status=401, times=FOREVER),),
    "r500": (Act(status=500, times=FOREVER),),
    "drop": (Act(say="Half of an answer is not one.", drop=True, times=2), Act(say="Now it is whole.")),
    "hang": (Act(hang=True, times=FOREVER),),
    "huge": (Act(say=HUGE, times=2),),
    "sleep": (Act(run=SLEEP), Act(say="Done after all.", times=FOREVER)),
    "taken": (
        Act(run=SLEEP),
        Act(run="git push --force origin main", times=2),  # an attempt that is being interrupted may take one
        Act(say="Done after all.", times=FOREVER),
    ),
    "broken": (
        Act(say="I write a note.", run=WRITE),
        Act(status=500, times=8),
        Act(say="Gone on and done.", times=FOREVER),
    ),
    "crowd": (Act(say="Glad to help.", times=FOREVER),),
    # Claude Code 2.1.329 prices each call at 0.41 USD; a task goes on for ever, or is done after two of them.
    "dear": (Act(say="I look.", run=LOOK, used=DEAR, times=FOREVER),),
    "dear-twice": (Act(say="I look.", run=LOOK, used=DEAR), Act(say="Done for a dollar.", used=DEAR, times=FOREVER)),
    "cheap-waits": (Act(run=WAIT, used=CHEAP), Act(say="Done at last.", used=CHEAP, times=FOREVER)),
    "cheap": (
        Act(say="I look.", run=LOOK, used=CHEAP, times=6),
        Act(say="Done for cents.", used=CHEAP, times=FOREVER),
    ),
    # Three calls that must be stopped, and one that must not.
    "danger": (
        Act(run="rm -rf victim"),
        Act(run="git push --force origin main"),
        Act(write=(".env", "SECRET=1")),
        Act(run="echo allowed > allowed.txt"),
        Act(say="I tried it all.", times=FOREVER),
    ),
    "escape": (
        Act(run="echo no > $HOME/escaped.txt; echo yes > inside.txt"),
        Act(say="I tried it.", times=FOREVER),
    ),
    # For an agent without tools, which writes files by how it puts its answer.
    "edit": (Act(say="I write it.\n\nnote.txt\n```\nwritten by an edit\n```\n", times=FOREVER),),
}
KEEPS_ALL = ("talk", "talk-codex", "whole", "words-slowly", "recall")
"""Plays whose requests are kept whole."""
COUNTS_ALL = ("edit", "hang")
"""Plays in which a request without tools counts too."""


@dataclass(slots=True)
class Performance:
    """How far a play has come."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    place: int = 0
    """Of the answers given."""
    began: float = field(default_factory=time.monotonic)


class Stage:
    """All performances."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._performances: dict[str, Performance] = defaultdict(Performance)

    def next_act(self, play: str, key: str, api: Api) -> Act:
        """What comes next for this request, written down."""
        counts = bool(api.tools) or play.rstrip("!") in COUNTS_ALL or play.endswith("!")
        with self._lock:
            performance = self._performances[key]
            age_s = time.monotonic() - performance.began
            act = _act_at(PLAYS[play.rstrip("!")], performance.place, age_s) if counts else Act(say="fine")
            performance.place += counts
            act = api.with_found(act)
            performance.asked.append(
                {
                    "at": time.time(),
                    "api": api.name,
                    "counts": counts,
                    "messages": api.messages,
                    "told": json.dumps(api.body) if play.rstrip("!") in KEEPS_ALL else "",
                    "act": act.status or act.run or (act.write[0] if act.write else act.say[:40]),
                }
            )
        return act

    def forget(self) -> None:
        """Lets each performance begin anew."""
        with self._lock:
            self._performances.clear()

    def asked(self, key: str) -> list[dict[str, Any]]:
        """Every request of a performance, in order."""
        with self._lock:
            return list(self._performances[key].asked)


def _act_at(play: tuple[Act, ...], place: int, age_s: float) -> Act:
    for act in play:
        if act.for_s:
            if age_s < act.for_s:
                return act
        elif place < act.times:
            return act
        else:
            place -= act.times
    return OVER


# The dialects. Each reads a request, and puts an answer as that API does: whole, or in events.


class Api(ABC):
    """What all have in common."""

    name = ""

    def __init__(self, body: dict[str, Any], path: str) -> None:
        self.body = body
        self.model = body.get("model") or "stand-in"
        self.streams = bool(body.get("stream")) or "stream" in path.rpartition(":")[2]

    @property
    def tools(self) -> dict[str, dict[str, Any]]:
        """Schemas of arguments by tool."""
        return {}

    @property
    def folder(self) -> str:
        """The folder that the prompt names, for tools that take absolute paths only; "" if it names none."""
        found = re.search(r"in the folder (/[^\s\"\\]+)", json.dumps(self.body))
        return f"{found[1]}/" if found else ""

    @property
    def messages(self) -> int:
        """How long the conversation is."""
        return len(self.body.get("messages") or self.body.get("input") or self.body.get("contents") or ())

    def with_found(self, act: Act) -> Act:
        """The act with what it finds in the request."""
        if not act.finds:
            return act
        found = re.search(act.finds, json.dumps(self.body))
        word = found[1] if found else "nothing"
        return replace(act, say=act.say.replace("FOUND", word), run=act.run.replace("FOUND", word))

    def call(self, act: Act) -> tuple[str, dict[str, Any]] | None:
        """The tool that does what the act says, and its arguments; None if there is nothing to do."""
        if act.use is not None:
            return next(((name, act.use[1]) for name in self.tools if name.endswith(act.use[0])), None)
        if act.write is not None:
            for name, schema in self.tools.items():
                if name.lower() in WRITERS:
                    return name, _written(schema, self.folder + act.write[0], act.write[1])
        command = act.run or (WRITE_BY_SHELL.format(*act.write) if act.write else "")
        for name, schema in self.tools.items() if command else ():
            if name.lower() in SHELLS:
                return name, _arguments(schema, command)
        return None

    @abstractmethod
    def whole(self, act: Act) -> dict[str, Any]:
        """An answer in one piece."""

    @abstractmethod
    def events(self, act: Act) -> Iterator[bytes]:
        """An answer as it is streamed."""

    def window(self, resets_at: int) -> tuple[dict[str, Any], dict[str, str]]:
        """How the API says that a usage window is used up: document and headers."""
        return self.error(429), {"retry-after": str(resets_at - int(time.time()))}

    def error(self, status: int) -> dict[str, Any]:
        words = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "api_error")
        return {"type": "error", "error": {"type": words, "code": words, "message": f"the stand-in answers {status}"}}


SHELLS = ("bash", "shell", "run_shell_command", "exec_command", "shell_command", "execute_command", "run_commands")
WRITERS = ("write", "write_file", "create")
WRITE_BY_SHELL = "cat > {0} <<'END'\n{1}\nEND"
PATH_NAMES = ("file_path", "filePath", "absolute_path", "path")
CONTENT_NAMES = ("content", "contents", "file_text")
COMMAND_NAMES = ("command", "cmd", "commands")


def _arguments(schema: dict[str, Any], command: str) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    name = next((each for each in COMMAND_NAMES if each in properties), "command")
    takes_list = str((properties.get(name) or {}).get("type", "")).lower() == "array"
    words = ["bash", "-lc", command] if name == "command" else [command]
    given: dict[str, Any] = {name: words if takes_list else command}
    for other in schema.get("required") or ():
        kind = str((properties.get(other) or {}).get("type", "string")).lower()
        given.setdefault(
            other, {"boolean": False, "integer": 60, "number": 60, "array": [], "object": {}}.get(kind, "note")
        )
    return given


def _written(schema: dict[str, Any], path: str, content: str) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    return {
        **{name: path for name in PATH_NAMES if name in properties},
        **{name: content for name in CONTENT_NAMES if name in properties},
    }


def _sse(data: object, event: str = "") -> bytes:
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def _pieces(text: str) -> list[str]:
    size = max(12, len(text) // 40)
    return [text[start : start + size] for start in range(0, len(text), size)]


class Anthropic(Api):
    name = "anthropic"

    def window(self, resets_at: int) -> tuple[dict[str, Any], dict[str, str]]:
        of_all = {"status": "rejected", "reset": str(resets_at), "representative-claim": "five_hour"}
        of_it = {"5h-status": "rejected", "5h-reset": str(resets_at), "5h-utilization": "1.0"}
        headers = {f"anthropic-ratelimit-unified-{name}": value for name, value in {**of_all, **of_it}.items()}
        return self.error(429), {**headers, "retry-after": str(resets_at - int(time.time()))}

    @property
    def tools(self) -> dict[str, dict[str, Any]]:
        return {
            tool["name"]: tool.get("input_schema") or {} for tool in self.body.get("tools") or () if "name" in tool
        }

    def _blocks(self, act: Act) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = [{"type": "text", "text": act.say}] if act.say else []
        call = self.call(act)
        if call:
            blocks.append({"type": "tool_use", "id": f"toolu_{time.time_ns()}", "name": call[0], "input": call[1]})
        return blocks

    def whole(self, act: Act) -> dict[str, Any]:
        return {
            "id": f"msg_{time.time_ns()}",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": self._blocks(act),
            "stop_reason": "tool_use" if act.acts else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": act.used[0], "output_tokens": act.used[1]},
        }

    def events(self, act: Act) -> Iterator[bytes]:
        start = {**self.whole(act), "content": [], "stop_reason": None}
        yield _sse({"type": "message_start", "message": start}, "message_start")
        for index, block in enumerate(self._blocks(act)):
            yield from self._block(index, block)
        delta = {"stop_reason": "tool_use" if act.acts else "end_turn", "stop_sequence": None}
        end = {"type": "message_delta", "delta": delta, "usage": {"output_tokens": act.used[1]}}
        yield _sse(end, "message_delta")
        yield _sse({"type": "message_stop"}, "message_stop")

    def _block(self, index: int, block: dict[str, Any]) -> Iterator[bytes]:
        says = block["type"] == "text"
        empty = {**block, "text": ""} if says else {**block, "input": {}}
        yield self._event("content_block_start", index, content_block=empty)
        for piece in _pieces(block["text"] if says else json.dumps(block["input"])):
            delta = (
                {"type": "text_delta", "text": piece} if says else {"type": "input_json_delta", "partial_json": piece}
            )
            yield self._event("content_block_delta", index, delta=delta)
        yield self._event("content_block_stop", index)

    def _event(self, kind: str, index: int, **more: Any) -> bytes:
        return _sse({"type": kind, "index": index, **more}, kind)


class Responses(Api):
    name = "responses"

    def window(self, resets_at: int) -> tuple[dict[str, Any], dict[str, str]]:
        told = {"used-percent": "100.0", "window-minutes": "300", "reset-at": str(resets_at)}
        error = {"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "pro"}
        headers = {f"x-codex-primary-{name}": value for name, value in told.items()}
        return {"error": {**error, "resets_at": resets_at}}, headers

    @property
    def tools(self) -> dict[str, dict[str, Any]]:
        return {name: schema for name, (_space, schema) in self._spaced.items()}

    @property
    def _spaced(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """The namespace of each tool, which those of MCP servers have, and the schema of its arguments."""
        found = {}
        for tool in self.body.get("tools") or ():
            space = tool["name"] if tool["type"] == "namespace" else ""
            for each in tool["tools"] if space else (tool,):
                found[each.get("name") or each["type"]] = (space, each.get("parameters") or {})
        return found

    def _items(self, act: Act) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        if act.say:
            content = [{"type": "output_text", "text": act.say, "annotations": []}]
            items.append({"type": "message", "id": f"m{time.time_ns()}", "role": "assistant", "content": content})
        call = self.call(act)
        if call:
            name, given = call
            space = self._spaced[name][0]
            one = {"name": name, "arguments": json.dumps(given), "call_id": f"c{time.time_ns()}"}
            one |= {"namespace": space} if space else {}
            items.append({"type": "function_call", "id": f"f{time.time_ns()}", **one})
        return items

    def whole(self, act: Act) -> dict[str, Any]:
        read, written = act.used
        return {
            "id": f"resp_{time.time_ns()}",
            "object": "response",
            "status": "completed",
            "model": self.model,
            "output": self._items(act),
            "usage": {"input_tokens": read, "output_tokens": written, "total_tokens": read + written},
        }

    def events(self, act: Act) -> Iterator[bytes]:
        whole = self.whole(act)
        yield self._event(
            "response.created", response={**whole, "status": "in_progress", "output": [], "usage": None}
        )
        for index, item in enumerate(whole["output"]):
            place = {"output_index": index, "item_id": item["id"]}
            if item["type"] == "message":
                yield self._event("response.output_item.added", **place, item={**item, "content": []})
                for piece in _pieces(act.say):
                    yield self._event("response.output_text.delta", **place, content_index=0, delta=piece)
            yield self._event("response.output_item.done", **place, item=item)
        yield self._event("response.completed", response=whole)

    def _event(self, kind: str, **more: Any) -> bytes:
        return _sse({"type": kind, **more}, kind)


class Chat(Api):
    name = "chat"

    @property
    def tools(self) -> dict[str, dict[str, Any]]:
        functions = [tool.get("function") or {} for tool in self.body.get("tools") or ()]
        return {each["name"]: each.get("parameters") or {} for each in functions if "name" in each}

    def _calls(self, act: Act) -> list[dict[str, Any]]:
        call = self.call(act)
        if call is None:
            return []
        function = {"name": call[0], "arguments": json.dumps(call[1])}
        return [{"index": 0, "id": f"call_{time.time_ns()}", "type": "function", "function": function}]

    def _frame(self, kind: str, **more: Any) -> dict[str, Any]:
        return {
            "id": f"chat{time.time_ns()}",
            "object": kind,
            "created": int(time.time()),
            "model": self.model,
            **more,
        }

    def _usage(self, act: Act) -> dict[str, int]:
        return {"prompt_tokens": act.used[0], "completion_tokens": act.used[1], "total_tokens": sum(act.used)}

    def whole(self, act: Act) -> dict[str, Any]:
        message = {"role": "assistant", "content": act.say or None, "tool_calls": self._calls(act) or None}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if act.acts else "stop"}
        return self._frame("chat.completion", choices=[choice], usage=self._usage(act))

    def events(self, act: Act) -> Iterator[bytes]:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": piece} for piece in _pieces(act.say)]
        deltas += [
            {"role": "assistant", "content": None, "tool_calls": calls} for calls in [self._calls(act)] if calls
        ]
        for delta in deltas:
            yield _sse(self._chunk(delta, None))
        yield _sse({**self._chunk({}, "tool_calls" if act.acts else "stop"), "usage": self._usage(act)})
        yield _sse("[DONE]")

    def _chunk(self, delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return self._frame("chat.completion.chunk", choices=[{"index": 0, "delta": delta, "finish_reason": reason}])


class Gemini(Api):
    name = "gemini"

    @property
    def tools(self) -> dict[str, dict[str, Any]]:
        return {
            each["name"]: each.get("parametersJsonSchema") or each.get("parameters") or {}
            for tool in self.body.get("tools") or ()
            for each in tool.get("functionDeclarations") or ()
        }

    def _answer(self, act: Act, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if last:
            candidate["finishReason"] = "STOP"
        read, written = act.used
        used = {"promptTokenCount": read, "candidatesTokenCount": written, "totalTokenCount": read + written}
        return {"candidates": [candidate], "usageMetadata": used, "modelVersion": self.model}

    def _call_parts(self, act: Act) -> list[dict[str, Any]]:
        call = self.call(act)
        return [{"functionCall": {"name": call[0], "args": call[1]}}] if call else []

    def whole(self, act: Act) -> dict[str, Any]:
        said: list[dict[str, Any]] = [{"text": act.say}] if act.say else []
        return self._answer(act, said + self._call_parts(act), last=True)

    def events(self, act: Act) -> Iterator[bytes]:
        for piece in _pieces(act.say):
            yield _sse(self._answer(act, [{"text": piece}], last=False))
        yield _sse(self._answer(act, self._call_parts(act) or [{"text": ""}], last=True))

    def error(self, status: int) -> dict[str, Any]:
        word = {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}.get(status, "INTERNAL")
        return {"error": {"code": status, "message": f"the stand-in answers {status}", "status": word}}


def api_of(path: str, body: dict[str, Any]) -> Api | None:
    """Which API a path belongs to."""
    if path.endswith("/messages"):
        return Anthropic(body, path)
    if path.endswith("/responses"):
        return Responses(body, path)
    if path.endswith("/chat/completions"):
        return Chat(body, path)
    return Gemini(body, path) if "generatecontent" in path.lower() else None


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    stage: Stage

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- as the library has it
        """Say nothing."""

    def do_GET(self) -> None:
        """The log, or an end to it; nothing else is there."""
        word, _slash, key = self.path.strip("/").partition("/")
        if word == "log":
            self._json(200, self.stage.asked(key))
        elif word == "forget":
            self.stage.forget()
            self._json(200, [])
        else:
            self._json(404, {"error": {"message": "there is nothing here"}})

    def do_POST(self) -> None:
        """A call of a model."""
        body = self._body()
        play, key, path = [*self.path.split("?")[0].strip("/").split("/", 2), "", ""][:3]
        api = api_of(path, body)
        if api is None or play.rstrip("!") not in PLAYS:
            counted = {"input_tokens": 1, "totalTokens": 1} if "count" in path.lower() else None
            self._json(200 if counted else 404, counted or {"error": {"message": "there is nothing here"}})
            return
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._perform(self.stage.next_act(play, key, api), api)

    def _perform(self, act: Act, api: Api) -> None:
        if act.status:
            wait = {} if act.retry_after_s is None else {"retry-after": str(act.retry_after_s)}
            if act.resets_in_s is None:
                self._json(act.status, api.error(act.status), wait)
            else:
                self._json(act.status, *api.window(int(time.time()) + act.resets_in_s))
        elif act.hang:
            self.connection.settimeout(LONG_S)
            self.connection.recv(1)
            self.close_connection = True
        elif api.streams:
            self._stream(act, api)
        elif act.drop:
            self._break_off()
        else:
            self._json(200, api.whole(act))

    def _stream(self, act: Act, api: Api) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(api.events(act)):
            if act.drop and number == 3:
                self._break_off()
                return
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
            time.sleep(act.pause_s)
        self.wfile.write(b"0\r\n\r\n")

    def _break_off(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _body(self) -> dict[str, Any]:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if (self.headers.get("Transfer-Encoding") or "") == "chunked":
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        with contextlib.suppress(ValueError):
            body = json.loads(content)
            return body if isinstance(body, dict) else {}
        return {}

    def _json(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, said in {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **(headers or {}),
        }.items():
            self.send_header(name, said)
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def raise_loopback() -> None:
    """Bring up `lo`, which is down in a new namespace."""
    with socket.socket() as any_socket:
        flags = struct.pack("16sh", b"lo", 0x1 | 0x40)  # up and running
        fcntl.ioctl(any_socket, 0x8914, flags)  # SIOCSIFFLAGS


def main() -> None:
    """Serve until ended."""
    raise_loopback()
    Handler.stage = Stage()
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
