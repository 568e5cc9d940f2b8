"""git push: branches that are overwritten, protected or deleted on the remote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import Arguments, arguments
from aurora_policies.shell.stream import NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["FORCE_INSTEAD", "branch_name", "current", "push"]

_PUSH_VALUED: Final = frozenset({"-o", "--push-option", "--repo", "--receive-pack", "--exec"})
_FORCE_REASON: Final = "overwrites a branch of the remote"
FORCE_INSTEAD: Final = "Push without force to a new branch, or ask the user to overwrite the old one."
_MAIN_INSTEAD: Final = "Push to a branch of its own and open a pull request."


def push(call: Call, words: tuple[Word, ...]) -> Stream:
    """Judges a push by its options, its refspecs and the settings of the repository."""
    given = arguments(words, valued=_PUSH_VALUED)
    judge = call.judge
    if given.has("--dry-run", "-n"):
        return NOT_KNOWN
    if given.has("--receive-pack", "--exec"):
        judge.prompt(Rule.CODE_INJECTION, "runs another program on the remote")
    if given.has("-f", "--mirror") or any(_forces(name) for name, _value in given.options):
        judge.by_rule(Rule.GIT_FORCE_PUSH, _FORCE_REASON, FORCE_INSTEAD)
    operands = given.operands
    refspecs = operands[1:] if not given.values("--repo") or len(operands) > 1 else operands
    _push_whole(call, given, operands)
    for word in refspecs:
        _refspec(call, word, deletes=given.has("-d", "--delete"))
    if any(word.splits for word in operands[:1]) or any(name[:1] == UNKNOWN for name, _ in given.options):
        judge.prompt(Rule.GIT_FORCE_PUSH, "pushes with options that are not known", "Write the options out.")
    if not refspecs and not given.has("--all", "--branches", "--tags", "--mirror"):
        _push_current(call)
    return NOT_KNOWN


def _forces(option: str) -> bool:
    """`--force` and `--force-with-lease`, shortened as git allows; `--follow-tags` is another option."""
    return (
        option.startswith("--fo")
        and ("--force".startswith(option) or option.startswith("--force"))
        and (option != "--force-if-includes")
    )


def _push_whole(call: Call, given: Arguments, operands: Sequence[Word]) -> None:
    settings = call.judge.around.repository.settings
    remote = operands[0].text if operands else "origin"
    if given.has("--all", "--branches"):
        call.judge.by_rule(Rule.GIT_PUSH_MAIN, "pushes all branches, the protected ones too", _MAIN_INSTEAD)
    if given.has("--prune"):
        call.judge.prompt(Rule.DATA_LOSS, "deletes branches of the remote", "Leave the branches of others alone.")
    if settings.get(f"remote.{remote}.mirror") == "true":
        call.judge.by_rule(Rule.GIT_FORCE_PUSH, "mirrors the repository: " + _FORCE_REASON, FORCE_INSTEAD)
    if len(operands) < 2 and f"remote.{remote}.push" in settings:
        _refspec(call, Word(settings[f"remote.{remote}.push"]), deletes=False)


def _refspec(call: Call, word: Word, *, deletes: bool) -> None:
    judge, text = call.judge, word.text
    if text.startswith("+"):
        judge.by_rule(Rule.GIT_FORCE_PUSH, _FORCE_REASON, FORCE_INSTEAD)
        text = text[1:]
    source, colon, target = text.partition(":")
    name = branch_name(target if colon else source)
    if not colon and source in {"HEAD", "@"}:
        name = current(call)
    if UNKNOWN in name or word.splits:
        judge.prompt(
            Rule.GIT_PUSH_MAIN, "pushes to a branch whose name is not known", "Write the name of the branch out."
        )
        return
    if judge.around.branches.may_hold(name) or (name.endswith("/*") and "/" not in name[:-2]):
        judge.by_rule(Rule.GIT_PUSH_MAIN, f"pushes to {name}, a protected branch", _MAIN_INSTEAD)
    elif deletes or (colon and not source):
        judge.prompt(
            Rule.DATA_LOSS, f"deletes {name} on the remote", "Leave the branch, or ask the user to delete it."
        )


def branch_name(ref: str) -> str:
    """Returns the name of the branch in a full or a short reference."""
    for prefix in ("refs/heads/", "heads/"):
        ref = ref.removeprefix(prefix)
    return ref


def current(call: Call) -> str:
    """Returns the branch that is checked out at this point of the script; empty if it is not known."""
    return call.state.branch or call.judge.around.repository.branch or ""


def _push_current(call: Call) -> None:
    """Judges a push that names no branch: it is the current one, or the one that the settings say."""
    settings, branch = call.judge.around.repository.settings, current(call)
    if UNKNOWN in branch:
        call.judge.prompt(
            Rule.GIT_PUSH_MAIN, "pushes a branch that is not known", "Write the name of the branch out."
        )
        return
    merges = branch_name(settings.get(f"branch.{branch}.merge", ""))
    default = settings.get("push.default", "simple")
    upstream = default in {"upstream", "tracking"} and merges in call.judge.around.branches
    if branch in call.judge.around.branches or upstream or default == "matching":
        call.judge.by_rule(
            Rule.GIT_PUSH_MAIN, f"pushes to {merges or branch or 'all branches'}, a protected branch", _MAIN_INSTEAD
        )
