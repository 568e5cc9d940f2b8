"""Work for a caller at a socket that ends if the caller hangs up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from asyncio import StreamReader
    from collections.abc import Coroutine

_Answer = TypeVar("_Answer")


async def unless_gone(answer: Coroutine[Any, Any, _Answer], reader: StreamReader) -> _Answer | None:
    """Returns the answer; None if its caller hangs up before, which cancels it."""
    answering = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        return answering.result() if answering.done() else None
    finally:
        answering.cancel()
        gone.cancel()
        await asyncio.gather(answering, gone, return_exceptions=True)
