"""Orders for the supervisors of a worker, made from the documents of the queue; and results, made from ends."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import AttemptFolder, kept_pieces
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.backends.base import AttemptRequest
from aurora_spawner.backends.time_limit import with_time_limit
from aurora_spawner.distributed.documents import NOTICE_LIMIT, NOTICES, SPOOL_LIMIT_BYTES, EndDocument, Result
from aurora_spawner.distributed.worker_gate import judged_calls
from aurora_spawner.spending.capped_executor import DEPTH_VARIABLE
from aurora_spawner.supervision.environment import TOKEN_VARIABLE, attempt_variables, unattended_environment
from aurora_spawner.tasks.prompts import as_argument
from aurora_spawner.tasks.task import SpawnTask
from aurora_spawner.workspaces.elsewhere import works_elsewhere
from aurora_spawner.workspaces.preparation import GIT_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.backends.base import AgentBackend, Invocation
    from aurora_spawner.distributed.documents import OrderDocument
    from aurora_spawner.gates.hook_command import HookCommand


@dataclass(frozen=True, slots=True)
class Inheritance:
    """The variables of a worker's own environment that its agents see, looked for once for each kind of agent."""

    environ: Mapping[str, str]
    _found: dict[tuple[object, ...], dict[str, str]] = field(default_factory=dict)

    def of(self, invocation: Invocation) -> dict[str, str]:
        """Returns those that an agent sees."""
        needs = (invocation.keep_env, invocation.own_env)
        if needs not in self._found:
            self._found[needs] = unattended_environment(
                self.environ, keep=invocation.keep_env, own=invocation.own_env
            )
        return self._found[needs]


def order_for(
    document: OrderDocument,
    backend: AgentBackend,
    *,
    token: str,
    folder: Path,
    cwd: Path,
    inheritance: Inheritance,
    variables: Mapping[str, str],
    hook: HookCommand | None,
) -> AttemptOrder:
    """Returns the order for a supervisor: the worker's own command for the agent that the document names.

    Args:
        inheritance: What agents see of the worker's own environment.
        variables: Those of the place where the agent works.
        hook: What an agent with hooks runs before each tool call; None for a worker without a gate.

    Raises:
        BackendError: The agent's program cannot be found.
    """
    files = AttemptFolder(path=folder)
    task = SpawnTask(document.prompt, model=document.model, instructions=document.instructions)
    request = AttemptRequest(
        task=task,
        folder=folder,
        prompt_file=files.prompt,
        home=folder / "home",
        new_session=str(uuid.uuid4()) if backend.resumes else "",
        hook=hook,
    )
    invocation = backend.request(request)
    last = (as_argument(document.prompt, files.prompt),) if invocation.prompt_last else ()
    inherited = inheritance.of(invocation)
    if f"{GIT_SETTINGS}COUNT" in inherited:  # settings of the user's own, which are numbered
        variables = {name: value for name, value in variables.items() if not name.startswith(GIT_SETTINGS)}
    names = attempt_variables(token=token, run_id=document.run_id, task_id=document.task_id, number=document.number)
    names |= {DEPTH_VARIABLE: str(document.depth), TOKEN_VARIABLE: token}
    limit = getattr(backend, "cost_flag", ()) if document.allowance_usd is not None else ()
    allowance = (*limit, f"{document.allowance_usd:.6f}") if limit else ()
    return AttemptOrder(
        run_id=document.run_id,
        task_id=document.task_id,
        number=document.number,
        agent=backend.name,
        model=document.model,
        token=token,
        folder=folder,
        prompt=document.prompt,
        command=(*invocation.command, *last, *allowance),
        environment={
            **inherited,
            **variables,
            **with_time_limit(invocation.env, document.deadline_s),
            **names,
        },
        cwd=cwd,
        deadline_s=document.deadline_s,
        files=invocation.files,
        writes=invocation.writes,
        prompt_on_stdin=invocation.prompt_on_stdin,
    )


def where_it_worked(end: AttemptEnd, folder: Path, backend: AgentBackend, cwd: Path) -> AttemptEnd:
    """Returns the end of an attempt in a worktree; it is another if its agent says that it worked elsewhere."""
    if end.reason is not EndReason.EXITED or backend.dialect is None:
        return end
    kept = kept_pieces(AttemptFolder(path=folder).stdout, total=None, cap=SPOOL_LIMIT_BYTES)
    said = backend.read_stream(kept).folder
    problem = None if said is None else works_elsewhere(said, cwd)
    return end if problem is None else replace(end, reason=EndReason.WRONG_FOLDER, stderr=problem, stdout_path=None)


def result_of(end: AttemptEnd, folder: Path, commit: str, notices: Sequence[str] = ()) -> Result:
    """Returns what goes back to the coordinator: the end, the kept bytes of both streams, and the pushed commit.

    Args:
        notices: What its coordinator should know of its worktree.
    """
    files = AttemptFolder(path=folder)
    streams = [
        b"".join(kept_pieces(path, total=None, cap=SPOOL_LIMIT_BYTES)) for path in (files.stdout, files.stderr)
    ]
    if end.stdout_path is None:  # it never began, and its own words say why
        streams = [end.stdout.encode(), end.stderr.encode()]
    names = EndDocument.model_fields.keys() & {each.name for each in fields(end)}
    judged, count = judged_calls(folder)
    own = {name: getattr(end, name) for name in names} | {
        "judged": judged,
        "judged_calls": count,
        "notices": tuple(each[:NOTICE_LIMIT] for each in notices[:NOTICES]),
    }
    document = EndDocument.model_validate(own)
    return Result(end=document, stdout=streams[0], stderr=streams[1], commit=commit)
