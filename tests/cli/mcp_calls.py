"""Calls of the tools of an MCP server, as the official client makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp.client import Client


async def ask(of: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """Returns what a tool answers."""
    answer = await of.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    found = answer.structured_content
    assert isinstance(found, dict)
    return found


async def refusal(of: Client, tool: str, **arguments: object) -> str:
    """Returns the words with which a tool refuses."""
    answer = await of.call_tool(tool, arguments)
    assert answer.is_error
    return "".join(getattr(each, "text", "") for each in answer.content)
