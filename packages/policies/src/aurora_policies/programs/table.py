"""All programs that are known, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_policies.programs import (
    agents,
    archives,
    containers,
    databases,
    deleting,
    finding,
    git,
    interpreters,
    network,
    printing,
    remote,
    runners,
    shells,
    system,
    wrappers,
    writing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_policies.programs.judge import Call
    from aurora_policies.shell.stream import Stream

__all__ = ["PROGRAMS"]

PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    **printing.PROGRAMS,
    **deleting.PROGRAMS,
    **writing.PROGRAMS,
    **archives.PROGRAMS,
    **network.PROGRAMS,
    **system.PROGRAMS,
    **git.PROGRAMS,
    **databases.PROGRAMS,
    **interpreters.PROGRAMS,
    **runners.PROGRAMS,
    **agents.PROGRAMS,
    **finding.PROGRAMS,
    **containers.PROGRAMS,
    **remote.PROGRAMS,
    **wrappers.PROGRAMS,
    **shells.PROGRAMS,
}
