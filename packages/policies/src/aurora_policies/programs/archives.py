"""Archives: what is packed, and the files that unpacking writes."""

from __future__ import annotations

import posixpath
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_policies.programs.arguments import Arguments, arguments
from aurora_policies.programs.deleting import delete_many
from aurora_policies.programs.printing import reads, reads_all
from aurora_policies.shell.stream import NOT_KNOWN, Stream
from aurora_policies.shell.words import Word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS"]


_TAR_RUNS: Final = (
    "--to-command",
    "--use-compress-program",
    "-I",
    "--info-script",
    "--new-volume-script",
    "-F",
    "--rsh-command",
)
_ELSEWHERE: Final = re.compile(r"[^/]*:")
"""An archive on another machine: a colon before the first slash."""


_TAR_VALUED: Final = frozenset(
    (
        *("-f", "--file", "-C", "--directory", "-T", "-X", "-b", "-K", "--exclude", "--checkpoint-action"),
        *("--rmt-command", *_TAR_RUNS),
    )
)


def _tar(call: Call) -> Stream:
    words = list(call.words)
    if words and not words[0].text.startswith("-"):
        words[0] = Word(f"-{words[0].text}")
    given = arguments(words, valued=_TAR_VALUED)
    for value in given.values(*_TAR_RUNS):
        call.shell.in_copy(partial(call.shell.run_text, value.text))
    if any(value.text.startswith("exec") for value in given.values("--checkpoint-action")):
        call.judge.undecided("tar runs a command")
    if given.has("--remove-files"):
        delete_many(call, "deletes the files that it packs")
    folder = next(iter(given.values("-C", "--directory")), None)
    if given.has("-x", "--extract", "--get"):
        for word in given.operands if folder is None else (folder, *given.operands):
            call.judge.writes(word, call.shell, "unpacks" if word is not folder else "unpacks into")
        return NOT_KNOWN
    return _packed(call, given, folder)


def _packed(call: Call, given: Arguments, folder: Word | None) -> Stream:
    """Records what is packed, and the archives that are written with it, here or on another machine."""
    names = given.operands
    if folder is not None:
        names = tuple(Word(posixpath.join(folder.text, word.text), glob=word.glob) for word in names)
    without = [word.text for word in given.values("--exclude") if word.known]
    packed = reads(call, names) if given.has("--no-recursion") else reads_all(call, names, without=without)
    archives = [word for word in given.values("-f", "--file") if word.text != "-"]
    tape = call.variables.get("TAPE", call.state.variables.get("TAPE"))
    if not archives and isinstance(tape, str):
        archives = [Word(tape)]
    for word in archives:
        if packed and _ELSEWHERE.match(word.text) and not given.has("-t", "--list", "--force-local"):
            call.judge.secret_sent(packed, word.text)
    for word in archives if given.has("-c", "--create", "-r", "-u", "-A", "--delete") else []:
        call.judge.write(word, Stream(None, packed), call.shell, append=True, by="tar")
    return Stream(None, packed)


def _unzip(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-d", "-x"}))
    for word in (*given.values("-d"), *given.operands[1:]):
        call.judge.writes(word, call.shell, "unpacks")
    return NOT_KNOWN


def _zip(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-x", "-i", "-b", "-t", "-TT"}))
    if any(text in {"-TT", "--unzip-command"} or text.startswith("-TT") for text in call.texts()):
        call.judge.undecided("zip runs a command")
    if given.has("-m", "--move"):
        delete_many(call, "deletes the files that it packs")
    names = [Word(line) for line in (call.input.text or "").splitlines()] if given.has("-@") else []
    packed = reads_all(call, [*given.operands[1:], *names])
    for word in given.operands[:1]:
        call.judge.write(word, Stream(None, packed), call.shell, append=True, by="zip")
    return Stream(None, packed)


_SUFFIXES: Final = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz"}


def _compress(call: Call) -> Stream:
    """Replaces each file by a packed one."""
    given = arguments(call.words, valued=frozenset({"-S", "--suffix"}))
    if given.has("-c", "--stdout", "-l", "-t"):
        return Stream(None, reads_all(call, given.operands))
    suffix = next((word.text for word in given.values("-S", "--suffix")), _SUFFIXES[call.name])
    for word in given.operands:
        path = call.shell.path(word.text)
        if path is not None:
            call.shell.files.content[path + suffix] = Stream(None, reads_all(call, [word]))
    if given.has("-k", "--keep"):
        return Stream(None, call.input.secret)
    for word in given.operands:
        call.judge.writes(word, call.shell, "replaces")
    return Stream(None, call.input.secret)


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    "tar": _tar,
    "gtar": _tar,
    "bsdtar": _tar,
    "unzip": _unzip,
    "zip": _zip,
    "gzip": _compress,
    "bzip2": _compress,
    "xz": _compress,
}
