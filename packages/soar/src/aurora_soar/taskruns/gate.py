"""The policy gate of a run: the policies, asked before each tool call of an agent, and which agents ask them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from aurora_policies import Action, Operation, OperationType, PolicyResult
from aurora_soar.registry import LOCAL_AGENT
from aurora_soar.taskruns.hints import hints_for
from aurora_soar.taskruns.shapes import shape_of
from aurora_soar.taskruns.verdicts import verdict_of
from aurora_spawner import CliBackend, ModelBackend
from aurora_spawner.backends.cli import has_gate
from aurora_spawner.gates.hook_command import hook_files
from aurora_spawner.gates.probe import probe_gate
from aurora_spawner.gates.tool_calls import ToolCall, ToolUse, UseKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from aurora_policies import PoliciesEngine
    from aurora_spawner import Backend
    from aurora_spawner.gates.tool_calls import Verdict

__all__ = ["PolicyGate", "RunGate", "find_gate", "how_gated"]

GATED: Final = "on: a hook asks the policies before each tool call"
GATED_THERE: Final = "on its worker: a hook asks the policies there before each tool call"

_TYPES: Final = {
    UseKind.COMMAND: OperationType.COMMAND,
    UseKind.WRITE: OperationType.EDIT,
    UseKind.DELETE: OperationType.DELETE,
}
_UNDECIDABLE: Final = {
    UseKind.UNSEEN: PolicyResult(
        action=Action.PROMPT,
        rule="undecidable",
        reason="has the name of a destructive tool, and its arguments do not show what it destroys",
        instead="Leave it to the user, or ask them.",
    ),
    UseKind.TYPED: PolicyResult(
        action=Action.PROMPT,
        rule="undecidable",
        reason="types only part of a line, so the whole command is not known",
        instead="Type whole lines, each with its newline, and without control characters.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyGate:
    """Judges tool calls by policies.

    Attributes:
        policies: those in force.
        controls: what decides if they are asked at all.
    """

    policies: PoliciesEngine
    controls: tuple[Path, ...] = field(default_factory=hook_files)

    def judge(self, call: ToolCall) -> Verdict:
        """Returns the verdict on a call."""
        answer, shape = self._answer(call)
        return verdict_of(answer, shape=shape)

    def answer(self, call: ToolCall) -> PolicyResult:
        """Returns what the policies say to a call."""
        return self._answer(call)[0]

    def hints(self, agent: str, text: str, workspace: Path) -> tuple[str, ...]:
        """Returns what an agent should know of the policies before it works on a task of this text."""
        return hints_for(self.policies, agent, text, workspace)

    def _answer(self, call: ToolCall) -> tuple[PolicyResult, str]:
        """Returns the strictest answer to the effects and the name of a call, and its shape if a person is asked."""
        named = self.policies.check(Operation(type=OperationType.TOOL, target=call.tool, agent=call.agent))
        allowed = named.action is Action.ALLOW and named.rule is not None
        seen = [use for use in call.uses if not (allowed and use.kind is UseKind.UNSEEN)]
        results = [*(self._result(use, call) for use in seen), named]
        worst = max(results, key=lambda each: each.action.severity)
        stopped = [each for each in results if each.action is not Action.ALLOW]
        return worst, _shape(call, worst, named) if len(stopped) == 1 else ""

    def _result(self, use: ToolUse, call: ToolCall) -> PolicyResult:
        if use.kind in _UNDECIDABLE:
            return _UNDECIDABLE[use.kind]
        operation = Operation(
            type=_TYPES.get(use.kind, OperationType.COMMAND),
            command=f"curl {shlex.quote(use.url)}" if use.kind is UseKind.FETCH else use.command,
            files=use.files,
            lines_changed=use.lines_changed,
            agent=call.agent,
            cwd=call.cwd,
            workspace=call.workspace,
            isolated=call.isolated,
            controls=self.controls,
        )
        return self.policies.check(operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGate:
    """The policy gate of one run.

    Attributes:
        gate: judges tool calls; None if no agent of the run has a hook that works.
        words: for each agent that can change something, how its tool calls are judged or why they are not.
        problem: why hooks do not work here; "" if they do, or none was tried.
    """

    gate: PolicyGate | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def on_workers(self) -> RunGate:
        """Returns it for a run on a pool: each worker tries its hooks for itself, and its policies judge."""

        def said_there(said: str) -> str:
            only_here = self.problem and self.problem in said
            return GATED_THERE if said == GATED or only_here else said

        return replace(self, words={name: said_there(said) for name, said in self.words.items()})


def _shape(call: ToolCall, worst: PolicyResult, named: PolicyResult) -> str:
    """Returns the shape of a question, of which an approval covers nothing that another rule asks about."""
    if worst.action is not Action.PROMPT:
        return ""
    return f"calls of {call.tool}" if worst is named else shape_of(call, worst.rule or "")


def find_gate(policies: PoliciesEngine, backends: Mapping[str, Backend], agents: Collection[str]) -> RunGate:
    """Builds the gate for these agents, and tries its hook with a harmless and a dangerous call.

    Args:
        agents: those that the run may use; names without a backend are left out.
    """
    used = {name: backends[name] for name in sorted(agents) if name in backends and _acts(name, backends[name])}
    if not any(map(has_gate, used.values())):
        return RunGate(words={name: how_gated(each) for name, each in used.items()})
    gate = PolicyGate(policies=policies)
    problem = probe_gate(gate)
    words = {name: how_gated(each, problem=problem) for name, each in used.items()}
    return RunGate(gate=None if problem else gate, words=words, problem=problem)


def _acts(name: str, backend: Backend) -> bool:
    """Returns True for an agent that can change something: the local one only reads, and a model has no tools."""
    return name != LOCAL_AGENT and not isinstance(backend, ModelBackend)


def how_gated(backend: Backend, *, problem: str = "") -> str:
    """Says how an agent's tool calls are judged, or why they are not.

    Args:
        problem: why hooks do not work here; "" if they do.
    """
    if not isinstance(backend, CliBackend):
        return "off: it is a program without hooks"
    trouble = backend.gate_problem or problem
    if not trouble:
        return GATED
    return f"off: {trouble}{'; it may use every tool' if backend.permissive else ''}"
