"""Programs that delete files: what is named and in the workspace is counted, all else is judged by the rule."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import arguments
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS", "delete", "delete_many", "vital"]

_INSTEAD: Final = (
    "Delete only files that you name, a few at a time and inside the workspace, or leave them and say so in your"
    " answer."
)


def delete_many(call: Call, what: str) -> None:
    """Records a delete whose files are not named."""
    call.judge.by_rule(Rule.FILE_DELETE, what, _INSTEAD)


def delete(call: Call, targets: Sequence[Word], *, recursive: bool = False, unclear: bool = False) -> None:
    """Records a delete of files or, if it is recursive, of folders."""
    if unclear:
        delete_many(call, "deletes files whose names are not known")
    for word in targets:
        _delete_one(call, word, recursive=recursive)


def _delete_one(call: Call, word: Word, *, recursive: bool) -> None:
    judge = call.judge
    path = call.shell.path(word.text)
    if path is not None and vital(call, path, word):
        judge.deny(Rule.FILE_DELETE, f"deletes {path}, which the system or a user cannot do without", _INSTEAD)
        return
    if word.splits or not word.known or path is None:
        if word.known and path is None and posixpath.normpath(word.text) in {"/", ".."}:
            judge.deny(Rule.FILE_DELETE, "deletes a folder above an unknown one", _INSTEAD)
        delete_many(call, "deletes files whose paths are not known")
        return
    if judge.was_made(posixpath.dirname(path) if word.glob else path, call.shell):
        return
    _delete_known(call, word, path, recursive=recursive)


def _delete_known(call: Call, word: Word, path: str, *, recursive: bool) -> None:
    judge = call.judge
    judge.writes(word, call.shell, "deletes")
    shown = judge.around.places.relative(path)
    real = judge.real(path, call.shell)
    if real != path and judge.around.places.vital(real):
        judge.deny(Rule.FILE_DELETE, f"deletes {real} through {shown}", _INSTEAD)
    elif recursive:
        delete_many(call, f"deletes {shown} with all that is in it")
    elif word.glob:
        delete_many(call, f"deletes all files that fit {shown}")
    elif call.state.remote or not (judge.around.places.inside(path) and judge.around.places.inside(real)):
        delete_many(call, f"deletes {path}, outside the workspace")
    elif not judge.found.excused:
        judge.found.deleted.add(path)


def vital(call: Call, path: str, word: Word) -> bool:
    """Tells whether a path, or what a wildcard at its end stands for, is the root, a home or of the system."""
    places = call.judge.around.places
    if UNKNOWN in path:
        return places.of_system(path.partition(UNKNOWN)[0].rstrip("/"))
    if places.vital(path):
        return True
    parent, name = posixpath.split(path)
    if word.glob and parent in {"/", places.home, "/home", "/root", "/Users"}:
        return parent == "/" or name.strip("*.?") == "" or parent in {"/home", "/Users"}
    return path != "/" and places.workspace.startswith(path.rstrip("/") + "/") and path.count("/") <= 1


def _rm(call: Call) -> Stream:
    given = arguments(call.words)
    if given.has("--no-preserve-root"):
        call.judge.deny(Rule.FILE_DELETE, "switches off the protection of /", _INSTEAD)
    if given.has("--help", "--version"):
        return NOT_KNOWN
    delete(call, given.operands, recursive=given.has("-r", "-R", "--recursive"))
    if any(name[:1] == UNKNOWN for name, _value in given.options):
        delete_many(call, "deletes with options that are not known")
    return EMPTY


def _rmdir(call: Call) -> Stream:
    """Empty folders only, so they count as files."""
    delete(call, arguments(call.words).operands)
    return EMPTY


def _unlink(call: Call) -> Stream:
    delete(call, arguments(call.words).operands)
    return EMPTY


def _shred(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-n", "-s", "--iterations", "--size", "--random-source"}))
    for word in given.operands:
        call.judge.writes(word, call.shell, "overwrites")
    delete_many(call, "overwrites files so that nothing can bring them back")
    delete(call, given.operands)
    return EMPTY


def _trash(call: Call) -> Stream:
    given = arguments(call.words)
    if call.name == "trash-empty" or given.has("--empty"):
        delete_many(call, "empties the trash")
        return EMPTY
    delete(call, [word for word in given.operands if word.text != "put"], recursive=False)
    return EMPTY


def _gio(call: Call) -> Stream:
    if call.words[:1] and call.words[0].text in {"trash", "remove"}:
        delete(call, arguments(call.words[1:]).operands)
    return NOT_KNOWN


def _rimraf(call: Call) -> Stream:
    """Rimraf and its like delete whole folders."""
    delete(call, arguments(call.words).operands, recursive=True)
    return EMPTY


def _robocopy(call: Call) -> Stream:
    """Makes a folder like another one: what only the target has is deleted."""
    if {"/mir", "/purge", "/move"} & {text.lower() for text in call.texts()}:
        delete_many(call, "deletes all that the other folder does not have")
    return NOT_KNOWN


PROGRAMS: Final = {
    "robocopy": _robocopy,
    "rm": _rm,
    "grm": _rm,
    "rmdir": _rmdir,
    "grmdir": _rmdir,
    "unlink": _unlink,
    "shred": _shred,
    "srm": _shred,
    "wipe": _shred,
    "trash": _trash,
    "trash-put": _trash,
    "trash-empty": _trash,
    "gio": _gio,
    "rimraf": _rimraf,
    "del-cli": _rimraf,
    "del": _rm,
    "erase": _rm,
}
