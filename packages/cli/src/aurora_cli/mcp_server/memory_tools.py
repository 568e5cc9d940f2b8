"""Tools that search the memory and look up definitions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from aurora_cli.mcp_server.documents import Caller, Chunk, Definitions, SearchResult
from aurora_core.lookup import look_up

if TYPE_CHECKING:
    from aurora_cli.mcp_server.service import ProjectService
    from aurora_soar.aurora.root import Aurora

__all__ = ["MemoryTools"]

Kind = Literal["code", "kb", "doc", "reas"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTools:
    """The memory of the project."""

    project: ProjectService

    async def memory_search(
        self,
        query: Annotated[str, Field(min_length=1, max_length=20_000, description="Words, names or a path")],
        limit: Annotated[int, Field(ge=1, le=50, description="Maximum number of chunks")] = 10,
        kinds: Annotated[list[Kind] | None, Field(description="Only chunks of these kinds; all by default")] = None,
    ) -> SearchResult:
        """Searches the project's code, documents and earlier answers; the best chunks come first.

        What has changed on disk is indexed again before it is returned, so the lines are right.
        """
        return await self.project.call(partial(_search, query=query, limit=limit, kinds=kinds))

    async def memory_lookup(
        self,
        target: Annotated[
            str,
            Field(min_length=1, max_length=2_000, description="NAME, FILE, FILE:LINE, FILE:LINE-LINE or FILE:NAME"),
        ],
        limit: Annotated[int, Field(ge=1, le=50, description="Maximum number of definitions, and of callers")] = 10,
    ) -> Definitions:
        """Looks up a definition by its name or its place in a file, with the lines that call it."""
        return await self.project.call(partial(_look_up, target=target, limit=limit))


def _search(aurora: Aurora, *, query: str, limit: int, kinds: list[Kind] | None) -> SearchResult:
    with aurora.open_memory() as memory:
        return SearchResult(chunks=[Chunk.of(hit) for hit in memory.search(query, limit, kinds=kinds)])


def _look_up(aurora: Aurora, *, target: str, limit: int) -> Definitions:
    with aurora.open_memory() as memory:
        found = look_up(memory, target, limit)
    if not found.chunks:
        raise ToolError(f"nothing in the memory defines {target!r}; memory_search finds it by words")
    return Definitions(
        definitions=[Chunk.of(hit) for hit in found.chunks], callers=[Caller.of(each) for each in found.callers]
    )
