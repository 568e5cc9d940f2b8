"""The coordinator's side of the documents: an order as one, and a result as the files and the end of an attempt."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import SMALLEST_CAP_BYTES, AttemptFolder, read_output
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, JudgedCall
from aurora_spawner.distributed.clocks import moved
from aurora_spawner.distributed.documents import SPOOL_LIMIT_BYTES, DocumentError, OrderDocument, Result
from aurora_spawner.spending.capped_executor import DEPTH_VARIABLE
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.supervision.local_executor import STDERR_LIMIT_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptOrder
    from aurora_spawner.distributed.documents import TreeDocument

_log = logging.getLogger(__name__)


def document_of(order: AttemptOrder, sandbox: str, tree: TreeDocument | None) -> OrderDocument:
    """Makes the document of an order.

    Raises:
        DocumentError: A field cannot be sent.
    """
    return OrderDocument.of(
        run_id=order.run_id,
        task_id=order.task_id,
        number=order.number,
        agent=order.agent,
        model=order.model,
        prompt=order.prompt,
        deadline_s=order.deadline_s,
        sandbox=sandbox,
        depth=int(order.environment.get(DEPTH_VARIABLE, "1")),
        tree=tree,
        instructions=order.instructions,
        allowance_usd=order.allowance_usd,
    )


def unpacked(packed: bytes, folder: Path, ahead_s: float) -> tuple[AttemptEnd, str]:
    """Writes a result into the attempt's folder, and returns it with the commit that its worker has committed.

    One that cannot be read is no result.

    Args:
        ahead_s: What this machine's clock shows more than that of the result's times.
    """
    files = AttemptFolder(path=folder)
    make_private_folder(folder)
    try:
        result = Result.unpack(packed)
    except DocumentError as error:
        return AttemptEnd(reason=EndReason.NOT_TAKEN, stderr=str(error)), ""
    end = result.end
    for path, content in ((files.stdout, result.stdout), (files.stderr, result.stderr)):
        _write(path, content)
    stderr_total = _count(end.record, "stderr_bytes", len(result.stderr))
    cap = _count(end.record, "cap_bytes", SPOOL_LIMIT_BYTES)
    ended = AttemptEnd(
        **{name: getattr(end, name) for name in type(end).model_fields if name != "judged"},
        judged=tuple(JudgedCall(**each.model_dump()) for each in end.judged),
        stdout=read_output(files.stdout, total=end.stdout_bytes, cap=cap),
        stderr=read_output(files.stderr, total=stderr_total, cap=cap, limit=STDERR_LIMIT_BYTES),
        stdout_path=files.stdout,
    )
    ended = moved(ended, ahead_s)
    if ended.record is not None:
        _write(files.exit, json.dumps(ended.record).encode())
    return ended, result.commit


def _count(record: dict[str, object] | None, name: str, default: int) -> int:
    value = (record or {}).get(name)
    return value if isinstance(value, int) and SMALLEST_CAP_BYTES <= value <= 1 << 62 else default


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def show_life(folder: Path) -> None:
    """Marks the output as grown now, for the watchdog: the agent has done something on its worker."""
    stdout = AttemptFolder(path=folder).stdout
    try:
        stdout.touch(mode=0o600)
    except OSError:
        _log.warning("%s cannot be touched; the watchdog may take its agent for stalled", stdout)
