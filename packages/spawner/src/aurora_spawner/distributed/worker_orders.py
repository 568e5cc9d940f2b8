"""Orders for the supervisors of a worker, made from the documents of the queue; and results, made from ends."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import AttemptFolder, kept_pieces
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.backends.base import AttemptRequest
from aurora_spawner.distributed.documents import SPOOL_LIMIT_BYTES, EndDocument, Result
from aurora_spawner.limits.capped_executor import DEPTH_VARIABLE
from aurora_spawner.supervision.environment import attempt_variables, unattended_environment
from aurora_spawner.tasks.prompts import as_argument
from aurora_spawner.tasks.task import SpawnTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.backends.command import CommandBackend
    from aurora_spawner.distributed.documents import OrderDocument


def order_for(
    document: OrderDocument,
    backend: CommandBackend,
    *,
    token: str,
    folder: Path,
    cwd: Path,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
) -> AttemptOrder:
    """Returns the order for a supervisor: the worker's own command for the agent that the document names.

    Args:
        variables: Those of the place where the agent works.

    Raises:
        BackendError: The agent's program cannot be found.
    """
    files = AttemptFolder(path=folder)
    task = SpawnTask(document.prompt, model=document.model)
    request = AttemptRequest(task=task, folder=folder, prompt_file=files.prompt, home=folder / "home")
    invocation = backend.request(request)
    last = (as_argument(document.prompt, files.prompt),) if invocation.prompt_last else ()
    inherited = unattended_environment(environ, keep=invocation.keep_env, own=invocation.own_env)
    names = attempt_variables(token=token, run_id=document.run_id, task_id=document.task_id, number=document.number)
    names[DEPTH_VARIABLE] = str(document.depth)
    return AttemptOrder(
        run_id=document.run_id,
        task_id=document.task_id,
        number=document.number,
        agent=backend.name,
        model=document.model,
        token=token,
        folder=folder,
        prompt=document.prompt,
        command=(*invocation.command, *last),
        environment={**inherited, **variables, **invocation.env, **names},
        cwd=cwd,
        deadline_s=document.deadline_s,
        prompt_on_stdin=invocation.prompt_on_stdin,
    )


def result_of(end: AttemptEnd, folder: Path, commit: str) -> Result:
    """Returns what goes back to the coordinator: the end, the kept bytes of both streams, and the pushed commit."""
    files = AttemptFolder(path=folder)
    streams = [
        b"".join(kept_pieces(path, total=None, cap=SPOOL_LIMIT_BYTES)) for path in (files.stdout, files.stderr)
    ]
    if end.stdout_path is None:  # it never began, and its own words say why
        streams = [end.stdout.encode(), end.stderr.encode()]
    names = EndDocument.model_fields.keys() & {each.name for each in fields(end)}
    document = EndDocument.model_validate({name: getattr(end, name) for name in names})
    return Result(end=document, stdout=streams[0], stderr=streams[1], commit=commit)
