"""The options that all runs of a project have in common: of task files, of a question's subgoals, of its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.runs.run_options import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_core import Project
    from aurora_spawner import RecoverySettings
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.runs.run_options import GateOptions

__all__ = ["project_run_options"]


def project_run_options(
    project: Project,
    *,
    kind: str,
    default_agent: str,
    timeout_s: float | None,
    recovery: RecoverySettings | None,
    executor: Executor | None,
    state_dir: Path | None,
    gate: GateOptions,
    folder: Path | None = None,
) -> RunOptions:
    """Returns the options of a run whose agents work in the project's folder.

    Args:
        kind: the part of Aurora that asks for the run.
        timeout_s: of an attempt whose task and agent set none; None for no limit.
        state_dir: the user's own folder, in which the run is announced; None for a run that nobody looks for.
        gate: judges the agents' tool calls.
        folder: of the outputs; the project's `.aurora` if None.
    """
    return RunOptions(
        kind=kind,
        default_agent=default_agent,
        default_timeout_s=timeout_s,
        cwd=project.root,
        spool=(folder or project.aurora_dir) / "runs",
        recovery=recovery,
        executor=executor,
        state_dir=state_dir,
        **gate,
    )
