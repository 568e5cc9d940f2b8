"""The user's own rules for tools, by name: those of MCP servers under one name, whatever each CLI calls them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aurora_policies.operations import PolicyResult
from aurora_policies.schema import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aurora_policies.schema import ToolRule

__all__ = ["fits_tool", "tool_result"]

_OF_SERVER: Final = re.compile(r"mcp__(.+?)(?:__(.*))?")
_ALLOWED: Final = PolicyResult(action=Action.ALLOW)


def fits_tool(rule: ToolRule, name: str) -> bool:
    """Tells whether a rule is about the tool that a CLI calls so."""
    return _any_fits((rule.tool,), name) and not _any_fits(rule.exclude, name)


def tool_result(name: str, rules: Iterable[ToolRule]) -> PolicyResult:
    """Returns the answer of the strictest rule that fits a tool; allow without a rule if none does."""
    fitting = [rule for rule in rules if fits_tool(rule, name)]
    if not fitting:
        return _ALLOWED
    rule = max(fitting, key=lambda each: each.action.severity)
    said = f"tools: {rule.tool}"
    if rule.action is Action.ALLOW:
        return PolicyResult(action=Action.ALLOW, rule=said)
    return PolicyResult(
        action=rule.action,
        rule=said,
        reason=rule.reason or f"calls a tool that the rule `{rule.tool}` is about",
        instead=rule.instead or "Do it without this tool, or say in your answer why it is needed.",
    )


def _any_fits(patterns: tuple[str, ...], name: str) -> bool:
    plain = _plain(name)
    return any(fnmatchcase(plain, form) for pattern in patterns for form in _forms(pattern))


@lru_cache(maxsize=256)
def _forms(pattern: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_written(pattern)))


def _written(pattern: str) -> Iterator[str]:
    """Yields a pattern as the CLIs would write the names that it stands for.

    Claude Code, Codex and Qwen Code have `mcp__SERVER__TOOL`, Gemini CLI `mcp_SERVER_TOOL`, OpenCode `SERVER_TOOL`,
    and Copilot CLI `SERVER-TOOL`. Without the prefix a server is told from a built-in tool by its name alone.
    Claude Code puts `plugin_PLUGIN_` before a server of a plugin, and `claude_ai_` before one of the account.
    """
    found = _OF_SERVER.fullmatch(pattern)
    if found is None:
        yield _plain(pattern)
        return
    server, tool = _plain(found[1]), _plain(found[2] or "*")
    yield f"mcp__{server}__{tool}"
    yield f"mcp__plugin_*_{server}__{tool}"
    yield f"mcp__claude_ai_{server}__{tool}"
    yield f"mcp_{server}_{tool}"
    if server[0] not in "*?":
        yield f"{server}_{tool}"


def _plain(name: str) -> str:
    """Returns a name in lower case, with one mark for all that CLIs replace by others."""
    return re.sub(r"[^\w*?]", "_", name.lower())
