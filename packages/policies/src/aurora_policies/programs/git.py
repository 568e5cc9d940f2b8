"""git: pushes that overwrite or reach a protected branch, lost work, and settings that run commands."""

from __future__ import annotations

import posixpath
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import Arguments, arguments
from aurora_policies.programs.deleting import delete, delete_many
from aurora_policies.programs.writing import judge_patch
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS"]

_GLOBAL_VALUED: Final = frozenset(
    {
        "-C",
        "-c",
        "--git-dir",
        "--work-tree",
        "--namespace",
        "--exec-path",
        "--super-prefix",
        "--config-env",
        "--attr-source",
    }
)
_PUSH_VALUED: Final = frozenset({"-o", "--push-option", "--repo", "--receive-pack", "--exec"})
_RUNS: Final = (
    "core.sshcommand",
    "core.pager",
    "core.editor",
    "core.fsmonitor",
    "core.hookspath",
    "core.askpass",
    "core.gitproxy",
    "core.alternaterefscommand",
    "sequence.editor",
    "diff.external",
    "gpg.program",
    "gpg.ssh.program",
    "credential.helper",
    "uploadpack.packobjectshook",
    "include.path",
    "protocol.ext.allow",
    "web.browser",
    "init.templatedir",
    "core.worktree",
    "core.attributesfile",
)
_RUNS_ENDS: Final = (
    ".textconv",
    ".command",
    ".clean",
    ".smudge",
    ".process",
    ".driver",
    ".cmd",
    ".path",
    ".receivepack",
    ".uploadpack",
    ".vcs",
    ".helper",
    ".insteadof",
    ".pushinsteadof",
    ".program",
    ".trustexitcode",
)
_HARMLESS_VALUES: Final = frozenset(
    {
        "",
        "cat",
        "less",
        "true",
        ":",
        "vim",
        "vi",
        "nano",
        "less -R",
        "less -FRX",
        "false",
        "store",
        "cache",
        "osxkeychain",
        "manager",
        "/dev/null",
    }
)
_FORCE_REASON: Final = "overwrites a branch of the remote"
_FORCE_INSTEAD: Final = "Push without force to a new branch, or ask the user to overwrite the old one."
_MAIN_INSTEAD: Final = "Push to a branch of its own and open a pull request."
_KEEP: Final = "Commit or stash the work first, or make a new branch, so that nothing is lost."


def git(call: Call) -> Stream:
    """Judges a git command."""
    globals_, rest = _split(call.words)
    folder = _folder(call, globals_)
    for name, value in globals_:
        if name == "-c" and value is not None:
            key, _, setting = value.text.partition("=")
            _setting(call, key, setting, alias=False)
        elif name == "--config-env":
            call.judge.prompt(Rule.CODE_INJECTION, "takes a git setting from a variable")
        elif name == "--exec-path" and value is not None:
            call.judge.prompt(Rule.CODE_INJECTION, "runs the commands of git from another folder")
    if not rest:
        return NOT_KNOWN
    subcommand = rest[0].text
    if UNKNOWN in subcommand or rest[0].splits:
        call.judge.undecided("the subcommand of git is not known")
        return NOT_KNOWN
    before = call.state.folder
    call.state.folder = folder
    try:
        return _run(call, subcommand, rest[1:], globals_)
    finally:
        if subcommand != "cd":
            call.state.folder = before


def _run(call: Call, subcommand: str, rest: tuple[Word, ...], globals_: Sequence[tuple[str, Word | None]]) -> Stream:
    judge = _SUBCOMMANDS.get(subcommand)
    if judge is not None:
        return judge(call, rest)
    alias = _alias(call, subcommand, globals_)
    if alias is None:
        return NOT_KNOWN
    return _run_alias(call, alias, rest)


def _alias(call: Call, name: str, globals_: Sequence[tuple[str, Word | None]]) -> str | None:
    wanted = f"alias.{name}".lower()
    for option, value in reversed(globals_):
        key, _, text = value.text.partition("=") if value is not None and option == "-c" else ("", "", "")
        if key.lower() == wanted:
            return text
    set_here = call.state.variables.get(f"git {wanted}")
    if isinstance(set_here, str):
        return set_here
    return call.judge.around.repository.settings.get(wanted)


def _run_alias(call: Call, alias: str, rest: tuple[Word, ...]) -> Stream:
    if alias.startswith("!"):
        before = call.state.arguments
        call.state.arguments = tuple(word.text for word in rest)
        try:
            return call.shell.in_copy(lambda: call.shell.run_text(f'{alias[1:]} "$@"'))
        finally:
            call.state.arguments = before
    words = alias.split()
    return call.shell.run_words((Word("git"), *(Word(each.strip("'\"")) for each in words), *rest))


def _split(words: tuple[Word, ...]) -> tuple[list[tuple[str, Word | None]], tuple[Word, ...]]:
    """Returns the options before the subcommand, and the rest."""
    found: list[tuple[str, Word | None]] = []
    at = 0
    while at < len(words) and words[at].text.startswith("-"):
        name, equals, value = words[at].text.partition("=")
        at += 1
        if equals:
            found.append((name, Word(value)))
        elif name in _GLOBAL_VALUED and at < len(words):
            found.append((name, words[at]))
            at += 1
        else:
            found.append((name, None))
    return found, words[at:]


def _folder(call: Call, globals_: Sequence[tuple[str, Word | None]]) -> str | None:
    """Returns the folder in which git works, and records if it is outside the worktree of the task."""
    folder = call.state.folder
    other = str(call.variables.get("GIT_DIR") or call.variables.get("GIT_WORK_TREE") or "")
    for name, value in (*globals_, ("--git-dir", Word(other)) if other else ("", None)):
        if name not in {"-C", "--git-dir", "--work-tree"} or value is None:
            continue
        path = value.text if value.text.startswith("/") else posixpath.join(folder or UNKNOWN, value.text)
        path = posixpath.normpath(path)
        if name == "-C":
            folder = path if UNKNOWN not in path else None
        places = call.judge.around.places
        if call.judge.around.isolated and not places.inside(path) and path != places.workspace:
            call.judge.prompt(
                Rule.WORKTREE_ESCAPE,
                f"uses git outside the worktree of this task: {value.text.replace(UNKNOWN, '…')}",
                f"Work inside {places.workspace}.",
            )
    return folder


# -- push ------------------------------------------------------------------------------------------


def _push(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=_PUSH_VALUED)
    judge = call.judge
    if given.has("--dry-run", "-n"):
        return NOT_KNOWN
    if given.has("--receive-pack", "--exec"):
        judge.prompt(Rule.CODE_INJECTION, "runs another program on the remote")
    if given.has("-f", "--mirror") or any(_forces(name) for name, _value in given.options):
        judge.by_rule(Rule.GIT_FORCE_PUSH, _FORCE_REASON, _FORCE_INSTEAD)
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
        call.judge.by_rule(Rule.GIT_FORCE_PUSH, "mirrors the repository: " + _FORCE_REASON, _FORCE_INSTEAD)
    if len(operands) < 2 and f"remote.{remote}.push" in settings:
        _refspec(call, Word(settings[f"remote.{remote}.push"]), deletes=False)


def _refspec(call: Call, word: Word, *, deletes: bool) -> None:
    judge, text = call.judge, word.text
    if text.startswith("+"):
        judge.by_rule(Rule.GIT_FORCE_PUSH, _FORCE_REASON, _FORCE_INSTEAD)
        text = text[1:]
    source, colon, target = text.partition(":")
    name = _branch_name(target if colon else source)
    if not colon and source in {"HEAD", "@"}:
        name = _current(call)
    if UNKNOWN in name or word.splits:
        judge.prompt(
            Rule.GIT_PUSH_MAIN, "pushes to a branch whose name is not known", "Write the name of the branch out."
        )
        return
    protected = judge.around.repository.protected
    if name in protected or ("*" in name and (name == "*" or name.endswith("/*")) and "/" not in name[:-2]):
        judge.by_rule(Rule.GIT_PUSH_MAIN, f"pushes to {name}, a protected branch", _MAIN_INSTEAD)
    elif deletes or (colon and not source):
        judge.prompt(
            Rule.DATA_LOSS, f"deletes {name} on the remote", "Leave the branch, or ask the user to delete it."
        )


def _branch_name(ref: str) -> str:
    for prefix in ("refs/heads/", "heads/"):
        ref = ref.removeprefix(prefix)
    return ref


def _current(call: Call) -> str:
    return call.state.branch or call.judge.around.repository.branch or ""


def _push_current(call: Call) -> None:
    """Judges a push that names no branch: it is the current one, or the one that the settings say."""
    settings, branch = call.judge.around.repository.settings, _current(call)
    if UNKNOWN in branch:
        call.judge.prompt(
            Rule.GIT_PUSH_MAIN, "pushes a branch that is not known", "Write the name of the branch out."
        )
        return
    merges = _branch_name(settings.get(f"branch.{branch}.merge", ""))
    default = settings.get("push.default", "simple")
    upstream = default in {"upstream", "tracking"} and merges in call.judge.around.repository.protected
    if branch in call.judge.around.repository.protected or upstream or default == "matching":
        call.judge.by_rule(
            Rule.GIT_PUSH_MAIN, f"pushes to {merges or branch or 'all branches'}, a protected branch", _MAIN_INSTEAD
        )


# -- work that is thrown away ----------------------------------------------------------------------


def _clean(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-e", "--exclude"}))
    if not given.has("-n", "--dry-run", "-i", "--interactive") and (given.has("-f", "--force") or given.unclear):
        delete_many(call, "deletes all files that git does not know")
    return NOT_KNOWN


def _rm(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"--pathspec-from-file"}))
    if given.has("--cached", "-n", "--dry-run"):
        return NOT_KNOWN
    if given.values("--pathspec-from-file"):
        delete_many(call, "deletes the files of a list")
    delete(call, given.operands, recursive=given.has("-r"))
    return NOT_KNOWN


def _mv(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words)
    if not given.has("-n", "--dry-run"):
        for word in given.operands:
            call.judge.writes(word, call.shell, "moves")
    return EMPTY


def _reset(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words)
    if given.has("--hard", "--merge", "--keep") and not given.has("--keep"):
        call.judge.prompt(Rule.GIT_HISTORY, "throws away all changes that are not committed", _KEEP)
    return NOT_KNOWN


_ALL_PATHS: Final = frozenset({".", "./", ":/", "*", ":", ":(top)"})


def _checkout(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-b", "-B", "--orphan", "--conflict", "--pathspec-from-file"}))
    made = given.values("-b", "-B", "--orphan")
    texts = [word.text for word in words]
    paths = texts[texts.index("--") + 1 :] if "--" in texts else []
    if made:
        call.state.branch = made[0].text
        return NOT_KNOWN
    if given.has("-f", "--force") or any(text in _ALL_PATHS for text in (*paths, *(w.text for w in given.operands))):
        call.judge.prompt(Rule.GIT_HISTORY, "throws away changes that are not committed", _KEEP)
    if paths or len(given.operands) > 1 or any("." in posixpath.basename(w.text)[1:] for w in given.operands):
        for word in (Word(each) for each in paths) if paths else given.operands[-1:]:
            call.judge.writes(word, call.shell, "restores")
    elif given.operands:
        call.state.branch = given.operands[0].text
    return NOT_KNOWN


def _switch(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-c", "-C", "--create", "--force-create", "--orphan"}))
    made = given.values("-c", "-C", "--create", "--force-create", "--orphan")
    if given.has("-f", "--force", "--discard-changes"):
        call.judge.prompt(Rule.GIT_HISTORY, "throws away changes that are not committed", _KEEP)
    target = made or given.operands
    if target:
        call.state.branch = target[0].text if target[0].text != "-" else UNKNOWN
    return NOT_KNOWN


def _restore(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-s", "--source", "--pathspec-from-file"}))
    if given.has("--staged", "-S") and not given.has("--worktree", "-W"):
        return NOT_KNOWN
    for word in given.operands:
        if word.text in _ALL_PATHS:
            call.judge.prompt(Rule.GIT_HISTORY, "throws away changes that are not committed", _KEEP)
        else:
            call.judge.writes(word, call.shell, "restores")
    return NOT_KNOWN


def _stash(call: Call, words: tuple[Word, ...]) -> Stream:
    first = words[0].text if words else ""
    if first in {"drop", "clear"}:
        call.judge.prompt(Rule.GIT_HISTORY, "throws away stashed changes", "Leave the stash as it is.")
    return NOT_KNOWN


def _branch(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-u", "--set-upstream-to", "--sort", "--format", "--points-at"}))
    if given.has("-D") or (given.has("-d", "--delete") and given.has("-f", "--force")):
        call.judge.prompt(
            Rule.GIT_HISTORY,
            "deletes a branch whose commits may be nowhere else",
            "Use `git branch -d`, which refuses that.",
        )
    elif given.has("-f", "--force", "-M", "-C") and any(
        word.text in call.judge.around.repository.protected for word in given.operands[-2:]
    ):
        call.judge.prompt(
            Rule.GIT_HISTORY, "moves a protected branch to another commit", "Make a branch of another name."
        )
    if given.has("--show-current") and _current(call):
        return Stream(_current(call) + "\n")
    return NOT_KNOWN


def _rewrite(call: Call, _words: tuple[Word, ...]) -> Stream:
    call.judge.prompt(Rule.GIT_HISTORY, "rewrites the history of the repository", "Make a new commit instead.")
    return NOT_KNOWN


def _update_ref(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-m"}))
    names = {_branch_name(word.text) for word in given.operands}
    if given.has("-d", "--stdin", "--delete") or names & call.judge.around.repository.protected:
        call.judge.prompt(Rule.GIT_HISTORY, "moves or deletes a reference by force", "Use git branch or git tag.")
    return NOT_KNOWN


def _reflog(call: Call, words: tuple[Word, ...]) -> Stream:
    if words and words[0].text in {"expire", "delete", "drop"}:
        call.judge.prompt(
            Rule.GIT_HISTORY, "deletes the record from which lost commits are found", "Leave the reflog."
        )
    return NOT_KNOWN


def _gc(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words)
    if any(value.text in {"now", "all"} for value in given.values("--prune")) or "--prune=now" in call.texts():
        call.judge.prompt(
            Rule.GIT_HISTORY, "deletes commits that no branch holds", "Run `git gc` without --prune=now."
        )
    return NOT_KNOWN


def _prune(call: Call, words: tuple[Word, ...]) -> Stream:
    if not arguments(words).has("-n", "--dry-run"):
        call.judge.prompt(
            Rule.GIT_HISTORY, "deletes commits that no branch holds", "Leave them; git removes them later."
        )
    return NOT_KNOWN


def _worktree(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words[1:])
    if words and words[0].text == "remove" and given.has("-f", "--force"):
        delete_many(call, "deletes a worktree with its changes")
    return NOT_KNOWN


def _submodule(call: Call, words: tuple[Word, ...]) -> Stream:
    first = words[0].text if words else ""
    if first == "deinit" and arguments(words[1:]).has("-f", "--force"):
        delete_many(call, "deletes the files of a submodule")
    if first == "foreach":
        rest = [word for word in words[1:] if word.text not in {"--recursive", "-q", "--quiet"}]
        call.shell.in_copy(lambda: call.shell.run_text(" ".join(word.text for word in rest)))
    return NOT_KNOWN


def _rebase(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-x", "--exec", "-s", "-X", "--onto", "--strategy"}))
    for command in given.values("-x", "--exec"):
        call.shell.in_copy(partial(call.shell.run_text, command.text))
    return NOT_KNOWN


def _bisect(call: Call, words: tuple[Word, ...]) -> Stream:
    if words and words[0].text == "run":
        call.shell.run_words(words[1:])
    return NOT_KNOWN


def _filtered(call: Call, words: tuple[Word, ...]) -> Stream:
    """Commands with an option that names a program of another repository."""
    given = arguments(
        words, valued=frozenset({"-u", "--upload-pack", "-c", "--config", "-b", "--branch", "--depth", "-o"})
    )
    if given.has("--upload-pack", "-u") or any("ext::" in word.text for word in words):
        call.judge.prompt(Rule.CODE_INJECTION, "runs another program to reach the remote")
    for value in given.values("-c", "--config"):
        key, _, setting = value.text.partition("=")
        _setting(call, key, setting, alias=False)
    return NOT_KNOWN


def _diff_like(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words)
    for value in given.values("--output"):
        call.judge.writes(value, call.shell, "writes")
    for value in given.values("--open-files-in-pager", "-O"):
        call.shell.run_text(value.text)
    return NOT_KNOWN


_CONFIG_VERBS: Final = frozenset({"get", "list", "set", "unset", "edit", "remove-section", "rename-section"})


def _config(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(
        words, valued=frozenset({"-f", "--file", "--type", "--default", "--blob", "--comment", "--value"})
    )
    operands = list(given.operands)
    verb = operands.pop(0).text if operands and operands[0].text in _CONFIG_VERBS else ""
    if verb in {"get", "list"}:
        return NOT_KNOWN
    if given.has("--get", "--get-all", "--get-regexp", "-l", "--list", "--get-urlmatch"):
        return NOT_KNOWN
    if given.has("-e", "--edit"):
        call.judge.prompt(Rule.SELF_PROTECTION, "opens the settings of git in an editor")
    for value in given.values("-f", "--file"):
        call.judge.writes(value, call.shell, "writes")
    if len(operands) > 1:
        _setting(call, operands[0].text, operands[1].text, alias=True)
    return NOT_KNOWN


def _setting(call: Call, key: str, value: str, *, alias: bool) -> None:
    """Judges a setting that is made: some make git run a command, now or later."""
    key = key.lower()
    if UNKNOWN in key:
        call.judge.undecided("a git setting is not known")
        return
    if key.startswith("alias."):
        if alias:
            call.state.variables[f"git {key}"] = value
            if value.startswith("!"):
                call.judge.prompt(Rule.CODE_INJECTION, f"makes {key} run a command later")
        return
    if value in _HARMLESS_VALUES:
        return
    if (
        key in _RUNS
        or key.startswith(("filter.", "credential.", "url."))
        or (
            key.startswith(
                ("diff.", "merge.", "pager.", "mergetool.", "difftool.", "remote.", "gpg.", "man.", "browser.")
            )
            and (key.endswith(_RUNS_ENDS) or key.startswith("pager."))
        )
    ):
        call.judge.prompt(Rule.CODE_INJECTION, f"makes git run {value.replace(UNKNOWN, '…')!r:.60} by {key}")
    if key.startswith("remote.") and key.endswith((".mirror", ".push")) and value != "false":
        call.judge.prompt(Rule.GIT_FORCE_PUSH, f"makes later pushes overwrite branches by {key}", _FORCE_INSTEAD)


def _revision(call: Call, words: tuple[Word, ...]) -> Stream:
    texts = [word.text for word in words]
    if "--show-toplevel" in texts:
        return Stream(call.judge.around.places.workspace + "\n")
    names = "--abbrev-ref" in texts or ("--short" in texts and "symbolic-ref" in call.texts())
    if texts[-1:] == ["HEAD"] and names and _current(call):
        return Stream(_current(call) + "\n")
    return NOT_KNOWN


def _apply(call: Call, words: tuple[Word, ...]) -> Stream:
    judge_patch(call, [word for word in words if not word.text.startswith("-")])
    return NOT_KNOWN


_SUBCOMMANDS: Final[Mapping[str, Callable[[Call, tuple[Word, ...]], Stream]]] = {
    "push": _push,
    "send-pack": _push,
    "clean": _clean,
    "rm": _rm,
    "mv": _mv,
    "reset": _reset,
    "checkout": _checkout,
    "switch": _switch,
    "restore": _restore,
    "stash": _stash,
    "branch": _branch,
    "filter-branch": _rewrite,
    "filter-repo": _rewrite,
    "update-ref": _update_ref,
    "reflog": _reflog,
    "gc": _gc,
    "prune": _prune,
    "worktree": _worktree,
    "submodule": _submodule,
    "rebase": _rebase,
    "bisect": _bisect,
    "clone": _filtered,
    "fetch": _filtered,
    "pull": _filtered,
    "ls-remote": _filtered,
    "config": _config,
    "rev-parse": _revision,
    "symbolic-ref": _revision,
    "diff": _diff_like,
    "log": _diff_like,
    "show": _diff_like,
    "grep": _diff_like,
    "format-patch": _diff_like,
    "archive": _diff_like,
    "apply": _apply,
    "am": _apply,
}
PROGRAMS: Final = {"git": git, "hub": git}
