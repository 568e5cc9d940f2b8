"""Text and JSON of policies, and of what they say to commands."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_policies import PoliciesEngine, PolicyResult
    from aurora_policies.examples import Outcome
    from aurora_soar.taskruns.diff_gate import PolicyFinding
    from aurora_soar.taskruns.rehearsal import Rehearsal, RehearsedCall, RehearsedWork

__all__ = [
    "as_document",
    "as_text",
    "outcomes_document",
    "outcomes_lines",
    "rehearsal_document",
    "rehearsal_lines",
    "result_document",
    "result_text",
    "unreadable_document",
]

_COLOURS = {"allow": "green", "prompt": "yellow", "deny": "red"}


def as_document(engine: PoliciesEngine, agent: str | None) -> dict[str, object]:
    """Returns the policies in force as data for `--json`."""
    return {
        "source": str(engine.source) if engine.source else None,
        "user_source": str(engine.user_source) if engine.user_source else None,
        "policies": engine.for_agent(agent).policies.model_dump(mode="json"),
    }


def as_text(engine: PoliciesEngine, agent: str | None) -> str:
    """Returns the policies in force as they would stand in a file."""
    source = f"from {engine.source}" if engine.source else "the defaults; there is no policies.yaml"
    beside = f"\n# where stricter, from {engine.user_source}" if engine.user_source else ""
    return f"# {source}{beside}\n{engine.for_agent(agent).as_yaml()}".rstrip()


def result_document(result: PolicyResult) -> dict[str, object]:
    """Returns an answer as data for `--json`."""
    return {
        "action": result.action.value,
        "rule": result.rule,
        "reason": result.reason,
        "instead": result.instead,
    }


def unreadable_document(line: int, error: Exception) -> dict[str, object]:
    """Returns the answer to a line that cannot be read: deny."""
    return {
        "action": "deny",
        "rule": "invalid_input",
        "reason": f"line {line}: {error}",
        "instead": 'Give one JSON object a line: {"command": "…"} or {"tool": "…", "arguments": {…}}.',
        "error": "invalid_input",
    }


def result_text(result: PolicyResult) -> str:
    """Returns an answer as text."""
    action = click.style(result.action.value, fg=_COLOURS[result.action.value])
    if result.rule is None:
        return action
    if not result.reason:  # allowed by name
        return f"{action}  {result.rule}"
    return f"{action}  {result.rule}: {result.reason}\n        instead: {result.instead}"


def outcomes_document(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Returns the outcome of a table of examples as data for `--json`."""
    return {
        "examples": len(outcomes),
        "as_expected": sum(each.kept for each in outcomes),
        "different": [
            {
                "line": each.example.line,
                "command": each.example.command,
                "tool": each.example.tool,
                "expect": each.example.expect.value,
                "expect_rule": each.example.rule,
                **result_document(each.result),
            }
            for each in outcomes
            if not each.kept
        ],
    }


def outcomes_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yields a line for each example that is not answered as expected, and the sum."""
    for each in outcomes:
        if not each.kept:
            wanted = each.example.expect.value + (f" by {each.example.rule}" if each.example.rule else "")
            got = each.result.action.value + (f" by {each.result.rule}" if each.result.rule else "")
            yield f"line {each.example.line}: expected {wanted}, is {got}: {one_line(each.example.subject, 100)}"
    kept = sum(each.kept for each in outcomes)
    yield f"{kept} of {count(len(outcomes), 'example')} as expected"


def rehearsal_lines(found: Rehearsal) -> Iterator[str]:
    """Yields a block for each tool call and work that other policies judge otherwise, and a line about all."""
    yield from _call_lines(found)
    yield from _work_lines(found)


def _call_lines(found: Rehearsal) -> Iterator[str]:
    alike = Counter((_asked_by(each), _answer_words(each)) for each in found.calls if each.changed)
    for (call, answer), times in alike.items():
        yield f"{call}{f'  ({times} times)' if times > 1 else ''}"
        yield f"  {answer}"
    if not (found.calls or found.cut):
        return
    stopped = sum(each.stopped_now for each in found.calls)
    passed = sum(each.passed_now for each in found.calls)
    denied = sum(each.denied_now for each in found.calls)
    asked = sum(each.changed for each in found.calls) - stopped - passed - denied
    otherwise = (f", {denied} would be denied that were asked about" if denied else "") + (
        f", {asked} would be asked about that were denied" if asked else ""
    )
    cut = f"; the journal has only a part of {count(found.cut, 'call')}" if found.cut else ""
    yield (
        f"judged {count(len(found.calls), 'tool call')}: {stopped} that passed would be stopped,"
        f" {passed} that were stopped would pass{otherwise}{cut}"
    )


def _asked_by(each: RehearsedCall) -> str:
    return f"{one_line(each.call.run_id)}/{one_line(each.call.task_id)}  {one_line(each.call.subject, 100)}"


def _answer_words(each: RehearsedCall) -> str:
    now = each.verdict
    before = f"was {each.call.action}{f' by {one_line(each.call.rule)}' if each.call.rule else ''}"
    why = f"{one_line(now.reason, 200)} [{one_line(now.rule)}]; " if now.rule else ""
    return f"{click.style(now.action.value, fg=_COLOURS[now.action.value])}  {why}{before}"


def _work_lines(found: Rehearsal) -> Iterator[str]:
    changed = [each for each in found.judged if each.changed]
    for each in changed:
        yield f"{one_line(each.work.run_id)}/{one_line(each.work.task_id)}  {one_line(each.work.title, 60)}"
        for now in each.stopped_now:
            action = _action_of(now)
            says = f"{one_line(now.reason, 200)}: {one_line(now.subject, 200)} [{one_line(now.rule)}]"
            yield f"  {click.style(action, fg=_COLOURS[action])}  {says}"
        for rule in each.passed_now:
            yield f"  {click.style('allow', fg=_COLOURS['allow'])}  {one_line(rule)} no longer objects"
    stopped = sum(not each.work.rules for each in changed)
    passed = sum(not each.findings for each in changed)
    others = len(changed) - stopped - passed
    otherwise = f", {others} would be stopped by other rules" if others else ""
    gone = f"; the commits of {count(found.gone, 'attempt')} are gone" if found.gone else ""
    yield (
        f"judged the work of {count(len(found.judged), 'attempt')}: {stopped} that passed would be stopped,"
        f" {passed} that were stopped would pass{otherwise}{gone}"
    )


def rehearsal_document(found: Rehearsal) -> dict[str, object]:
    """Returns a rehearsal as data for `--json`."""
    return {
        "judged": len(found.judged),
        "gone": found.gone,
        "changed": [_rehearsed_row(each) for each in found.judged if each.changed],
        "calls": {
            "judged": len(found.calls),
            "cut": found.cut,
            "changed": [_rehearsed_call(each) for each in found.calls if each.changed],
        },
    }


def _rehearsed_call(each: RehearsedCall) -> dict[str, object]:
    return {
        "run_id": each.call.run_id,
        "task": each.call.task_id,
        "agent": each.call.agent,
        "judged_at": each.call.at,
        "subject": each.call.subject,
        "then": {"action": each.call.action, "rule": each.call.rule},
        "now": {"action": each.verdict.action.value, "rule": each.verdict.rule, "reason": each.verdict.reason},
    }


def _rehearsed_row(each: RehearsedWork) -> dict[str, object]:
    return {
        "run_id": each.work.run_id,
        "task": each.work.task_id,
        "judged_at": each.work.at,
        "stopped_now": [
            {"rule": now.rule, "action": _action_of(now), "subject": now.subject, "reason": now.reason}
            for now in each.stopped_now
        ],
        "passed_now": list(each.passed_now),
    }


def _action_of(finding: PolicyFinding) -> str:
    return "deny" if finding.denied else "prompt"
