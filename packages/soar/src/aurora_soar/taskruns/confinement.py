"""The confinement of a run's agents: the sandbox and the limits on resources that the policies ask for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_policies.schema import SandboxMode
from aurora_soar.errors import NoSandboxError
from aurora_soar.registry import LOCAL_AGENT
from aurora_spawner.attempts.resource_limits import ResourceLimits
from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.sandbox.probe import probe_sandbox
from aurora_spawner.sandbox.settings import Confinement, SandboxSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aurora_policies import PoliciesEngine
    from aurora_spawner import Backend
    from aurora_spawner.attempts.sandbox_finding import SandboxFinding

__all__ = ["AgentConfinement", "probed"]

_MIB: Final = 1 << 20
_STRICTEST_FIRST: Final = (SandboxMode.REQUIRE, SandboxMode.AUTO, SandboxMode.OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfinement:
    """Tells how each agent is confined; called with its name.

    The local agent and models are not: they have no tools, and the local agent reads the project's memory.

    Attributes:
        asked: the mode that the run's command asked for; None leaves it to the policies.
    """

    policies: PoliciesEngine
    backends: Mapping[str, Backend]
    asked: SandboxMode | None = None

    def __call__(self, agent: str) -> Confinement:
        """Returns what confines an agent."""
        if agent == LOCAL_AGENT or isinstance(self.backends.get(agent), ModelBackend):
            return Confinement()
        return Confinement(sandbox=self._sandbox(agent), limits=self._limits(agent))

    def _sandbox(self, agent: str) -> SandboxSettings | None:
        policy = self.policies.sandbox_of(agent)
        mode = min(policy.mode, self.asked or SandboxMode.OFF, key=_STRICTEST_FIRST.index)
        if mode is SandboxMode.OFF:
            return None
        writable = tuple(Path(each).expanduser() for each in policy.writable)
        return SandboxSettings(
            required=mode is SandboxMode.REQUIRE,
            network=policy.network,
            writable=writable,
            commands=policy.checks == "inside",
        )

    def _limits(self, agent: str) -> ResourceLimits | None:
        policy = self.policies.limits_of(agent)
        memory = None if policy.memory_mib is None else policy.memory_mib * _MIB
        return ResourceLimits(memory_bytes=memory, processes=policy.processes, cpu_s=policy.cpu_seconds) or None

    def check(self, agents: Collection[str]) -> None:
        """Refuses a run whose agents must be in a sandbox, if none holds here.

        Raises:
            NoSandboxError: none holds.
        """
        for agent in sorted(agents):
            sandbox = self(agent).sandbox
            finding = probed(sandbox) if sandbox is not None and sandbox.required else None
            if finding is not None and not finding.sandboxed:
                raise NoSandboxError(finding.problem)

    def words(self, agents: Collection[str]) -> dict[str, str]:
        """Returns for each of these agents how it is confined, as a probe here has shown."""
        return {agent: self._words(agent) for agent in sorted(agents)}

    def _words(self, agent: str) -> str:
        confinement = self(agent)
        sandbox = confinement.sandbox
        found = "unsandboxed: no sandbox is configured" if sandbox is None else probed(sandbox).words
        return f"{found}{_limit_words(confinement.limits)}"


def _limit_words(limits: ResourceLimits | None) -> str:
    if not limits:
        return ""
    each = (
        f"{limits.memory_bytes // _MIB} MiB of memory" if limits.memory_bytes is not None else "",
        f"{limits.processes} processes" if limits.processes is not None else "",
        f"{limits.cpu_s:g} s of processor time" if limits.cpu_s is not None else "",
    )
    return f"; limits: {', '.join(filter(None, each))}"


@cache
def probed(settings: SandboxSettings) -> SandboxFinding:
    """Returns what a probe of these settings has shown on this machine, once for each process."""
    return probe_sandbox(settings)
