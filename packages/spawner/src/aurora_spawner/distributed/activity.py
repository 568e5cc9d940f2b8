"""The activity of an agent, as the machine sees it on which it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from aurora_spawner.attempts.attempt_folder import AttemptFolder


def activity(files: AttemptFolder) -> tuple[int, int]:
    """Returns numbers that change when the agent does something: the bytes of its output, and its processor time."""
    output = sum(path.stat().st_size for path in (files.stdout, files.stderr) if path.is_file())
    pid = files.read_agent_pid()
    if pid is None:
        return output, 0
    try:
        agent = psutil.Process(pid)
        times = [each.cpu_times() for each in (agent, *agent.children(recursive=True))]
    except psutil.Error:
        return output, 0
    return output, int(10 * sum(each.user + each.system for each in times))
