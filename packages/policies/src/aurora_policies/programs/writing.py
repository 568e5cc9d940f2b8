"""Programs that write, move, link or change files which are named in their arguments."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.deleting import delete_many, vital
from aurora_policies.programs.printing import reads, reads_all
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS", "judge_patch"]

_COPY_VALUED: Final = frozenset(
    {"-t", "--target-directory", "-S", "--suffix", "-m", "--mode", "-o", "--owner", "-g", "--group"}
)
_SED_SUBSTITUTE: Final = re.compile(
    r"(?:^|[;\n{}/,\d])[^\S\n]*s([^\w\s\\])(?:\\.|(?!\1).)*\1(?:\\.|(?!\1).)*\1([a-zA-Z0-9]*)(?:\s+(\S+))?",
    re.DOTALL,
)
_SED_COMMAND: Final = re.compile(r"(?:^|[;\n{])[^\S\n]*(?:(?:\d+|\$|/(?:\\.|[^/\\])*/)\s*)?([eEwW])\s+(\S+)")


def _tee(call: Call) -> Stream:
    given = arguments(call.words)
    for word in given.operands:
        call.judge.write(word, call.input, call.shell, append=given.has("-a", "--append"), by="tee")
    return call.input


def _sponge(call: Call) -> Stream:
    given = arguments(call.words)
    for word in given.operands:
        call.judge.write(word, call.input, call.shell, append=given.has("-a"), by="sponge")
    return EMPTY


def _targets(call: Call) -> tuple[list[Word], list[Word]]:
    """Returns the sources of a copy, and the paths that it writes."""
    given = arguments(call.words, valued=_COPY_VALUED)
    folders = given.values("-t", "--target-directory")
    operands = list(given.operands)
    if folders:
        sources, target = operands, folders[0]
    elif len(operands) < 2:
        return operands, operands if call.name == "install" and given.has("-d") else []
    else:
        *sources, target = operands
    return sources, _written(call, sources, target, in_folder=bool(folders) or len(sources) > 1)


def _written(call: Call, sources: Sequence[Word], target: Word, *, in_folder: bool) -> list[Word]:
    path = call.shell.path(target.text)
    known_folder = path is not None and _is_folder(path)
    if not (in_folder or target.text in {".", ".."} or target.text.endswith("/") or known_folder):
        return [target]
    names = [
        Word(posixpath.join(target.text, re.split(r"[/:]", each.text.rstrip("/"))[-1]), glob=each.glob)
        for each in sources
    ]
    return [target, *names]


def _is_folder(path: str) -> bool:
    return UNKNOWN not in path and len(path) < 4000 and "\0" not in path and Path(path).is_dir()


def _cp(call: Call) -> Stream:
    sources, written = _targets(call)
    for word in written:
        call.judge.writes(word, call.shell, "writes")
    for source in sources:
        if source.text == "/dev/null":
            for word in written:
                call.judge.empties(word, call.shell)
    _remember(call, sources, written)
    if arguments(call.words, valued=_COPY_VALUED).has("-l", "--link", "-s", "--symbolic-link"):
        _linked(call, sources)
    return EMPTY


_FROM_ELSEWHERE: Final = re.compile(r"[^/]+:")
"""A source on another machine: a colon before the first slash."""


def _remember(call: Call, sources: Sequence[Word], written: Sequence[Word]) -> None:
    """Remembers what the copies hold, so that what is run or sent later is judged by it.

    A copy of what is there and cannot be read, such as a program that was built, is trusted as its source is.
    """
    made = call.shell.files.content
    for source in sources:
        content = call.judge.content(source, call.shell)
        if content == NOT_KNOWN:
            content = Stream(None, reads_all(call, [source]))
        if (
            content == NOT_KNOWN
            and call.shell.path(source.text) not in made
            and not _FROM_ELSEWHERE.match(source.text)
        ):
            continue
        for word in written:
            path = call.shell.path(word.text)
            if path is not None:
                call.shell.files.content[path] = content
                call.shell.files.made.add(path)


def _mv(call: Call) -> Stream:
    sources, written = _targets(call)
    judge = call.judge
    for source in sources:
        path = call.shell.path(source.text)
        if path is not None and vital(call, path, source):
            judge.deny(Rule.FILE_DELETE, f"moves {path}, which the system or a user cannot do without")
        judge.writes(source, call.shell, "moves")
        inside = _protected_in(call, path) if path is not None and UNKNOWN not in path else None
        if inside is not None:
            judge.writes(Word(inside), call.shell, "moves")
        if path is not None and judge.around.places.controls_agents(f"{path}/settings.json"):
            judge.prompt(Rule.SELF_PROTECTION, f"moves {source.text}, which controls agents")
    for word in written:
        if word.text == "/dev/null":
            delete_many(call, "moves files to where they are lost")
        elif any(each.glob for each in sources) and _leaves(call, sources, word):
            delete_many(call, "moves files that are not named out of the workspace")
        judge.writes(word, call.shell, "writes")
    _remember(call, sources, written)
    return EMPTY


def _protected_in(call: Call, folder: str) -> str | None:
    """Returns a protected file on disk that is moved with its folder; what is in a protected folder goes unasked."""
    around = call.judge.around
    for each in call.judge.files_below(folder):
        shown = around.places.relative(each)
        if around.protected.match(shown) and not around.protected.match(f"{posixpath.dirname(shown)}/x"):
            return each
    return None


def _ssh_keygen(call: Call) -> Stream:
    """Shows a key, or looks for a host, with these options; else it makes keys."""
    if arguments(call.words, valued=frozenset({"-f", "-F", "-E", "-t", "-b", "-C", "-N"})).has(
        "-l", "-y", "-e", "-F", "-B"
    ):
        return Stream(None, reads(call, call.words)) if "-y" in call.texts() else NOT_KNOWN
    return _output_option("-f")(call)


def _leaves(call: Call, sources: Sequence[Word], target: Word) -> bool:
    """Tells whether files of the workspace are moved out of it."""
    places = call.judge.around.places
    to = call.shell.path(target.text)
    if to is None or UNKNOWN in to or places.inside(to) or to == places.workspace:
        return False
    return any(places.inside(call.shell.path(each.text) or "") for each in sources)


def _install(call: Call) -> Stream:
    sources, written = _targets(call)
    for word in written:
        call.judge.writes(word, call.shell, "writes")
    _remember(call, sources, written)
    return EMPTY


def _ln(call: Call) -> Stream:
    given = arguments(call.words, valued=_COPY_VALUED)
    operands = list(given.operands)
    if not operands:
        return EMPTY
    sources = operands[:-1] or operands
    target = operands[-1] if len(operands) > 1 else Word(posixpath.basename(operands[0].text))
    _linked(call, sources)
    written = _written(call, sources, target, in_folder=len(sources) > 1)
    for word in written:
        call.judge.writes(word, call.shell, "links")
    if not given.has("-s", "--symbolic"):
        _remember(call, sources, written)
    link = call.shell.path(target.text)
    leads = call.shell.path(posixpath.join(posixpath.dirname(target.text), sources[0].text))
    if link is not None and leads is not None:
        call.shell.files.links[link] = leads
    return EMPTY


def _linked(call: Call, sources: Sequence[Word]) -> None:
    """A second name for a protected file is a way to write it."""
    for source in sources:
        call.judge.writes(source, call.shell, "makes another name for")


def _dd(call: Call) -> Stream:
    given = {name: value for name, _, value in (word.text.partition("=") for word in call.words)}
    target = given.get("of")
    if target is None:
        return Stream(None, reads(call, [Word(given.get("if", ""))]))
    if given.get("if") == "/dev/null":
        call.judge.empties(Word(target), call.shell)
    path = call.shell.path(target)
    if path is not None and path.startswith("/dev/") and call.judge.around.places.of_system(path):
        call.judge.deny(Rule.SYSTEM_DAMAGE, f"overwrites the device {path}", "Do not write to devices.")
    call.judge.write(Word(target), Stream(None), call.shell, append=True, by="dd")
    return EMPTY


def _truncate(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-s", "--size", "-r", "--reference"}))
    size = next(iter(given.values("-s", "--size")), Word("0")).text
    for word in given.operands:
        if not size.startswith("+"):
            call.judge.empties(word, call.shell)
        call.judge.writes(word, call.shell, "truncates")
    return EMPTY


def _sed(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-e", "--expression", "-f", "--file", "-l"}))
    scripts = given.values("-e", "--expression")
    files = list(given.operands)
    if not scripts and not given.values("-f", "--file") and files:
        scripts = (files.pop(0),)
    for script in scripts:
        _sed_script(call, script)
    if _in_place(call):
        for word in files:
            call.judge.writes(word, call.shell, "edits")
            if any(script.text.strip() in {"d", "1,$d", "Q", "q"} for script in scripts):
                call.judge.empties(word, call.shell)
    secret = reads(call, files)
    if not files and call.input.known and not scripts:
        return call.input
    return Stream(None, secret)


def _in_place(call: Call) -> bool:
    return any(text.startswith(("-i", "--in-place")) or re.fullmatch(r"-[nErsuz]*i.*", text) for text in call.texts())


def _sed_script(call: Call, script: Word) -> None:
    text = script.text
    if text.startswith(UNKNOWN) or ("\n" in text and UNKNOWN in text):
        call.judge.undecided("the script of sed is not known")
    for match in _SED_SUBSTITUTE.finditer(text):
        if "e" in match[2]:
            call.judge.undecided("sed runs what it makes of its input as commands")
        if "w" in match[2] and match[3]:
            call.judge.writes(Word(match[3]), call.shell, "writes")
    for match in _SED_COMMAND.finditer(text):
        if match[1] in "wW":
            call.judge.writes(Word(match[2]), call.shell, "writes")
        else:
            call.judge.undecided("sed runs a command")


def _named(verb: str, *, valued: frozenset[str] = frozenset(), skip: int = 0) -> Callable[[Call], Stream]:
    """Returns a handler of a program that changes all files it names."""

    def handler(call: Call) -> Stream:
        for word in arguments(call.words, valued=valued).operands[skip:]:
            call.judge.writes(word, call.shell, verb)
        return EMPTY

    return handler


def _touch(call: Call) -> Stream:
    for word in arguments(call.words, valued=frozenset({"-d", "-r", "-t", "--date", "--reference"})).operands:
        call.judge.writes(word, call.shell, "touches", content=False)
        path = call.shell.path(word.text)
        if path is not None and call.judge.around.places.temporary(path):
            call.shell.files.made.add(path)
    return EMPTY


def _mkdir(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-m", "--mode"}))
    for word in given.operands:
        call.judge.writes(word, call.shell, "makes", content=False)
        path = call.shell.path(word.text)
        # Without -p it fails where there is one already, and what follows `&&` is not run.
        if path is not None and UNKNOWN not in path and not given.has("-p", "--parents"):
            call.shell.files.made.add(path)
    return EMPTY


def _chmod(call: Call) -> Stream:
    given = arguments([word for word in call.words if not re.fullmatch(r"-[rwxXst]+", word.text)], valued=frozenset())
    operands = given.operands if given.has("--reference") else given.operands[1:]
    for word in operands:
        path = call.shell.path(word.text)
        if given.has("-R", "--recursive") and path is not None and call.judge.around.places.vital(path):
            call.judge.deny(
                Rule.SYSTEM_DAMAGE, f"changes who may use all of {path}", "Change only files of the workspace."
            )
        elif given.has("-R", "--recursive") and (path is None or UNKNOWN in path):
            call.judge.prompt(Rule.SYSTEM_DAMAGE, "changes who may use files whose paths are not known")
        call.judge.writes(word, call.shell, "changes the permissions of", content=False)
    return EMPTY


def _patch(call: Call) -> Stream:
    given = arguments(
        call.words, valued=frozenset({"-p", "-i", "--input", "-d", "--directory", "-o", "--output", "-r"})
    )
    for word in (*given.operands[:1], *given.values("-o", "--output")):
        call.judge.writes(word, call.shell, "patches")
    judge_patch(call, [*given.values("-i", "--input"), *given.operands[1:]])
    return NOT_KNOWN


_PATCHED: Final = re.compile(r"^(?:\+\+\+|---) (?:[ab]/)?([^\t\n]+)", re.MULTILINE)


def judge_patch(call: Call, files: Sequence[Word]) -> None:
    """Judges a patch by the files that it names; one that cannot be read is not known."""
    streams = [call.judge.content(word, call.shell) for word in files] or [call.input]
    for stream in streams:
        for path in _PATCHED.findall(stream.text or ""):
            if path != "/dev/null":
                call.judge.writes(Word(path.strip()), call.shell, "patches")


def _output_option(*names: str) -> Callable[[Call], Stream]:
    """Returns a handler of a program that writes the file of an option."""

    def handler(call: Call) -> Stream:
        given = arguments(
            call.words, valued=frozenset((*names, "-in")), single_dash=any(len(n) > 2 and n[1] != "-" for n in names)
        )
        secret = reads(call, (*given.operands, *given.values("-in")))
        for word in given.values(*names):
            call.judge.write(word, Stream(None, secret), call.shell, append=True, by=call.name)
        return Stream(None, secret)

    return handler


def _sort(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-o", "--output", "-k", "-t", "-S", "-T", "--compress-program"}))
    for word in given.values("-o", "--output"):
        call.judge.writes(word, call.shell, "writes")
    for word in given.values("--compress-program"):
        call.shell.run_words((word,))
    return (
        Stream(call.input.text, reads(call, given.operands))
        if not given.operands
        else Stream(None, reads(call, given.operands))
    )


def _rsync(call: Call) -> Stream:
    valued = frozenset(
        {"-e", "--rsh", "--exclude", "--include", "-f", "--filter", "--rsync-path", "--exclude-from", "--files-from"}
    )
    given = arguments(call.words, valued=valued)
    for value in given.values("-e", "--rsh"):
        if not re.match(r"ssh\b", value.text) or "ProxyCommand" in value.text:
            call.judge.prompt(Rule.CODE_INJECTION, "runs another program to reach the remote")
    if given.has("-n", "--dry-run", "--list-only"):
        return NOT_KNOWN
    if any(name.startswith("--del") for name, _value in given.options):
        delete_many(call, "deletes files of the target that the source does not have")
    if given.has("--remove-source-files"):
        delete_many(call, "deletes the files that it has copied")
    *sources, target = given.operands or (Word(""),)
    if ":" in target.text:
        folders = given.has("-r", "-a", "--recursive", "--archive") and not given.has("--no-recursive", "--no-r")
        secret = (
            reads(call, sources)
            if not folders
            else reads_all(call, sources, without=[word.text for word in given.values("--exclude")])
        )
        if secret:
            call.judge.secret_sent(secret, target.text)
    elif sources:
        written = _written(call, sources, target, in_folder=len(sources) > 1)
        for word in written:
            call.judge.writes(word, call.shell, "writes")
        _remember(call, sources, written)
    return NOT_KNOWN


def _editor(call: Call) -> Stream:
    """Editors: the files that they are given, and the commands that they are told to run."""
    given = arguments(call.words, valued=frozenset({"-c", "-S", "-u", "--cmd", "--eval", "-l"}))
    for value in given.values("-c", "--cmd", "--eval"):
        if re.search(
            r"(^|[|:\s])!|system\(|shell-command|call-process|delete-file|writefile|\br?!|\bdelete\(", value.text
        ):
            call.judge.undecided("an editor runs a command")
    for word in given.operands:
        if not word.text.startswith("+"):
            call.judge.writes(word, call.shell, "edits")
        elif "!" in word.text:
            call.judge.undecided("an editor runs a command")
    if call.input.text and re.search(r"^\s*(r\s*)?!|^[\d,$]*w\s*!", call.input.text, re.MULTILINE):
        call.judge.undecided("an editor runs a command")
    return NOT_KNOWN


def _second(call: Call) -> Stream:
    """Programs whose second operand is the file that they write."""
    operands = arguments(call.words).operands
    for word in operands[1:2]:
        call.judge.writes(word, call.shell, "writes")
    return Stream(None, reads(call, operands[:1])) if operands else call.input


def _in_place_option(*names: str) -> Callable[[Call], Stream]:
    def handler(call: Call) -> Stream:
        given = arguments(call.words)
        if given.has(*names):
            for word in given.operands[1:]:
                call.judge.writes(word, call.shell, "edits")
        return Stream(None, reads(call, given.operands))

    return handler


def _binary(call: Call) -> Stream:
    """Programs that change a program where it is, or write another one."""
    given = arguments(call.words, valued=frozenset({"-o", "--output"}))
    written = given.values("-o", "--output") or given.operands[-1:]
    for word in written:
        call.judge.writes(word, call.shell, "changes")
    return EMPTY


def _rename(call: Call) -> Stream:
    given = arguments(call.words)
    if given.has("-n", "--no-act"):
        return NOT_KNOWN
    for word in given.operands[1:]:
        call.judge.writes(word, call.shell, "renames")
    return NOT_KNOWN


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    "tee": _tee,
    "sponge": _sponge,
    "cp": _cp,
    "gcp": _cp,
    "mv": _mv,
    "gmv": _mv,
    "install": _install,
    "ln": _ln,
    "link": _ln,
    "dd": _dd,
    "truncate": _truncate,
    "gtruncate": _truncate,
    "sed": _sed,
    "gsed": _sed,
    "touch": _touch,
    "mkdir": _mkdir,
    "chmod": _chmod,
    "chown": _chmod,
    "chgrp": _chmod,
    **dict.fromkeys(("strip", "objcopy", "patchelf", "install_name_tool"), _binary),
    "chattr": _named("changes the attributes of", skip=1),
    "setfacl": _named("changes the permissions of", valued=frozenset({"-m", "-x", "-M", "-X"})),
    "patch": _patch,
    "sort": _sort,
    "rsync": _rsync,
    "vim": _editor,
    "vi": _editor,
    "nvim": _editor,
    "ex": _editor,
    "ed": _editor,
    "emacs": _editor,
    "nano": _editor,
    "uniq": _second,
    "yq": _in_place_option("-i", "--inplace"),
    "rename": _rename,
    "openssl": _output_option("-out"),
    "gpg": _output_option("-o", "--output"),
    "pandoc": _output_option("-o", "--output"),
    "iconv": _output_option("-o", "--output"),
    "ssh-keygen": _ssh_keygen,
    "mkfifo": _named("makes"),
    "mknod": _named("makes"),
    "split": _second,
}
