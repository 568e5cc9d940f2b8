"""The syntax tree of a script, within a time limit."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

__all__ = ["TooComplex", "parse"]


class TooComplex(Exception):  # noqa: N818 - a limit of the analysis, not a fault
    """A script whose analysis would take too long."""


_PARSE_S: Final = 0.5


class _OfThread(threading.local):
    """The parser of a thread: two threads in one parser crash the process."""

    parser: Parser | None = None


_OF_THREAD: Final = _OfThread()


def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    if _OF_THREAD.parser is None:
        _OF_THREAD.parser = Parser(Language(tree_sitter_bash.language()))
    return _OF_THREAD.parser


def parse(text: str) -> Node:
    """Parses a script.

    Raises:
        TooComplex: The parser takes too long.
    """
    content = text.encode("utf-8", "surrogatepass")
    if len(content) < 4096:
        return _parser().parse(content).root_node
    limit = time.monotonic() + _PARSE_S
    try:
        return (
            _parser()
            .parse(
                lambda offset, _point: content[offset : offset + 4096],
                progress_callback=lambda _offset, _error: time.monotonic() > limit,  # True stops it
            )
            .root_node
        )
    except ValueError as error:  # the parser was stopped
        _parser().reset()
        raise TooComplex from error
