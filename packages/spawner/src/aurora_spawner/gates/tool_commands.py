"""Reads the commands that a tool of an MCP server runs, here or elsewhere, from its name and arguments.

Servers name arguments as they like. A tool whose name says that it runs commands is read by all texts that it gets.
"""

from __future__ import annotations

import ast
import re
import shlex
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_RUNS: Final = re.compile(
    r"(^|[^a-z])(exec|shell|bash|zsh|sh|terminal|ssh|powershell|pwsh|cmd|commands?|tmux)([^a-z]|$)", re.IGNORECASE
)
_ELSEWHERE: Final = re.compile(
    r"(^|[^a-z])(ssh|remote|docker|podman|container|kubectl|kubernetes|k8s|adb|vm)([^a-z]|$)", re.IGNORECASE
)
_PLACES: Final = (
    *("host", "hostname", "server", "machine", "container", "container_id", "containerId", "pod", "instance"),
    *("instance_id", "instanceId", "device", "target_host", "remote", "vm"),
)
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1", "local"})
_SOMEWHERE: Final = '"$elsewhere"'
"""A host that is not known, in words of a shell."""
_ARGUMENTS: Final = ("args", "arguments", "argv", "params")
_PROGRAMS: Final = ("program", "executable", "binary", "exe", "bin")
_WORDS_FOR_PEOPLE: Final = frozenset(
    {
        *(
            "description",
            "reason",
            "explanation",
            "title",
            "prompt",
            "query",
            "message",
            "note",
            "thought",
            "summary",
        ),
        *("justification", "purpose", "user", "username", "password", "stdin", "input_text", *_PLACES),
    }
)
_CODE: Final = "code"
_LANGUAGES: Final = ("language", "lang", "runtime", "interpreter")
_INTERPRETERS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("python", "py", "ipython"), ("python3", "-c")),
    **dict.fromkeys(("javascript", "js", "node", "nodejs", "typescript", "ts"), ("node", "-e")),
    **dict.fromkeys(("bash", "sh", "shell", "zsh"), ("bash", "-c")),
    "ruby": ("ruby", "-e"),
    "perl": ("perl", "-e"),
    "php": ("php", "-r"),
}
_VERSION: Final = re.compile(r"[\s\d.]+$|\s+script$")
"""The end of a language's name that tells no more, as in `Python 3.12`."""
_LIKE_SHELL: Final = re.compile(
    r"\s*(?:#!.*sh\b|[\w./~-]{1,100}(?:[ \t]+[^\s(){}=;|&]{1,300}){0,50}[ \t]*(?:$|[\n;|&]))"
)
"""A line as a shell has it: a program and words, without the signs of other languages."""
_LONGEST_LANGUAGE: Final = 100
_LONGEST_PROGRAM: Final = 20_000
"""Characters of a program that is parsed to see if it is Python; a longer one counts as such."""


def of_server(tool: str) -> bool:
    """Tells whether a name is that of an MCP server's tool, as far as its CLI marks it."""
    return "__" in tool or tool.startswith("mcp_")


def parts(tool: str, arguments: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the arguments of a call and, of a server's tool, the objects inside them, such as a batch's steps."""
    found = [arguments]
    waiting: list[Any] = list(arguments.values()) if of_server(tool) else []
    while waiting:  # by hand, since arguments may be nested more deeply than calls of functions
        each = waiting.pop()
        if isinstance(each, dict):
            found.append(each)
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return found


def joined(command: str, arguments: Mapping[str, Any]) -> str:
    """Returns a command with the words and the input that a call gives beside it."""
    text = next((arguments[name] for name in _ARGUMENTS if isinstance(arguments.get(name), str)), "")
    whole = " ".join([command, *filter(None, [text]), *(shlex.quote(word) for word in _listed(arguments))])
    stdin = arguments.get("stdin")
    return f"{{ {whole}\n}} <<< {shlex.quote(stdin)}" if isinstance(stdin, str) and stdin.strip() else whole


def told_commands(tool: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yields the commands of a call that has none under the usual names."""
    own = tool.rpartition("__")[2]
    yield from _programs(arguments)
    if not of_server(tool) or not _RUNS.search(CAMEL.sub("_", own)):
        return
    program = next((arguments[name] for name in _PROGRAMS if isinstance(arguments.get(name), str)), None)
    if program:
        yield joined(shlex.quote(program), arguments)
        return
    for name, given in arguments.items():
        if isinstance(given, list) and given and all(isinstance(word, str) for word in given):
            yield shlex.join(given)
        elif isinstance(given, str) and len(given.split(maxsplit=1)) > 1 and name not in _WORDS_FOR_PEOPLE:
            yield given


def placed(tool: str, arguments: Mapping[str, Any], command: str) -> str:
    """Returns a command as it would be given here: one that runs on another machine behind `ssh`."""
    if not of_server(tool):
        return command
    named = [each for name in _PLACES if isinstance(each := arguments.get(name), str) and each.strip()]
    host = next((each for each in named if each.lower() not in _HERE), "")
    if not host and (named or not _ELSEWHERE.search(CAMEL.sub("_", tool))):
        return command
    return f"ssh -- {shlex.quote(host) if host else _SOMEWHERE} {shlex.quote(command)}"


def _listed(arguments: Mapping[str, Any]) -> list[str]:
    given: list[Any] = next((arguments[name] for name in _ARGUMENTS if isinstance(arguments.get(name), list)), [])
    return [str(word) for word in given if isinstance(word, str | int | float)]


def _programs(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yields the program that a call gives an interpreter, as the command that would run it."""
    code = arguments.get(_CODE)
    if not isinstance(code, str) or not code.strip():
        return
    named = next((arguments[name] for name in _LANGUAGES if isinstance(arguments.get(name), str)), None)
    language = _VERSION.sub("", named[:_LONGEST_LANGUAGE].lower()) if named is not None else _language(code)
    if language in _INTERPRETERS:
        yield shlex.join([*_INTERPRETERS[language], code])


def _language(code: str) -> str:
    """Returns the language that a program seems to be in; "" if it is none of those that are judged."""
    if _is_python(code):
        return "python"
    return "bash" if _LIKE_SHELL.match(code) else ""


def _is_python(code: str) -> bool:
    if len(code) > _LONGEST_PROGRAM:
        return True
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    except (ValueError, RecursionError, MemoryError):  # what cannot be told is judged
        return True
    return True
