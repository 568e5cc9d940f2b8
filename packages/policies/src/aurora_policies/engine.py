"""The policies in force for one project."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING

import yaml

from aurora_policies.load import load_policies
from aurora_policies.merge import judge_merge
from aurora_policies.operations import Operation, OperationType
from aurora_policies.repository import read_repository
from aurora_policies.schema import Caps, Policies, ResourceLimits, Sandbox
from aurora_policies.strictness import Loosening, beside, for_agent, loosenings, tightened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from aurora_policies.diff import ChangedFile, Finding, OtherSearch
    from aurora_policies.operations import PolicyResult

__all__ = ["PoliciesEngine", "RecoveryConfig", "default_policies_yaml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryConfig:
    """The limits of an agent's run.

    Attributes:
        timeout_seconds: time limit of a task from start to end.
        max_timeout_seconds: the limit that it may be extended to; 0 for no limit.
        max_retries: number of attempts after the first.
        fallback_to_llm: a direct model call takes over from an agent that failed.
        max_provider_wait_seconds: total time to wait for a provider without one answer; None for no limit.
    """

    timeout_seconds: float
    max_timeout_seconds: float
    max_retries: int
    fallback_to_llm: bool
    max_provider_wait_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoliciesEngine:
    """The policies in force, and the file they come from.

    Attributes:
        source: the file; None if the defaults are in force.
        user_source: the file of the user's own policies that hold too; None if there is none.
    """

    policies: Policies
    source: Path | None
    user_source: Path | None = None

    @classmethod
    def load(cls, path: Path | None) -> PoliciesEngine:
        """Reads a project's policies; a missing file means the defaults.

        Raises:
            PolicyFileError: the file is not valid; nothing may run.
        """
        # A link to nowhere is not a missing file: the user meant policies to be there.
        if path is None or not (path.exists() or path.is_symlink()):
            return cls(policies=Policies(), source=None)
        from aurora_policies.check import broken_examples  # with the reader of shell; defaults need none of it

        return cls(policies=load_policies(path, broken_examples=broken_examples), source=path)

    def check(self, operation: Operation) -> PolicyResult:
        """Returns what the policies say to an operation; nothing is run, and an answer is given in any case.

        The section of the operation's agent applies too, where it is stricter.
        """
        from aurora_policies.check import check  # as above

        return check(operation, for_agent(self.policies, operation.agent))

    def sandbox_of(self, agent: str | None) -> Sandbox:
        """Returns the sandbox of an agent: the one for all, and its own section where that is stricter."""
        return for_agent(self.policies, agent).sandbox

    def limits_of(self, agent: str | None) -> ResourceLimits:
        """Returns the limits on the resources of an agent: those for all, and its own where they are stricter."""
        return for_agent(self.policies, agent).limits

    def judge_diff(
        self,
        files: Sequence[ChangedFile],
        *,
        agent: str | None = None,
        planned: Sequence[str] = (),
        searches: Sequence[OtherSearch] = (),
    ) -> tuple[Finding, ...]:
        """Returns what the policies object to in the diff of a task; see `aurora_policies.diff`."""
        from aurora_policies.diff import judge_diff  # with the reader of shell; limits need none of it

        return judge_diff(files, for_agent(self.policies, agent), planned=planned, searches=searches)

    def judge_merge(self, target: str, *, repository: Path, agents: Collection[str] = ()) -> PolicyResult:
        """Returns what the policies say to finished work that is brought to a branch; nothing is changed.

        Args:
            target: the branch, without `refs/heads/`.
            repository: a folder of the repository.
            agents: those that have made the work; the section of each applies, where it is stricter.
        """
        default = read_repository(repository).default_branch
        return judge_merge(
            target, [self.policies, *(for_agent(self.policies, each) for each in agents)], default_branch=default
        )

    def judge_push(self, remote: str, branch: str, *, repository: Path, agents: Collection[str] = ()) -> PolicyResult:
        """Returns what the policies say to finished work that is pushed to a remote as a branch; nothing is pushed.

        Args:
            branch: without `refs/heads/`.
            repository: the folder of the checkout.
            agents: as for `judge_merge`.
        """
        command = shlex.join(["git", "push", remote, f"HEAD:refs/heads/{branch}"])
        asked = Operation(type=OperationType.COMMAND, command=command, cwd=repository, workspace=repository)
        answers = [self.check(replace(asked, agent=agent)) for agent in (None, *agents)]
        return max(answers, key=lambda each: each.action.severity)

    def beside(self, users: PoliciesEngine | None) -> PoliciesEngine:
        """Returns these policies with the user's own for all projects, where these are stricter."""
        if users is None:
            return self
        return replace(self, policies=beside(self.policies, users.policies), user_source=users.source)

    def for_agent(self, agent: str | None) -> PoliciesEngine:
        """Returns the policies for an agent: those for all, and its own section where it is stricter."""
        return replace(self, policies=for_agent(self.policies, agent))

    def loosenings(self) -> tuple[Loosening, ...]:
        """Returns the settings of the file that allow more than the defaults."""
        return loosenings(self.policies)

    def without(self, loosened: Iterable[Loosening]) -> PoliciesEngine:
        """Returns the policies as if the file did not contain these settings."""
        return replace(self, policies=tightened(self.policies, [each.field for each in loosened]))

    def as_yaml(self) -> str:
        """Returns the settings in force as they would stand in a file."""
        settings = self.policies.model_dump(mode="json")
        return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=110)

    @property
    def recovery(self) -> RecoveryConfig:
        """The limits of an agent's run."""
        found = self.policies.agent_recovery
        return RecoveryConfig(
            timeout_seconds=found.timeout_seconds,
            max_timeout_seconds=found.max_timeout_seconds,
            max_retries=found.max_retries,
            fallback_to_llm=found.fallback_to_llm,
            max_provider_wait_seconds=found.max_provider_wait_seconds,
        )

    @property
    def caps(self) -> Caps:
        """The caps on agents and attempts."""
        return self.policies.caps


def default_policies_yaml() -> str:
    """Returns the commented file with all defaults, which `aur init` writes."""
    return files("aurora_policies").joinpath("default_policies.yaml").read_text(encoding="utf-8")
