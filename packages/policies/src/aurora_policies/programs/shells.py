"""Shells and their builtins: scripts that are run, folders that are changed, names that are defined."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import after_options, arguments
from aurora_policies.programs.judge import PIPED
from aurora_policies.shell.command import quote
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS", "run_file", "run_inner", "run_text", "there"]

_SCRIPT_VALUED: Final = frozenset({"-o", "-O", "+o", "+O", "--rcfile", "--init-file"})
_TAKES_NEXT: Final = re.compile(r"[-+]\w*[oO]")
"""A cluster such as `-euo`, whose last letter has its value in the next word."""
_ONLY_READS: Final = re.compile(r"-[ceuxv]*n[ceuxv]*")
"""With `-n` among these alone a shell reads a script and runs nothing; an interactive one ignores it."""
_ACTIVATE: Final = re.compile(r"/(?:bin|Scripts)/activate(?:\.\w+)?$")
_OF_ACTIVATE: Final = (Rule.CODE_INJECTION, Rule.UNDECIDABLE)
_ARITHMETIC_COMMAND: Final = re.compile(r"\[[^\]\[]*(\$\(|`)")


def run_text(call: Call, text: str, *, arguments_: tuple[Word, ...] = (), name: str = "bash") -> Stream:
    """Follows a script in a shell of its own."""
    state = call.state
    before = state.arguments, state.name
    state.arguments = tuple(word.text for word in arguments_)
    state.name = name
    try:
        return call.shell.in_copy(lambda: call.shell.run_text(text))
    finally:
        state.arguments, state.name = before


def there(call: Call, run: Callable[[], Stream]) -> Stream:
    """Follows what runs on another machine, or in a container: no path there is of the workspace."""

    def elsewhere() -> Stream:
        call.shell.state.remote = True
        call.shell.state.folder = None
        return run()

    return call.shell.in_copy(elsewhere)


def run_inner(call: Call, words: Sequence[Word], *, remote: bool = False) -> Stream:
    """Follows the command that a program starts."""

    def run() -> Stream:
        return call.shell.run_words(words, stdin=call.input)

    return there(call, run) if remote else run()


def run_file(call: Call, file: Word, arguments_: tuple[Word, ...], *, here: bool = False) -> Stream:
    """Follows a script in a file, if it can be read; one that cannot be read is trusted like any program."""
    content = call.judge.content(file, call.shell)
    path = call.shell.path(file.text)
    if path is not None and path in call.shell.files.content and not content.known:
        call.judge.undecided("runs a script that this command makes, and whose text is not known")
    if content.text is None:
        if not file.known and not _known_name(file.text):
            call.judge.undecided("runs a script whose name is not known")
        return NOT_KNOWN
    if here:
        return call.shell.run_text(content.text)
    return run_text(call, content.text, arguments_=arguments_, name=file.text)


def _known_name(text: str) -> bool:
    return UNKNOWN not in text.rpartition("/")[2]


def _shell(call: Call) -> Stream:
    """`bash -c TEXT`, `bash FILE`, or a script that comes through a pipe."""
    words = call.words
    at = 0
    while at < len(words) and words[at].text[:1] in {"-", "+"} and len(words[at].text) > 1:
        text = words[at].text
        at += 1
        if text == "--":
            break
        if text in {"--version", "--help"} or (at == 1 and _only_reads(words)):
            return NOT_KNOWN
        if text in _SCRIPT_VALUED or _TAKES_NEXT.fullmatch(text):
            at += 1
        elif not text.startswith("--") and text[0] == "-" and "c" in text:
            return _text_argument(call, words, at)
        elif not text.startswith("--") and "s" in text[1:]:
            return _piped(call, words[at:])
    if at < len(words):
        if words[at].text == "-" or words[at].text in {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}:
            return _piped(call, words[at + 1 :])
        return run_file(call, words[at], words[at + 1 :])
    return _piped(call, ())


def _only_reads(words: Sequence[Word]) -> bool:
    """Tells whether a shell reads its script and runs nothing; a later `+n` or `-i` would turn that off."""
    return _ONLY_READS.fullmatch(words[0].text) is not None and not any(
        each.text[:1] in {"-", "+", UNKNOWN} or each.splits for each in words[1:]
    )


def _text_argument(call: Call, words: tuple[Word, ...], at: int) -> Stream:
    while at < len(words) and words[at].text.startswith("-") and words[at].text != "-":
        at += 1
    if at >= len(words):
        return NOT_KNOWN
    if words[at].splits:
        call.judge.undecided("runs a script that is not known")
        return NOT_KNOWN
    return run_text(
        call, words[at].text, arguments_=words[at + 2 :], name=words[at + 1].text if words[at + 1 :] else "bash"
    )


def _piped(call: Call, arguments_: tuple[Word, ...]) -> Stream:
    if call.input.text is None:
        call.judge.undecided(PIPED)
        return NOT_KNOWN
    if call.input is EMPTY:
        return NOT_KNOWN
    return run_text(call, call.input.text, arguments_=arguments_)


def _eval(call: Call) -> Stream:
    words = call.words[1:] if call.words[:1] == (Word("--"),) else call.words
    if any(word.splits and word.text == UNKNOWN for word in words) and len(words) == 1:
        call.judge.undecided("runs a script that is not known")
        return NOT_KNOWN
    return call.shell.run_text(" ".join(word.text for word in words))


def _source(call: Call) -> Stream:
    words = [word for word in call.words if word.text != "--"]
    if not words:
        return NOT_KNOWN
    if words[0].text in {"/dev/stdin", "/dev/fd/0"}:
        return _piped(call, ())
    before = set(call.judge.found.effects)
    stream = run_file(call, words[0], tuple(words[1:]), here=True)
    if _activates(call, words[0]):  # it sets PATH, which is what it is for, and may have parts for other shells
        found = call.judge.found.effects
        for effect in [each for each in found if each.rule in _OF_ACTIVATE and each not in before]:
            del found[effect]
    return stream


def _activates(call: Call, file: Word) -> bool:
    """Returns True for the `activate` of a Python environment."""
    path = call.shell.path(file.text)
    return path is not None and file.known and bool(_ACTIVATE.search(path)) and _is_environment(Path(path))


def _is_environment(activate: Path) -> bool:
    try:
        return (activate.parent.parent / "pyvenv.cfg").is_file()
    except (OSError, ValueError):
        return False


def _cd(call: Call) -> Stream:
    operands = [word for word in call.words if word.text not in {"-L", "-P", "-e", "--"}]
    state = call.state
    if call.name == "popd":
        state.folder = state.folders[-1] if state.folders else None
        state.folders = state.folders[:-1]
        return NOT_KNOWN
    if call.name == "pushd":
        state.folders = (*state.folders, state.folder)
    if not operands:
        state.folder = call.shell.home if call.name == "cd" else None
    elif operands[0].text == "-" or not operands[0].known or operands[0].glob or "CDPATH" in state.variables:
        state.folder = None
    else:
        state.folder = call.shell.path(operands[0].text)
    return EMPTY


def _declare(call: Call) -> Stream:
    for word in call.words:
        name, equals, value = word.text.partition("=")
        _subscript(call, name)
        if equals:
            call.state.variables[name] = value
            call.judge.assigned(name, value, call.shell)
    if not call.words and call.name in {"export", "declare", "set", "typeset"}:
        return Stream(None, "the environment")
    return NOT_KNOWN


def _subscript(call: Call, text: str) -> None:
    """`let 'a[$(rm x)]'` runs what is in the brackets, although it stands in quotes."""
    if _ARITHMETIC_COMMAND.search(text):
        call.shell.in_copy(lambda: call.shell.run_text(f': "{text}"'))


def _test(call: Call) -> Stream:
    for word in call.words:
        _subscript(call, word.text)
    return NOT_KNOWN


def _man(call: Call) -> Stream:
    """Its pager is a command."""
    for word in arguments(call.words, valued=frozenset({"-P", "--pager", "-H", "--html"})).values(
        "-P", "--pager", "-H"
    ):
        run_text(call, word.text)
    return NOT_KNOWN


_WINDOWS_CHANGES: Final = re.compile(
    r"\b(remove-item|ri|rm|del|erase|rd|rmdir|clear-content|set-content|add-content|out-file|move-item|format|format-volume"
    r"|invoke-expression|iex|start-process|stop-computer|restart-computer|stop-process|remove-\w+|copy|move|ren|reg|diskpart"
    r"|invoke-webrequest|encodedcommand|enc|e|ec)\b|>|\[system\.|&\s",
    re.IGNORECASE,
)


def _windows_shell(call: Call) -> Stream:
    """Shells of Windows, whose scripts are not followed."""
    text = re.sub(r"(?i)^/[ck]", r"\g<0> ", " ".join(call.texts()))  # `cmd /Cdel`
    made = call.shell.files.content
    if any(call.shell.path(word.text) in made for word in call.words):
        call.judge.undecided(f"{call.name} runs a script that this command makes")
    if _WINDOWS_CHANGES.search(text) or UNKNOWN in text or call.input is not EMPTY:
        call.judge.undecided(f"{call.name} runs a script that may delete or write")
    return NOT_KNOWN


def _let(call: Call) -> Stream:
    for word in call.words:
        _subscript(call, word.text)
        name = re.match(r"\w+", word.text)
        if name:
            call.state.variables[name[0]] = UNKNOWN
    return EMPTY


def _read(call: Call) -> Stream:
    given = arguments(
        call.words, valued=frozenset({"-a", "-d", "-i", "-n", "-N", "-p", "-t", "-u", "-C", "-c", "-O", "-s-"})
    )
    names = [word.text for word in given.operands] or ["REPLY", "MAPFILE"]
    names += [word.text for word in given.values("-a")]
    value = call.input.text.rstrip("\n") if call.input.known and call.input.text is not None else UNKNOWN
    for name in names:
        _subscript(call, name)
        single = len(names) == 1 and "\n" not in value and call.input is not EMPTY
        call.state.variables[name] = value if single else UNKNOWN
    return EMPTY


def _unset(call: Call) -> Stream:
    given = arguments(call.words)
    for word in given.operands:
        _subscript(call, word.text)
        if not given.has("-f"):
            call.judge.unset(word.text)
            call.state.variables[word.text] = ""
        if not given.has("-v"):
            call.state.functions.pop(word.text, None)
    return EMPTY


def _alias(call: Call) -> Stream:
    for word in call.words:
        name, equals, value = word.text.partition("=")
        if equals:
            call.state.aliases[name] = value
    return NOT_KNOWN


def _unalias(call: Call) -> Stream:
    for word in call.words:
        call.state.aliases.pop(word.text, None)
    if call.words[:1] == (Word("-a"),):
        call.state.aliases.clear()
    return EMPTY


def _set(call: Call) -> Stream:
    texts = call.texts()
    if "--" in texts:
        call.state.arguments = tuple(texts[texts.index("--") + 1 :])
    elif texts and texts[0][:1] not in {"-", "+"}:
        call.state.arguments = tuple(texts)
    if any(word.splits for word in call.words):
        call.state.arguments = None
    return EMPTY


def _shift(call: Call) -> Stream:
    if call.state.arguments is not None:
        count = int(call.words[0].text) if call.words and call.words[0].text.isdigit() else 1
        call.state.arguments = call.state.arguments[count:]
    return EMPTY


def _trap(call: Call) -> Stream:
    given = [word for word in call.words if word.text not in {"--", "-p", "-l"}]
    if len(given) > 1 and given[0].text not in {"-", ""}:
        return run_text(call, given[0].text)
    return EMPTY


def _exec(call: Call) -> Stream:
    words = after_options(call.words, valued=frozenset({"-a"}))
    return call.shell.run_words(words, stdin=call.input) if words else EMPTY


def _command(call: Call) -> Stream:
    if call.words and call.words[0].text in {"-v", "-V"}:
        return Stream(call.words[1].text + "\n") if len(call.words) == 2 else NOT_KNOWN
    return call.shell.run_words(after_options(call.words), stdin=call.input)


def _type(_call: Call) -> Stream:
    return NOT_KNOWN


def _crontab(call: Call) -> Stream:
    if not {"-l"} & set(call.texts()):
        call.judge.prompt(
            Rule.SELF_PROTECTION, "changes what is run later by cron", "Leave it; ask the user to schedule it."
        )
    return NOT_KNOWN


def _later(call: Call) -> Stream:
    """`at` and `batch` run their input later."""
    if not {"-l", "-c", "-V"} & set(call.texts()):
        call.judge.prompt(Rule.SELF_PROTECTION, "runs a command later", "Run it now, or leave it to the user.")
        if call.input.text:
            run_text(call, call.input.text)
    return NOT_KNOWN


def _history_fc(call: Call) -> Stream:
    if "-l" not in call.texts():
        call.judge.undecided("runs a command of the history")
    return NOT_KNOWN


def _hash(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-p"}))
    for path, name in zip(given.values("-p"), given.operands, strict=False):
        call.state.aliases[name.text] = quote(path.text)
    return EMPTY


def _enable(call: Call) -> Stream:
    if "-f" in call.texts():
        call.judge.prompt(Rule.CODE_INJECTION, "loads a builtin from a file")
    return EMPTY


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    **dict.fromkeys(
        (
            "bash",
            "sh",
            "zsh",
            "dash",
            "ksh",
            "ash",
            "fish",
            "rbash",
            "mksh",
            "yash",
            "csh",
            "tcsh",
        ),
        _shell,
    ),
    **dict.fromkeys(("source", "."), _source),
    **dict.fromkeys(("cd", "pushd", "popd", "chdir"), _cd),
    **dict.fromkeys(("export", "declare", "typeset", "local", "readonly"), _declare),
    **dict.fromkeys(("read", "mapfile", "readarray"), _read),
    **dict.fromkeys(
        ("type", "bind", "complete", "compgen", "getopts", "caller", "dirs", "disown", "fg", "bg", "suspend"),
        _type,
    ),
    **dict.fromkeys(("pwsh", "powershell", "cmd"), _windows_shell),
    **dict.fromkeys(("test", "["), _test),
    "man": _man,
    "eval": _eval,
    "let": _let,
    "unset": _unset,
    "alias": _alias,
    "unalias": _unalias,
    "set": _set,
    "shift": _shift,
    "trap": _trap,
    "exec": _exec,
    "command": _command,
    "builtin": _command,
    "crontab": _crontab,
    "at": _later,
    "batch": _later,
    "fc": _history_fc,
    "hash": _hash,
    "enable": _enable,
}
