"""Answers to what agents ask, as the lines of an input give them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aurora_spawner.control.approvals import answer_approval

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_cli.interaction.requests import Request

__all__ = ["answer_question"]


async def answer_question(journal: Path, request: Request) -> bool:
    """Answers the question that a line is about; it goes the same way as an answer of another terminal.

    Returns:
        False if the line is about none.

    Raises:
        SpawnerError: the question cannot be answered.
    """
    approval = request.answer or request.approve or request.deny
    if approval is None:
        return False
    await asyncio.to_thread(
        answer_approval,
        journal,
        approval,
        approved=request.deny is None,
        note=request.text or request.note,
        always=request.always,
    )
    return True
