"""git: pushes that overwrite or reach a protected branch, lost work, and settings that run commands."""

from __future__ import annotations

import posixpath
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.places import is_secret
from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.deleting import delete, delete_many
from aurora_policies.programs.git_push import branch_name, current, push
from aurora_policies.programs.git_settings import config, judge_setting
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
_KEEP: Final = "Commit or stash the work first, or make a new branch, so that nothing is lost."


def git(call: Call) -> Stream:
    """Judges a git command."""
    globals_, rest = _split(call.words)
    folder = _folder(call, globals_)
    for name, value in globals_:
        if name == "-c" and value is not None:
            key, _, setting = value.text.partition("=")
            judge_setting(call, key, setting, alias=False)
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
    if rest and rest[0].text in {"--help", "-h"}:
        return NOT_KNOWN  # it shows the manual, whatever else is given
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


# -- work that is thrown away ----------------------------------------------------------------------


def _clean(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-e", "--exclude"}))
    forced = given.has("-f", "--force") or given.unclear or _not_required(call)
    if not given.has("-n", "--dry-run", "-i", "--interactive") and forced:
        delete_many(call, "deletes all files that git does not know")
    return NOT_KNOWN


def _not_required(call: Call) -> bool:
    """Tells whether the command line itself says that `git clean` needs no --force."""
    given = [text.lower().partition("=") for text in call.texts()]
    values = [value for name, _, value in given if name == "clean.requireforce"]
    return bool(values) and values[-1] in {"false", "no", "off", "0"}


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
    if given.has("--hard", "--merge") or _shortened(words, "--hard", at_least=3):
        call.judge.prompt(Rule.GIT_HISTORY, "throws away all changes that are not committed", _KEEP)
    return NOT_KNOWN


def _shortened(words: Sequence[Word], option: str, *, at_least: int) -> bool:
    """Tells whether a long option is given in a short form, which git takes as long as no other begins so."""
    ends = next((at for at, word in enumerate(words) if word.text == "--"), len(words))
    names = (word.text.partition("=")[0] for word in words[:ends])
    return any(len(name) >= at_least and option.startswith(name) for name in names)


_ALL_PATHS: Final = frozenset({".", "./", ":/", "*", ":", ":(top)"})


def _checkout(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-b", "-B", "--orphan", "--conflict", "--pathspec-from-file"}))
    made = given.values("-b", "-B", "--orphan")
    texts = [word.text for word in words]
    paths = texts[texts.index("--") + 1 :] if "--" in texts else []
    if made:
        call.state.branch = made[0].text
        if given.has("-f", "--force"):
            call.judge.prompt(Rule.GIT_HISTORY, "throws away changes that are not committed", _KEEP)
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
        word.text in call.judge.around.branches for word in given.operands[-2:]
    ):
        call.judge.prompt(
            Rule.GIT_HISTORY, "moves a protected branch to another commit", "Make a branch of another name."
        )
    if given.has("--show-current") and current(call):
        return Stream(current(call) + "\n")
    return NOT_KNOWN


def _rewrite(call: Call, _words: tuple[Word, ...]) -> Stream:
    call.judge.prompt(Rule.GIT_HISTORY, "rewrites the history of the repository", "Make a new commit instead.")
    return NOT_KNOWN


def _update_ref(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-m"}))
    names = {branch_name(word.text) for word in given.operands}
    protected = any(name in call.judge.around.branches for name in names)
    if given.has("-d", "--stdin", "--delete") or protected:
        call.judge.prompt(Rule.GIT_HISTORY, "moves or deletes a reference by force", "Use git branch or git tag.")
    return NOT_KNOWN


def _reflog(call: Call, words: tuple[Word, ...]) -> Stream:
    if arguments(words).has("-n", "--dry-run"):
        return NOT_KNOWN
    if words and words[0].text in {"expire", "delete", "drop"}:
        call.judge.prompt(
            Rule.GIT_HISTORY, "deletes the record from which lost commits are found", "Leave the reflog."
        )
    return NOT_KNOWN


_AT_ONCE: Final = frozenset({"now", "all", "0", "today"})


def _gc(call: Call, words: tuple[Word, ...]) -> Stream:
    given = [word.text.partition("=") for word in words]
    pruned = [value for name, _, value in given if len(name) >= 3 and "--prune".startswith(name)]
    settings = [word.text.lower().partition("=") for word in call.words]
    pruned += [value for name, _, value in settings if name in {"gc.pruneexpire", "gc.worktreepruneexpire"}]
    if any(value in _AT_ONCE for value in pruned):
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
        judge_setting(call, key, setting, alias=False)
    return NOT_KNOWN


def _diff_like(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words)
    for value in given.values("--output"):
        call.judge.writes(value, call.shell, "writes")
    for value in given.values("--open-files-in-pager", "-O"):
        call.shell.run_text(value.text)
    return NOT_KNOWN


def _revision(call: Call, words: tuple[Word, ...]) -> Stream:
    texts = [word.text for word in words]
    if "--show-toplevel" in texts:
        return Stream(call.judge.around.places.workspace + "\n")
    names = "--abbrev-ref" in texts or ("--short" in texts and "symbolic-ref" in call.texts())
    if texts[-1:] == ["HEAD"] and names and current(call):
        return Stream(current(call) + "\n")
    return NOT_KNOWN


def _init(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"-b", "--initial-branch", "--template", "--separate-git-dir"}))
    for word in given.operands:
        call.judge.writes(word, call.shell, "makes", content=False)
    if given.has("--template"):
        call.judge.prompt(Rule.CODE_INJECTION, "takes the hooks of a new repository from elsewhere")
    return NOT_KNOWN


def _add(call: Call, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=frozenset({"--chmod", "--pathspec-from-file"}))
    secret = next((word.text for word in given.operands if is_secret(word.text)), None)
    if secret is not None and given.has("-f", "--force") and not given.has("-n", "--dry-run"):
        call.judge.prompt(
            Rule.SECRETS, f"puts {secret} into a commit, though it is ignored", "Leave files of keys out of commits."
        )
    return NOT_KNOWN


def _apply(call: Call, words: tuple[Word, ...]) -> Stream:
    for folder in arguments(words, valued=frozenset({"--directory"})).values("--directory"):
        call.judge.writes(Word(posixpath.join(folder.text, "x")), call.shell, "writes")
    judge_patch(call, [word for word in words if not word.text.startswith("-")])
    return NOT_KNOWN


_SUBCOMMANDS: Final[Mapping[str, Callable[[Call, tuple[Word, ...]], Stream]]] = {
    "push": push,
    "send-pack": push,
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
    "config": config,
    "rev-parse": _revision,
    "symbolic-ref": _revision,
    "diff": _diff_like,
    "log": _diff_like,
    "show": _diff_like,
    "grep": _diff_like,
    "format-patch": _diff_like,
    "archive": _diff_like,
    "init": _init,
    "add": _add,
    "stage": _add,
    "apply": _apply,
    "am": _apply,
}
PROGRAMS: Final = {"git": git, "hub": git}
