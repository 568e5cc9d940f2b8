"""Calls beside each other: one that hangs or fails holds up no other, and not the end of this process either."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["beside"]

Value = TypeVar("Value")


def beside(work: Callable[[], Value]) -> Future[Value]:
    """Starts a call in a thread of its own, which is left behind when this process ends."""
    future: Future[Value] = Future()

    def call() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 -- whoever asks for the value gets it
            future.set_exception(error)
        else:
            future.set_result(value)

    Thread(target=call, name="workspace", daemon=True).start()
    return future
