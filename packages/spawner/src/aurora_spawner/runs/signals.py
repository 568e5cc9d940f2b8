"""Signals to the coordinator, as by Ctrl-C: the first ends its run in order, the second SIGINT at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def end_on_signals(end: Callable[[str, bool], None]) -> Iterator[None]:
    """Calls `end(name of the signal, at once?)` for each ending signal while it is open.

    Only the main thread can receive signals; elsewhere this changes nothing. A signal that this process ignores stays
    ignored: `nohup` means that the run continues. The earlier handlers are restored at the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    interrupts = 0

    def on_signal(number: signal.Signals) -> None:
        nonlocal interrupts
        interrupts += number is signal.SIGINT
        end(number.name, interrupts > 1)

    for number in before:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
