"""Notices: what a caller should tell the user beside a result; this package itself prints nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Notice", "Notify", "log_notice"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One sentence for the user.

    Attributes:
        warning: something is not as it should be; else the notice only informs.
        budget: it is about the budget, which `notify:` may tell elsewhere.
    """

    message: str
    warning: bool = False
    budget: bool = False


Notify = Callable[[Notice], None]
"""Receives each notice when it arises."""


def log_notice(notice: Notice) -> None:
    """Writes a notice to the log of this package."""
    _LOG.log(logging.WARNING if notice.warning else logging.INFO, "%s", notice.message)
