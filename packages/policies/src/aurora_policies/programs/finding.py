"""Programs that run others once for each of many names: find, fd, xargs, parallel."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from aurora_policies.programs.arguments import after_options, arguments
from aurora_policies.programs.deleting import delete, delete_many
from aurora_policies.programs.shells import run_inner, run_text
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS"]

_DELETERS: Final = frozenset({"rm", "rmdir", "unlink", "shred", "trash", "rimraf"})
_PERMISSIONS: Final = frozenset({"chmod", "chown", "chgrp"})
_XARGS_VALUED: Final = frozenset(
    {
        "-I",
        "-n",
        "-P",
        "-L",
        "-d",
        "-E",
        "-s",
        "-a",
        "-J",
        "-R",
        "--max-args",
        "--max-procs",
        "--delimiter",
        "--arg-file",
        "--replace",
    }
)
_FIND_RUNS: Final = frozenset({"-exec", "-execdir", "-ok", "-okdir"})


def _xargs(call: Call) -> Stream:
    given = arguments(call.words, valued=_XARGS_VALUED, stop_at_operand=True)
    words = given.operands
    if not words:
        return Stream(call.input.text, call.input.secret)
    marker = next(iter(given.values("-I", "-J", "--replace")), None)
    if marker is None and given.has("-i", "--replace"):
        marker = Word("{}")
    if marker is not None:
        return run_inner(call, [Word(each.text.replace(marker.text, UNKNOWN)) for each in words])
    items: list[Word] = []
    known = call.input.text is not None and not given.has("-a", "--arg-file")
    if known:
        names = re.sub(r"['\"]", "", call.input.text or "").replace("\0", "\n").split()
        items = [Word(each, splits=UNKNOWN in each) for each in names]
    if not known or posixpath.basename(words[0].text) in _DELETERS:
        items.append(Word(UNKNOWN, splits=True))  # what comes through a pipe is not named
    return call.shell.run_words([*words, *items], stdin=EMPTY)


def _parallel(call: Call) -> Stream:
    texts = call.texts()
    cut = next((texts.index(each) for each in (":::", "::::", ":::+") if each in texts), len(texts))
    words = after_options(call.words[:cut], valued=frozenset({"-j", "--jobs", "-N", "-n", "--delay", "-a", "-S"}))
    if not words:
        call.judge.undecided("runs commands that come through a pipe")
        return NOT_KNOWN
    text = " ".join(word.text for word in words)
    placed = re.sub(r"\{[^{}]*\}", UNKNOWN, text)
    if len(words) > 1 and " " not in words[0].text:
        items = [
            Word(re.sub(r"\{[^{}]*\}", UNKNOWN, word.text), splits=True) for word in words[1:] if "{" in word.text
        ]
        plain = [word for word in words if "{" not in word.text]
        return call.shell.run_words([*plain, *(items or [Word(UNKNOWN, splits=True)])], stdin=EMPTY)
    return run_text(call, placed if placed != text else f"{text} {UNKNOWN}")


def _find(call: Call) -> Stream:
    texts = call.texts()
    start = next(
        (i for i, text in enumerate(texts) if text[:1] in {"-", "(", "!"} and text not in {"-L", "-H", "-P"}),
        len(texts),
    )
    roots = [word for word in call.words[:start] if not word.text.startswith("-")] or [Word(".")]
    at = start
    while at < len(texts):
        if texts[at] in _FIND_RUNS:
            end = next((i for i in range(at + 1, len(texts)) if texts[i] in {";", "+"}), len(texts))
            _find_runs(call, roots, call.words[at + 1 : end], _ending(texts))
            at = end
        elif texts[at] == "-delete":
            _find_deletes(call, roots, texts)
        elif texts[at] in {"-fprint", "-fls", "-fprint0", "-fprintf"} and at + 1 < len(texts):
            call.judge.writes(call.words[at + 1], call.shell, "writes")
        at += 1
    ending = _ending(texts)
    return (
        Stream("".join(f"{posixpath.join(root.text, UNKNOWN + ending)}\n" for root in roots)) if ending else NOT_KNOWN
    )


def _ending(texts: Sequence[str]) -> str:
    """Returns the end that all found names have: ".py" for `-name '*.py'`."""
    names = [texts[index + 1] for index, text in enumerate(texts[:-1]) if text in {"-name", "-iname"}]
    end = names[0].removeprefix("*") if len(names) == 1 and "-o" not in texts and "!" not in texts else ""
    return "" if re.search(r"[*?\[]", end) else end


def _find_runs(call: Call, roots: Sequence[Word], words: Sequence[Word], ending: str) -> None:
    for root in roots:
        found = posixpath.join(root.text, UNKNOWN + ending)
        command = [Word(word.text.replace("{}", found), splits=word.text == "{}") for word in words]
        name = posixpath.basename(words[0].text) if words else ""
        path = call.shell.path(root.text)
        if name in _PERMISSIONS and path is not None and call.judge.around.places.vital(path):
            call.shell.run_words((words[0], Word("-R"), *words[1:-1], root), stdin=EMPTY)
        if name in _DELETERS and path is not None and call.judge.around.places.vital(path):
            delete(call, [root], recursive=True)
        call.shell.run_words(command, stdin=EMPTY)


def _find_deletes(call: Call, roots: Sequence[Word], texts: Sequence[str]) -> None:
    depth = texts[texts.index("-maxdepth") + 1 : texts.index("-maxdepth") + 2] if "-maxdepth" in texts else []
    names = [texts[i + 1] for i, text in enumerate(texts[:-1]) if text == "-name"]
    for root in roots:
        path = call.shell.path(root.text)
        if depth in (["0"], ["1"]) and len(names) == 1 and not re.search(r"[*?\[]", names[0]) and "-o" not in texts:
            delete(call, [Word(posixpath.join(root.text, names[0]))])
        elif path is not None and call.judge.around.places.vital(path):
            delete(call, [root], recursive=True)
        elif path is None or not call.judge.was_made(path, call.shell):
            delete_many(call, f"deletes all files that find finds in {root.text.replace(UNKNOWN, '…')}")


def _fd(call: Call) -> Stream:
    texts = call.texts()
    for index, text in enumerate(texts):
        if text in {"-x", "-X", "--exec", "--exec-batch"}:
            words = [
                Word(re.sub(r"\{[^{}]*\}", UNKNOWN, word.text))
                for word in call.words[index + 1 :]
                if word.text != ";"
            ]
            items = [] if any(UNKNOWN in word.text for word in words) else [Word(UNKNOWN, splits=True)]
            call.shell.run_words([*words, *items], stdin=EMPTY)
            break
    return NOT_KNOWN


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    "xargs": _xargs,
    "gxargs": _xargs,
    "parallel": _parallel,
    "find": _find,
    "gfind": _find,
    "fd": _fd,
    "fdfind": _fd,
}
