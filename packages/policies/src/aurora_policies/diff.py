"""Judges the diff of a task: what it changes, and what in that a person should see first. Pure."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from aurora_policies.edits.judgement import added_lines, gives_access, is_of_data, is_protective
from aurora_policies.effects import Rule
from aurora_policies.places import Patterns, Places, is_secret
from aurora_policies.schema import Action, Policies
from aurora_policies.secret_texts import secret_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["ChangedFile", "Finding", "Leak", "OtherSearch", "judge_diff"]

_NAMED: Final = 5
"""Files that a finding names; of the others it says how many there are."""
_NOWHERE: Final = Places(workspace="/", home="/nonexistent")
"""For paths that are relative to the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """One file that a task has changed.

    Attributes:
        path: relative to the project.
        kind: A added, M modified, D deleted, T another type.
        lines: the number of lines that were added or removed.
        added: the added lines with their numbers; of a link, the path that it leads to.
        searched: False if its added lines are not all in `added`.
        is_link: it is a symbolic link now.
        made_executable: it may be run now, and might not before.
    """

    path: str
    kind: str
    lines: int = 0
    added: tuple[tuple[int, str], ...] = ()
    searched: bool = True
    is_link: bool = False
    made_executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something in a diff that a rule objects to.

    Attributes:
        rule: the rule.
        action: prompt or deny.
        subject: the files, for a person.
        reason: what the diff does, in words.
        shape: what an approval for the whole run would cover, without names of files; "" if it cannot be given.
    """

    rule: str
    action: Action
    subject: str
    reason: str
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A key or password that another program has found in an added line.

    Attributes:
        path: relative to the project.
        kind: as that program calls it.
    """

    path: str
    line: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSearch:
    """The search of another program for keys and passwords.

    Attributes:
        program: its name.
        problem: why it did not search; "" if it did, or is not installed.
    """

    program: str
    leaks: tuple[Leak, ...] = ()
    problem: str = ""


def judge_diff(
    files: Sequence[ChangedFile],
    policies: Policies,
    *,
    planned: Sequence[str] = (),
    searches: Sequence[OtherSearch] = (),
) -> tuple[Finding, ...]:
    """Returns what the policies object to in a task's diff, one finding for each rule and shape.

    Args:
        planned: patterns of the files that the task declares; none declares nothing.
        searches: what other programs have found in the added lines.
    """
    return (
        *_deletions(files, policies),
        *_protected(files, policies),
        *_control(files),
        *_links(files, policies),
        *_secrets(files, policies, searches),
        *_effects(files, policies),
        *_access(files),
        *_programs(files),
        *_lost(files),
        *_size(files, policies),
        *_types(files, policies, planned),
        *_scope(files, policies, planned),
    )


def _deletions(files: Sequence[ChangedFile], policies: Policies) -> Iterator[Finding]:
    rule = policies.destructive.file_delete
    deleted = [each.path for each in files if each.kind == "D"]
    if len(deleted) > rule.max_files and rule.action is not Action.ALLOW:
        reason = f"deletes {_counted(len(deleted), 'file')}, more than {rule.max_files}"
        shape = f"tasks that delete more than {rule.max_files} files"
        yield Finding(rule=Rule.FILE_DELETE, action=rule.action, subject=_names(deleted), reason=reason, shape=shape)


def _protected(files: Sequence[ChangedFile], policies: Policies) -> Iterator[Finding]:
    all_patterns = Patterns(policies.safety.protected_paths)
    alone = {pattern: Patterns((pattern,)) for pattern in policies.safety.protected_paths if pattern[0] != "!"}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in files:
        if all_patterns.match(each.path):
            found[next(pattern for pattern, own in alone.items() if own.match(each.path))].append(each.path)
    for pattern, paths in found.items():
        yield _prompt(
            Rule.PROTECTED_PATHS, paths, f"changes protected files ({pattern})", f"changes of files like {pattern}"
        )


def _control(files: Sequence[ChangedFile]) -> Iterator[Finding]:
    paths = [each.path for each in files if _NOWHERE.controls_agents(each.path)]
    if paths:
        yield _prompt(Rule.SELF_PROTECTION, paths, "changes files that control agents or run commands later")


def _links(files: Sequence[ChangedFile], policies: Policies) -> Iterator[Finding]:
    places = {each.path: _place(each) for each in files if each.is_link}
    outside = [path for path, place in places.items() if place == ".." or place.startswith(("/", "../"))]
    if outside:
        yield _prompt(Rule.WORKTREE_ESCAPE, outside, "links to places outside the project")
    protected = Patterns(policies.safety.protected_paths)
    guarded = [
        path
        for path, place in places.items()
        if path not in outside and (protected.match(place) or _NOWHERE.controls_agents(place) or is_secret(place))
    ]
    if guarded:
        yield _prompt(Rule.SELF_PROTECTION, guarded, "makes another name for protected files")


def _place(link: ChangedFile) -> str:
    """Returns where a link leads, from the project."""
    target = link.added[0][1] if link.added else "/"  # of a link that is not known, nothing good is known
    return posixpath.normpath(posixpath.join(posixpath.dirname(link.path), target))


def _effects(files: Sequence[ChangedFile], policies: Policies) -> Iterator[Finding]:
    """Yields what added lines would do later, one finding for each rule and effect."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for each in files:
        for objection in added_lines(each.path, each.added, policies) if not each.is_link else ():
            found[objection.rule, objection.reason].append(f"{each.path}:{objection.line}")
    for (rule, reason), places in found.items():
        yield _prompt(rule, list(dict.fromkeys(places)), reason)


def _access(files: Sequence[ChangedFile]) -> Iterator[Finding]:
    paths = [each.path for each in files if gives_access(each.path)]
    if paths:
        yield _prompt(Rule.SELF_PROTECTION, paths, "changes who may do what on a machine, or what each start runs")


def _programs(files: Sequence[ChangedFile]) -> Iterator[Finding]:
    """Yields data that may be run now, and new programs that cannot be read."""
    made = [each for each in files if each.made_executable and each.kind != "D"]
    data = [each.path for each in made if is_of_data(each.path)]
    if data:
        yield _prompt(Rule.CODE_INJECTION, data, "makes files of data executable")
    unread = [each.path for each in made if each.path not in data and each.kind == "A" and not each.lines]
    if unread:
        yield _prompt(Rule.UNDECIDABLE, unread, "adds programs that cannot be read")


def _lost(files: Sequence[ChangedFile]) -> Iterator[Finding]:
    """Yields deleted tests and their like; one that is in another place now was only moved."""
    kept = {posixpath.basename(each.path) for each in files if each.kind == "A"}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in files:
        if each.kind == "D" and posixpath.basename(each.path) not in kept and is_protective(each.path):
            found[is_protective(each.path)].append(each.path)
    for what, paths in found.items():
        yield _prompt(Rule.WEAKENED, paths, f"deletes {what}")


def _secrets(files: Sequence[ChangedFile], policies: Policies, searches: Sequence[OtherSearch]) -> Iterator[Finding]:
    protected = Patterns(policies.safety.protected_paths)  # of which a finding of its own tells
    kept = [
        each.path
        for each in files
        if each.kind != "D" and is_secret(each.path) and not protected.match(each.path) and not _only_settings(each)
    ]
    if kept:
        yield _prompt(Rule.SECRETS, kept, "adds or changes files that hold keys and passwords")
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in files:
        for number, line in each.added if not each.is_link else ():
            kind = secret_in(line)
            if kind is not None:
                found[kind].append(f"{each.path}:{number}")
    for kind, places in found.items():
        yield _prompt(Rule.SECRETS, places, f"adds {kind}")
    yield from _found_by_others(searches, {place for places in found.values() for place in places})
    unread = [each.path for each in files if not each.searched]
    if unread:
        yield _prompt(Rule.UNDECIDABLE, unread, "adds too much to be searched for keys and passwords")


def _found_by_others(searches: Sequence[OtherSearch], known: Collection[str]) -> Iterator[Finding]:
    """Yields what other programs have found where we have not, and which of them could not search."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for search in searches:
        if search.problem:
            reason = f"could not be searched by {search.program}, which is installed: {_shown(search.problem)}"
            yield _prompt(Rule.UNDECIDABLE, ["the added lines"], reason)
        for leak in search.leaks:
            place = f"{leak.path}:{leak.line}"
            if place not in known:
                found[search.program, leak.kind].append(place)
    for (program, kind), places in found.items():
        yield _prompt(Rule.SECRETS, places, f"adds what {program} takes for a secret ({_shown(kind)})")


def _only_settings(file: ChangedFile) -> bool:
    """Tells whether a file that holds settings beside keys was given settings alone."""
    if posixpath.basename(file.path) != ".npmrc" or not file.searched or not file.added:
        return False
    return not any(re.search(r"(?i)auth|token|pass|key|cert|user", line) for _number, line in file.added)


def _size(files: Sequence[ChangedFile], policies: Policies) -> Iterator[Finding]:
    limits, paths = policies.safety, [each.path for each in files]
    if len(files) > limits.max_files_modified:
        reason = f"changes {_counted(len(files), 'file')}, more than {limits.max_files_modified}"
        shape = f"tasks that change more than {limits.max_files_modified} files"
        yield _prompt(Rule.MAX_FILES_MODIFIED, paths, reason, shape)
    lines = sum(each.lines for each in files)
    if lines > limits.max_lines_changed:
        reason = f"changes {_counted(lines, 'line')}, more than {limits.max_lines_changed}"
        shape = f"tasks that change more than {limits.max_lines_changed} lines"
        yield _prompt(Rule.MAX_LINES_CHANGED, paths, reason, shape)


def _types(files: Sequence[ChangedFile], policies: Policies, planned: Sequence[str]) -> Iterator[Finding]:
    """Yields files of unexpected types; one that the task declares is expected."""
    patterns = {pattern: Patterns((pattern,)) for pattern in policies.anomalies.unexpected_file_types}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in files:
        if each.kind != "D" and not _is_planned(each.path, planned):
            pattern = next((pattern for pattern, own in patterns.items() if own.match(each.path)), None)
            if pattern is not None:
                found[pattern].append(each.path)
    for pattern, paths in found.items():
        reason = f"adds or changes files of an unexpected type ({pattern})"
        yield _prompt(Rule.UNEXPECTED_FILE_TYPES, paths, reason, f"additions and changes of files like {pattern}")


def _scope(files: Sequence[ChangedFile], policies: Policies, planned: Sequence[str]) -> Iterator[Finding]:
    """Yields a finding for a task that changes many more files than it declares; a pattern counts what fits it."""
    if not planned:
        return
    beyond = [each.path for each in files if not _is_planned(each.path, planned)]
    expected = max(len(planned), len(files) - len(beyond))
    factor = policies.anomalies.scope_multiplier
    if len(files) > expected * factor:
        reason = f"changes {_counted(len(files), 'file')}, more than {factor:g} times the {expected} that it declares"
        yield _prompt(
            Rule.SCOPE, beyond, reason, f"tasks that change more than {factor:g} times the files that they declare"
        )


def _is_planned(path: str, planned: Sequence[str]) -> bool:
    plain = (pattern.removeprefix("./").rstrip("/") for pattern in planned)
    return any(not each or path == each or path.startswith(f"{each}/") or fnmatchcase(path, each) for each in plain)


def _prompt(rule: str, paths: Sequence[str], reason: str, shape: str = "") -> Finding:
    return Finding(rule=rule, action=Action.PROMPT, subject=_names(paths), reason=reason, shape=shape)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _shown(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]


def _names(paths: Sequence[str]) -> str:
    names = list(map(_shown, paths[:_NAMED]))
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(names) + more
