"""Archives: what is packed, and the files that unpacking writes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.deleting import delete_many
from aurora_policies.programs.printing import reads
from aurora_policies.shell.stream import NOT_KNOWN, Stream
from aurora_policies.shell.words import Word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS"]


def _tar(call: Call) -> Stream:
    words = list(call.words)
    if words and not words[0].text.startswith("-"):
        words[0] = Word(f"-{words[0].text}")
    given = arguments(
        words,
        valued=frozenset(
            {
                "-f",
                "--file",
                "-C",
                "--directory",
                "-T",
                "-X",
                "-I",
                "--exclude",
                "--to-command",
                "--checkpoint-action",
                "--use-compress-program",
                "-b",
                "-K",
            }
        ),
    )
    for value in given.values("--to-command", "--use-compress-program", "-I"):
        call.shell.in_copy(partial(call.shell.run_text, value.text))
    for value in given.values("--checkpoint-action"):
        if value.text.startswith("exec"):
            call.judge.undecided("tar runs a command")
    if given.has("--remove-files"):
        delete_many(call, "deletes the files that it packs")
    folder = next(iter(given.values("-C", "--directory")), None)
    if given.has("-x", "--extract", "--get"):
        if folder is not None:
            call.judge.writes(folder, call.shell, "unpacks into")
        for word in given.operands:
            call.judge.writes(word, call.shell, "unpacks")
        return NOT_KNOWN
    archives = [word for word in given.values("-f", "--file") if word.text != "-"]
    for word in archives if given.has("-c", "--create", "-r", "-u", "-A", "--delete") else []:
        call.judge.write(word, Stream(None, reads(call, given.operands)), call.shell, append=True, by="tar")
    return Stream(None, reads(call, given.operands))


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
    for word in given.operands[:1]:
        call.judge.write(word, Stream(None, reads(call, given.operands[1:])), call.shell, append=True, by="zip")
    return NOT_KNOWN


def _compress(call: Call) -> Stream:
    """Replaces each file by a packed one."""
    given = arguments(call.words, valued=frozenset({"-S"}))
    if given.has("-c", "--stdout", "-k", "--keep", "-l", "-t"):
        return Stream(None, reads(call, given.operands))
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
