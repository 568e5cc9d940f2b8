"""Reads the addresses that a tool fetches from its name and arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.gates.tool_commands import of_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAMES: Final = frozenset({"urls", "uri", "uris", "endpoint"})
_HOSTS: Final = frozenset({"host", "hostname"})
_READS_PROMPTS: Final = "web_fetch"
"""The tool of Gemini CLI that fetches the addresses in its prompt."""
_IN_TEXT: Final = re.compile(r"https?://[^\s\"'<>)]+", re.IGNORECASE)
_IN_WEB: Final = re.compile(r"\s*(?:https?|wss?|ftps?):", re.IGNORECASE)
_HOST: Final = re.compile(r"[\w-]+(?:\.[\w-]+)+|[0-9a-f]*:[0-9a-f:.]+", re.IGNORECASE)


def addresses(tool: str, arguments: Mapping[str, Any], *, elsewhere: bool) -> Iterator[str]:
    """Yields the addresses that a call fetches.

    Args:
        elsewhere: a command of the call is judged as one on its host already.
    """
    found = False
    for name, given in arguments.items():
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, str) and _is_fetched(name.lower(), each):
                found = True
                yield each
        is_host = name.lower() in _HOSTS and of_server(tool) and not elsewhere
        if is_host and isinstance(given, str) and _HOST.fullmatch(given):
            yield given
    prompt = arguments.get("prompt")
    if tool.lower() == _READS_PROMPTS and isinstance(prompt, str) and not found:
        yield from _IN_TEXT.findall(prompt)


def _is_fetched(name: str, text: str) -> bool:
    """Tells whether a tool fetches a text that it gets under this name; of `uri` and its like only the web's."""
    return (name == "url" and bool(text.strip())) or (name in _NAMES and _IN_WEB.match(text) is not None)
