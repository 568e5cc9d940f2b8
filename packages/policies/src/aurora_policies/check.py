"""Decides on an operation: its effects, and the action that the policies say for each; the strictest one counts."""

from __future__ import annotations

import logging
import posixpath
import re
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_policies.branches import ProtectedBranches
from aurora_policies.command_rules import fits, rules_of, words_of
from aurora_policies.effects import Effect, Rule
from aurora_policies.network_rules import fits_address, host_effects
from aurora_policies.operations import Operation, OperationType, PolicyResult
from aurora_policies.places import Patterns, Places
from aurora_policies.programs.deleting import delete
from aurora_policies.programs.hosts import contacted
from aurora_policies.programs.judge import Call, Judge, Surroundings
from aurora_policies.programs.table import PROGRAMS
from aurora_policies.programs.wrappers import unknown_program
from aurora_policies.repository import Repository, read_repository
from aurora_policies.schema import Action, NetworkRule, Policies, ToolRule
from aurora_policies.shell.parse import TooComplex
from aurora_policies.shell.state import State
from aurora_policies.shell.stream import EMPTY
from aurora_policies.shell.walk import Walk
from aurora_policies.shell.words import Word
from aurora_policies.tool_rules import fits_tool, tool_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aurora_policies.schema import CommandRule

__all__ = ["broken_examples", "check", "script_results"]

_ORDER: Final = {str(rule): index for index, rule in enumerate(Rule)}
_NOT_TEXT: Final = re.compile("[\ue000-\ue0ff\ud800-\udfff]")
_LOG: Final = logging.getLogger(__name__)
ANALYSIS_FAILED: Final = "the analysis of it failed"
_MARKS: Final = re.compile("[\ue000-\ue0ff]+")
_ALLOWED: Final = PolicyResult(action=Action.ALLOW)


def check(operation: Operation, policies: Policies, *, repository: Repository | None = None) -> PolicyResult:
    """Returns the answer of policies to an operation; whatever it holds, this raises nothing.

    Args:
        repository: the git repository of the workspace; read from its files unless given.
    """
    if operation.type is OperationType.TOOL:
        return tool_result(operation.target or "", policies.tools)
    workspace = operation.workspace or operation.cwd or Path.cwd()
    cwd = operation.cwd or workspace
    repository = repository or read_repository(workspace)
    around = Surroundings(
        places=Places(
            workspace=posixpath.normpath(workspace),
            home=str(operation.home or _home()),
            controls=tuple(map(posixpath.normpath, operation.controls)),
        ),
        protected=_patterns(policies.safety.protected_paths),
        repository=repository,
        branches=ProtectedBranches(patterns=policies.safety.protected_branches, default=repository.default_branch),
        isolated=operation.isolated,
        custom=rules_of(policies.commands).effect,
        contacts=lambda name, words: (
            host_effects(contacted(name, words, repository), policies.network) if policies.network else ()
        ),
    )
    judge = Judge(around, PROGRAMS, unknown_program)
    shell = Walk(judge, state=State(folder=posixpath.normpath(cwd), arguments=None), home=around.places.home)
    if operation.type is OperationType.COMMAND:
        _run(judge, shell, operation.command)
    else:
        _within_bounds(judge, lambda: _change(judge, shell, operation, policies))
    return _strictest(_all_effects(judge, policies), policies)


def broken_examples(rule: CommandRule | ToolRule | NetworkRule) -> Iterator[tuple[str, int, str]]:
    """Yields the examples of a rule that it does not keep: the list, the index in it, and the reason."""
    fits_example, fitting, not_fitting = _about(rule)
    for field, wanted, examples in (("match", True, rule.match), ("not_match", False, rule.not_match)):
        for index, example in enumerate(examples):
            if fits_example(example) is not wanted:
                yield field, index, f"{not_fitting if wanted else fitting} this example; change one of them"


def _about(rule: CommandRule | ToolRule | NetworkRule) -> tuple[Callable[[str], bool], str, str]:
    """Returns a test of what a rule is about, and the words for an example that it fits and for another one."""
    if isinstance(rule, ToolRule):
        said = f"the tool {rule.tool!r}"
        return partial(fits_tool, rule), f"{said} fits", f"{said} does not fit"
    if isinstance(rule, NetworkRule):
        said = f"the host {rule.host!r}"
        return partial(fits_address, rule), f"{said} fits", f"{said} does not fit"
    words, said = words_of(rule.pattern), f"the pattern {rule.pattern!r}"
    return (
        lambda example: any(fits(words, command) for command in _commands_of(example)),
        f"{said} fits a command of",
        f"{said} fits no command of",
    )


def script_results(text: str, policies: Policies) -> list[PolicyResult]:
    """Returns the answers to all effects of a script that would run later, in a place that is not known.

    No file is read, and no folder is taken to be there.
    """
    judge = Judge(_somewhere(lambda _words: None), PROGRAMS, unknown_program)
    _run(judge, Walk(judge, state=State(folder="/workspace", arguments=None), home="/home/user"), text)
    return [_strictest([each], policies) for each in judge.found.effects]


def _somewhere(custom: Callable[[tuple[str, ...]], Effect | None]) -> Surroundings:
    """Returns surroundings that are made up, for commands that run nowhere yet."""
    return Surroundings(
        places=Places(workspace="/workspace", home="/home/user"),
        protected=Patterns(()),
        repository=Repository(),
        branches=ProtectedBranches(patterns=()),
        custom=custom,
        reads_files=False,
    )


def _commands_of(command: str) -> list[tuple[str, ...]]:
    """Returns the words of each simple command that a command line runs."""
    found: list[tuple[str, ...]] = []

    def note(words: tuple[str, ...]) -> None:
        found.append(words)

    judge = Judge(_somewhere(note), PROGRAMS, unknown_program)
    _run(judge, Walk(judge, state=State(folder="/workspace"), home="/home/user"), command)
    return found


def _run(judge: Judge, shell: Walk, command: str) -> None:
    _within_bounds(judge, lambda: shell.run_text(_known_text(command)))


def _known_text(given: str) -> str:
    """Returns a text in which characters that no name has, or that the analysis uses as marks, stand for anything."""
    return _NOT_TEXT.sub("\ue000", given)


def _within_bounds(judge: Judge, analysis: Callable[[], object]) -> None:
    """Runs an analysis; if it ends early, the operation is undecided."""
    try:
        analysis()
    except (TooComplex, RecursionError):
        judge.undecided("it is too long or too deeply nested to be checked")
    except Exception:  # noqa: BLE001
        # A defect of the analysis must neither let a command pass nor end the run that asks.
        _LOG.exception("the analysis of an operation failed")
        judge.undecided(ANALYSIS_FAILED)


def _change(judge: Judge, shell: Walk, operation: Operation, policies: Policies) -> None:
    files = operation.files or ((operation.target,) if operation.target else ())
    limits = policies.safety
    if len(set(files)) > limits.max_files_modified:
        judge.prompt(
            Rule.MAX_FILES_MODIFIED,
            f"changes {len(set(files))} files, more than {limits.max_files_modified}",
            "Change fewer files at a time, or ask the user.",
        )
    if operation.lines_changed is not None and operation.lines_changed > limits.max_lines_changed:
        judge.prompt(
            Rule.MAX_LINES_CHANGED,
            f"changes {operation.lines_changed} lines, more than {limits.max_lines_changed}",
            "Change less at a time, or ask the user.",
        )
    words = [Word(_known_text(file)) for file in files]
    if operation.type is OperationType.DELETE:
        call = Call(name="delete", words=(), path=Word("delete"), input=EMPTY, variables={}, shell=shell, judge=judge)
        delete(call, words)
    for word in words if operation.type is not OperationType.DELETE else ():
        judge.writes(word, shell, "writes")
        _outside(judge, shell, word)


def _outside(judge: Judge, shell: Walk, word: Word) -> None:
    """A file tool has no reason to write outside the workspace, but for temporary files."""
    path = shell.path(word.text)
    places = judge.around.places
    if path is None:
        return
    for each in {path, judge.real(path, shell)}:
        if not places.inside(each) and not places.temporary(each):
            judge.prompt(
                Rule.WORKTREE_ESCAPE, f"writes {each}, outside the workspace", f"Work inside {places.workspace}."
            )


def _all_effects(judge: Judge, policies: Policies) -> Iterable[Effect]:
    yield from judge.found.effects
    limit = policies.destructive.file_delete.max_files
    if len(judge.found.deleted) > limit:
        yield Effect(
            rule=Rule.FILE_DELETE,
            reason=f"deletes {len(judge.found.deleted)} files, more than {limit}",
            instead="Delete fewer files at a time, or ask the user.",
        )


def _strictest(effects: Iterable[Effect], policies: Policies) -> PolicyResult:
    actions = _actions(policies)
    best, best_key = _ALLOWED, (0, 0)
    for effect in effects:
        action = effect.action or actions.get(str(effect.rule), Action.PROMPT)
        key = (action.severity, -_ORDER.get(str(effect.rule), -1))
        if action is not Action.ALLOW and (best is _ALLOWED or key > best_key):
            best_key = key
            reason = _MARKS.sub("…", effect.reason)
            best = PolicyResult(action=action, rule=str(effect.rule), reason=reason, instead=effect.instead)
    return best


def _actions(policies: Policies) -> dict[str, Action]:
    rules = policies.destructive
    return {
        Rule.FILE_DELETE: rules.file_delete.action,
        Rule.GIT_FORCE_PUSH: rules.git_force_push.action,
        Rule.GIT_PUSH_MAIN: rules.git_push_main.action,
        Rule.GIT_MERGE_MAIN: rules.git_merge_main.action,
        Rule.DROP_TABLE: rules.drop_table.action,
        Rule.TRUNCATE: rules.truncate.action,
    }


@lru_cache(maxsize=16)
def _patterns(patterns: tuple[str, ...]) -> Patterns:
    return Patterns(patterns)


@lru_cache(maxsize=1)
def _home() -> Path:
    return Path.home()
