"""An agent for tests of checks: what each of its attempts does is a shell script of the test's own."""

from collections.abc import Mapping
from pathlib import Path

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

AGENT = """
at={place}/agent/$AURORA_TASK_ID.$AURORA_ATTEMPT_NUMBER
cat > $at.prompt
if test -e $at.sh; then . $at.sh; fi
echo done
"""


def agent(place: Path, scripts: Mapping[str, str]) -> dict[str, CommandBackend]:
    """Return the backend; a script is for `TASK.ATTEMPT`, and its prompt is left beside it."""
    folder = place / "agent"
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in scripts.items():
        (folder / f"{name}.sh").write_text(script)
    (folder / "agent.sh").write_text(AGENT.format(place=place))
    return {"agent": CommandBackend("agent", ("sh", str(folder / "agent.sh")))}


def prompts(place: Path) -> dict[str, str]:
    """Return what the attempts were asked, by `TASK.ATTEMPT`."""
    return {path.stem: path.read_text() for path in sorted((place / "agent").glob("*.prompt"))}


def make_run(
    project: Path,
    place: Path,
    tasks: list[SpawnTask],
    scripts: Mapping[str, str],
    *,
    worktrees: bool = True,
    **options: object,
) -> Run:
    isolation = isolation_of(project, home=place / "worktrees", merge=MergeMode.AUTO)[0] if worktrees else None
    given = RunOptions(
        default_agent="agent",
        cwd=project,
        spool=place / "runs",
        isolation=isolation,
        executor=LocalExecutor(grace_s=0.3),
        **options,  # type: ignore[arg-type]
    )
    return Run.create(place / "runs.db", tasks, agent(place, scripts), given)
