"""Preview of a run: its tasks, notes and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import count, one_line
from aurora_soar.errors import EmptyQuestionError
from aurora_soar.registry import LOCAL_AGENT
from aurora_spawner.gates.tool_calls import GateAction
from aurora_spawner.tasks.candidates import attempted
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar import SpawnPlan
    from aurora_soar.taskruns.isolation import IsolationPlan
    from aurora_soar.taskruns.routing import AgentChoice
    from aurora_spawner import SpawnTask
    from aurora_spawner.workspaces.isolation import Isolation

__all__ = ["as_document", "as_text"]

_SHOWN_NAMES: Final = 5
_PICKS: Final = {"best": "the best is taken", "ask": "you pick one"}


def as_text(plan: SpawnPlan, *, limit: int | None = None) -> str:
    """Returns one line per task, the notes, and the limits; of more than `limit` tasks or notes, the count."""
    return "\n".join(
        [
            *_lines(plan, plan.file.tasks[:limit]),
            *_routing(plan),
            *_notes(plan, limit),
            *_waits(plan, limit),
            *_isolation(plan.isolation),
            *_only_answers(plan),
            *_gates(plan),
            *_sandboxes(plan),
            _limits(plan),
        ]
    )


def as_document(plan: SpawnPlan) -> dict[str, object]:
    """Returns the plan as data for `--json`, tasks in the order of the file."""
    return {
        "file": str(plan.file.path) if plan.from_file else None,
        "max_concurrent": plan.max_concurrent,
        "policies": str(plan.policies) if plan.policies else None,
        "form": plan.file.form,
        "order": plan.file.order,
        "done": list(plan.file.done),
        "groups": [
            {"id": group.id, "title": group.title, "tasks": list(group.members)} for group in plan.file.groups
        ],
        "left_out": list(plan.file.left_out),
        "not_run": list(plan.file.not_run),
        "notes": [{"line": each.line, "last_line": each.last, "text": each.text} for each in plan.file.notes],
        "isolation": _isolation_document(plan.isolation),
        "waits": [
            {"task": each.task_id, "for": each.other, "files": list(each.files), "certain": each.certain}
            for each in plan.waits
        ],
        "gates": dict(plan.gate.words),
        "sandboxes": dict(plan.sandboxes),
        "expected_usd": plan.expected_usd,
        "routing": _routing_document(plan.routed),
        "checks_trusted": plan.untrusted_checks is None,
        "tasks": [
            {
                "id": task.id,
                "title": task.headline,
                "agent": plan.agent_of(task),
                "persona": plan.personas.get(task.id or ""),
                "gap": task.id in plan.generated,
                "depends_on": list(task.depends_on),
                "timeout_s": plan.timeout_of(task),
                "priority": task.priority,
                "critical": task.critical,
                "files": list(task.files),
                "checks": list(task.checks),
                "until": task.until,
                "max_turns": task.max_turns if task.until else None,
                "candidates": [plan.agent_of(each) for each in attempted([task]) if each.candidate_of],
                "pick": task.pick,
                "typed": task.schema is not None,
                "reviewer": (task.reviewer.agent or plan.default_agent) if task.reviewer else None,
            }
            for task in plan.file.tasks
        ],
    }


def _lines(plan: SpawnPlan, shown: Sequence[SpawnTask]) -> Iterator[str]:
    if plan.from_file:
        yield from _head(plan)
    width = max((len(one_line(task.id or "")) for task in shown), default=0)
    for task in shown:
        yield f"  {one_line(task.id or ''):<{width}}  {one_line(task.headline, 60)}  {_terms(plan, task)}"
    if len(shown) < len(plan.file.tasks):
        yield f"  … and {len(plan.file.tasks) - len(shown)} more (--dry-run shows all)"


def _routing(plan: SpawnPlan) -> Iterator[str]:
    """Yields the reason for the agent of tasks that name none, if results decide about it."""
    if plan.routed is not None:
        yield f"  {one_line(plan.routed.agent)} for tasks that name no agent: {one_line(plan.routed.because, 400)}"


def _routing_document(choice: AgentChoice | None) -> dict[str, object] | None:
    if choice is None:
        return None
    return {
        "agent": choice.agent,
        "because": choice.because,
        "at_least": choice.at_least,
        "agents": [
            {
                "agent": each.agent,
                "judged": each.judged,
                "passed_at_once": each.passed_at_once,
                "lower": round(each.lower, 4),
                "usd_per_attempt": None if each.usd_per_attempt is None else round(each.usd_per_attempt, 6),
                "problem": each.problem or None,
            }
            for each in choice.standings
        ],
    }


def _head(plan: SpawnPlan) -> Iterator[str]:
    """Yields what the file is, and how its tasks are ordered."""
    done = f", {len(plan.file.done)} already done" if plan.file.done else ""
    left_out = f", {len(plan.file.left_out)} optional left out (--optional)" if plan.file.left_out else ""
    not_run = f", {len(plan.file.not_run)} not run" if plan.file.not_run else ""
    yield f"{plan.file.path}: {count(len(plan.file.tasks), 'task')} to run{done}{left_out}{not_run}"
    singly = "; one at a time" if plan.max_concurrent == 1 else ""
    yield f"  {plan.file.form}: {plan.file.order}{singly}"


def _notes(plan: SpawnPlan, limit: int | None) -> Iterator[str]:
    notes = plan.file.notes[:limit]
    for note in notes:
        yield f"  note: {one_line(str(note), 200)}"
    if len(notes) < len(plan.file.notes):
        yield f"  … and {len(plan.file.notes) - len(notes)} more notes (--dry-run shows all)"


def _waits(plan: SpawnPlan, limit: int | None) -> Iterator[str]:
    """Yields the tasks that wait for another one because both declare a file."""
    waits = plan.waits
    for each in waits[:limit]:
        task_id, other, files = one_line(each.task_id), one_line(each.other), one_line(", ".join(each.files), 120)
        how = f"{task_id} waits for {other}" if each.certain else f"{other} and {task_id} work one after the other"
        yield f"  {how}: both declare {files}"
    if limit is not None and len(waits) > limit:
        yield f"  … and {len(waits) - limit} more tasks wait for others (--dry-run shows all)"


def _isolation(plan: IsolationPlan) -> Iterator[str]:
    if plan.reason:
        yield f"  tasks work in your checkout itself: {one_line(plan.reason, 200)}"
    isolation = plan.isolation
    if isolation is None:
        return
    base = f"{isolation.target or 'the commit'} at {isolation.head[:12]}"
    if plan.uncommitted:
        files = count(plan.uncommitted, "uncommitted file")
        base += f" with {files}" if plan.include_dirty else f", without {files} (--include-dirty adds them)"
    yield f"  each task in a worktree of {base}; {_goes(plan, isolation)}"
    yield from _besides(plan)


def _besides(plan: IsolationPlan) -> Iterator[str]:
    """Yields what each worktree has besides its base commit."""
    preparation, contents = plan.preparation, plan.contents
    if preparation is None:
        return
    has = [f"copies of {_names(contents.copied)}"] if contents.copied else []
    has += [f"links to your own {_names(contents.linked)} (agents can write there)"] if contents.linked else []
    has += [f"{count(preparation.ports, 'port')} of its own"] if preparation.ports else []
    has += [f"the variables {_names(tuple(preparation.env))}"] if preparation.env else []
    if has:
        yield f"  each worktree also has {', '.join(has)}"
    for command in preparation.setup:
        yield f"  before its agent: {one_line(command, 200)}"
    for pattern, command in preparation.regenerate.items():
        yield f"  at a merge, {one_line(pattern)} is regenerated with: {one_line(command, 200)}"
    for sentence in contents.notices:
        yield f"  note: {one_line(sentence, 200)}"


def _names(names: Sequence[str]) -> str:
    shown = one_line(", ".join(names[:_SHOWN_NAMES]), 200)
    more = len(names) - _SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _only_answers(plan: SpawnPlan) -> Iterator[str]:
    """Yields the tasks that ask for a change, and go to the local agent, which makes none."""
    asked = [task for task in plan.file.tasks if plan.agent_of(task) == LOCAL_AGENT and _asks_change(task)]
    if asked:
        names = f"{'tasks' if len(asked) > 1 else 'task'} {_names([task.id or '' for task in asked])}"
        yield f"  note: @{LOCAL_AGENT} changes no file; {names} will only get an answer from the code"
        yield "        (--tool NAME chooses another agent; aur agents doctor lists the installed ones)"


def _asks_change(task: SpawnTask) -> bool:
    from aurora_soar.question.question import Intent, read_question  # few previews need it

    try:
        return read_question(task.headline).intent is Intent.IMPLEMENT
    except EmptyQuestionError:
        return False


def _gates(plan: SpawnPlan) -> Iterator[str]:
    """Yields how the tool calls of agents are judged, agents with the same words together."""
    for words in dict.fromkeys(plan.gate.words.values()):
        agents = ", ".join(one_line(name) for name, each in plan.gate.words.items() if each == words)
        yield f"  policy gate for {agents} is {words}"


def _sandboxes(plan: SpawnPlan) -> Iterator[str]:
    """Yields how agents are confined, as a probe has shown, agents with the same words together."""
    for words in dict.fromkeys(plan.sandboxes.values()):
        agents = ", ".join(one_line(name) for name, each in plan.sandboxes.items() if each == words)
        yield f"  sandbox for {agents}: {one_line(words, 300)}"


def _goes(plan: IsolationPlan, isolation: Isolation) -> str:
    if isolation.target is None:
        return "not merged, because no branch is checked out"
    action = GateAction.ALLOW if plan.delivery is None else plan.delivery.action
    protected = ", a protected branch," if action is GateAction.PROMPT else ""
    approved = f"{protected} after your approval" if protected else ""
    goes = {
        MergeMode.AUTO: f"then merged into {isolation.target}{approved}",
        MergeMode.ASK: f"merged into {isolation.target}{protected} when you agree",
        MergeMode.NEVER: f"not merged into {isolation.target}",
    }
    resolver = isolation.resolver
    resolves = f"; {one_line(resolver)} resolves conflicts" if resolver is not None else ""
    if action is GateAction.DENY:
        return f"not merged into {isolation.target}, because the policies deny it{resolves}"
    return f"{goes[isolation.merge]}{resolves}"


def _isolation_document(plan: IsolationPlan) -> dict[str, object]:
    isolation = plan.isolation
    if isolation is None:
        return {"kind": "none", "reason": plan.reason or None}
    return {
        "kind": "worktree",
        "base": isolation.head,
        "target": isolation.target,
        "merge": isolation.merge.value,
        "delivery": plan.delivery.action.value if plan.delivery else None,
        "resolver": isolation.resolver,
        "uncommitted": plan.uncommitted,
        "include_dirty": plan.include_dirty,
        **_preparation_document(plan),
    }


def _preparation_document(plan: IsolationPlan) -> dict[str, object]:
    preparation = plan.preparation
    return {
        "copied": list(plan.contents.copied),
        "linked": list(plan.contents.linked),
        "setup": list(preparation.setup) if preparation else [],
        "ports": preparation.ports if preparation else 0,
        "env": dict(preparation.env) if preparation else {},
        "regenerate": dict(preparation.regenerate) if preparation else {},
        "max_disk": preparation.max_disk_bytes if preparation else None,
        "notices": list(plan.contents.notices),
    }


def _limits(plan: SpawnPlan) -> str:
    policies = f"policies {plan.policies}" if plan.policies else "default policies"
    cost = "" if plan.expected_usd is None else f" · estimated ${plan.expected_usd:.2f}"
    concurrent = (
        f"{plan.max_concurrent} concurrent · " if plan.from_file or len(attempted(plan.file.tasks)) > 1 else ""
    )
    return f"{concurrent}{policies}{cost}"


def _time(limit: float | None, extended: float | None) -> str:
    if not limit:
        return "no timeout"
    return f"timeout {limit:.0f} s, {extended:.0f} s while active" if extended else f"timeout {limit:.0f} s"


def _terms(plan: SpawnPlan, task: SpawnTask) -> str:
    limit = plan.timeout_of(task)
    persona = plan.personas.get(task.id or "")
    if task.id in plan.generated:
        persona = f"{persona} (ad hoc: no such persona)"
    candidates = [each for each in attempted([task]) if each.candidate_of]
    agent = one_line(" @".join(plan.agent_of(each) for each in candidates) or plan.agent_of(task))
    terms = [f"@{persona} on {agent}" if persona else f"@{agent}"]
    terms += [f"{len(candidates)} candidates, {_PICKS[task.pick]}"] if candidates else []
    terms += [f"model {one_line(task.model)}"] if task.model else []
    terms.append(_time(limit, plan.extended_timeout_of(task)))
    if task.depends_on:
        terms.append(f"after {one_line(', '.join(task.depends_on), 60)}")
    if not task.critical:
        terms.append("not critical")
    terms += [f"check {one_line(command, 60)}" for command in task.checks]
    terms += [f"until {one_line(task.until, 60)}"] if task.until else []
    terms += ["typed result"] if task.schema else []
    terms += [f"pool {one_line(task.pool)}"] if task.pool else []
    terms += [f"labels {', '.join(task.labels)}"] if task.labels else []
    terms += [f"reviewed by @{one_line(task.reviewer.agent or plan.default_agent)}"] if task.reviewer else []
    return f"({', '.join(terms)})"
