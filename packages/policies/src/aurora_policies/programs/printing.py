"""Programs that only read and print: what they print is followed into pipes and substitutions."""

from __future__ import annotations

import base64
import binascii
import codecs
import fnmatch
import posixpath
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_policies.places import is_secret
from aurora_policies.programs.arguments import arguments
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream, joined
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS", "READERS", "reads", "reads_all"]

_ESCAPES: Final = re.compile(r"\\(?:([abefnrtv\\])|0?([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(c))")
_CHARACTERS: Final = dict(zip("abefnrtv\\", "\a\b\x1b\f\n\r\t\v\\", strict=True))
_SECRET_NAME: Final = re.compile(r"key|token|secret|pass|auth|cred|private|dsn|url|cookie|session", re.IGNORECASE)
"""Variables that may hold a secret, by their names."""
_FORMAT: Final = re.compile(r"%(?:%|[-+ #0]*\d*(?:\.\d+)?[sbqdic])")


def _echo(call: Call) -> Stream:
    words = list(call.words)
    flags = ""
    while words and re.fullmatch(r"-[neE]+", words[0].text):
        flags += words.pop(0).text[1:]
    text = " ".join(word.text for word in words)
    if "e" in flags:
        text = _unescaped(text)
    text += "" if "n" in flags else "\n"
    return _stream(call, text, words)


def _stream(call: Call, text: str, words: list[Word]) -> Stream:
    if any(word.glob for word in words):
        text = text.replace("*", UNKNOWN).replace("?", UNKNOWN)
    return Stream(text, call.judge.taint(words))


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        simple, octal, byte, _end = match.groups()
        if simple:
            return _CHARACTERS[simple]
        return chr(int(octal, 8) & 0xFF) if octal else chr(int(byte, 16)) if byte else ""

    return _ESCAPES.sub(character, text)


def _printf(call: Call) -> Stream:
    words = list(call.words)
    if words[:1] == [Word("--")]:
        words.pop(0)
    if words and words[0].text.startswith("-v"):
        given = arguments(words, valued=frozenset({"-v"}))
        for name in given.values("-v"):
            call.state.variables[name.text] = UNKNOWN
        return EMPTY
    if not words:
        return EMPTY
    return _stream(call, _formatted([word.text for word in words]), words)


def _formatted(texts: list[str]) -> str:
    """Returns what printf makes of a template and its values; it repeats the template for further ones."""
    template, *rest = texts
    out = []
    while True:
        values = iter(rest)
        out.append(_FORMAT.sub(partial(_filled, values), _unescaped(template)))
        left = list(values)
        if not left or len(left) == len(rest) or len(out) > 200:
            return "".join(out)
        rest = left


def _filled(values: Iterator[str], match: re.Match[str]) -> str:
    if match[0] == "%%":
        return "%"
    value = next(values, "")
    return _unescaped(value) if match[0].endswith("b") else value


def reads(call: Call, words: Sequence[Word]) -> str | None:
    """Returns the first secret among the files that are named, or in the input."""
    for word in words:
        path = call.shell.path(word.text) or word.text
        if is_secret(path) or is_secret(word.text):
            return call.judge.around.places.relative(path).replace(UNKNOWN, "…")
        held = call.judge.content(word, call.shell).secret
        if held:
            return held
    return call.judge.taint(words) or call.input.secret


def reads_all(call: Call, words: Sequence[Word], *, without: Sequence[str] = ()) -> str | None:
    """Returns the first secret in the files that are named, in the folders with all that is in them, or in the input.

    Args:
        without: patterns of names that are left out.
    """
    found = reads(call, words)
    for word in words if found is None and not call.state.remote else ():
        path = call.shell.path(word.text)
        if path is None or UNKNOWN in path:
            continue
        folder = posixpath.dirname(path) if word.glob else path
        found = _in_folder(call, folder, without)
        if found is not None:
            break
    return found


def _in_folder(call: Call, folder: str, without: Sequence[str]) -> str | None:
    """Returns a secret of a folder: one that the script has put there, one on disk, or the home as a whole."""
    places = call.judge.around.places
    if folder in {"/", places.home, posixpath.dirname(places.home)}:
        return f"all of {folder}"
    inside = (path for path in call.shell.files.content if path.startswith(f"{folder}/"))
    made = next((path for path in inside if is_secret(path) or call.shell.files.content[path].secret), None)
    if made is not None:
        return places.relative(made)
    return next(
        (
            places.relative(path)
            for path in call.judge.files_below(folder)
            if is_secret(path) and not any(fnmatch.fnmatchcase(posixpath.basename(path), each) for each in without)
        ),
        None,
    )


def _cat(call: Call) -> Stream:
    operands = arguments(call.words).operands
    if not operands:
        return call.input
    return joined([call.input if word.text == "-" else call.judge.content(word, call.shell) for word in operands])


def _filter(call: Call) -> Stream:
    """Any reader: what it prints is not known, but a secret stays one."""
    secret = reads(call, call.words)
    return Stream(None, secret) if secret else NOT_KNOWN


_KEYS_SOUGHT: Final = re.compile(r"AKIA|\bghp_|\bgho_|github_pat_|\bsk-|xox[abp]-|PRIVATE KEY|AIza")


def _grep(call: Call) -> Stream:
    """With -l it prints names of files, whose ending may be known by --include."""
    given = arguments(
        call.words, valued=frozenset({"-e", "-f", "-A", "-B", "-C", "-m", "--include", "--exclude", "-g"})
    )
    endings = [word.text.removeprefix("*") for word in given.values("--include", "-g")]
    if given.has("-l", "--files-with-matches") and len(endings) == 1 and not re.search(r"[*?\[!]", endings[0]):
        return Stream(f"{UNKNOWN}{endings[0]}\n")
    found = _filter(call)
    if found.secret is None and (call.name == "rg" or given.has("-r", "-R", "--recursive")):
        if any(_KEYS_SOUGHT.search(word.text) for word in (*given.operands[:1], *given.values("-e"))):
            return Stream(None, "keys that it finds")
        places, paths = call.judge.around.places, {call.shell.path(word.text) for word in given.operands[1:]}
        whole = paths & {"/", places.home, posixpath.dirname(places.home)}
        return Stream(None, f"what is found in all of {min(map(str, whole))}" if whole else None)
    return found


def _same(call: Call) -> Stream:
    """Readers whose output is at most their input, such as head: a known input is judged as a whole."""
    given = arguments(call.words, valued=frozenset({"-n", "-c", "-k", "-t"}))
    if call.name == "head" and any(word.text == "0" for word in given.values("-n", "-c")):
        return Stream("")
    operands = [word for word in given.operands if not word.text.isdigit()]
    return _cat_of(call, operands) if operands else call.input


def _cat_of(call: Call, operands: list[Word]) -> Stream:
    return joined([call.judge.content(word, call.shell) for word in operands])


def _base64(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-w", "--wrap", "-i", "--input"}))
    source = _cat_of(call, list(given.operands)) if given.operands else call.input
    if not given.has("-d", "--decode", "-D"):
        return Stream(None, source.secret)
    if not source.known or source.text is None or source is EMPTY:  # it decodes what the whole script is given
        return Stream(None, source.secret)
    try:
        text = base64.b64decode(re.sub(r"\s", "", source.text), validate=False).decode("utf-8", "replace")
    except (ValueError, binascii.Error):
        return NOT_KNOWN
    return Stream(text)


def _xxd(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-s", "-l", "-c", "-g"}))
    if given.has("-r") and call.input.known and call.input.text and not given.operands:
        try:
            return Stream(bytes.fromhex(re.sub(r"[^0-9A-Fa-f]", "", call.input.text)).decode("utf-8", "replace"))
        except ValueError:
            return NOT_KNOWN
    return _filter(call)


def _rev(call: Call) -> Stream:
    if call.words or not call.input.known or call.input.text is None:
        return _filter(call)
    return Stream("\n".join(line[::-1] for line in call.input.text.split("\n")))


def _tr(call: Call) -> Stream:
    texts = call.texts()
    if call.input.known and call.input.text is not None and len(texts) == 2:
        if sorted(texts) == ["A-Za-z", "N-ZA-Mn-za-m"]:
            return Stream(codecs.encode(call.input.text, "rot13"))
        if texts[0] == "-d":
            return Stream("".join(each for each in call.input.text if each not in _unescaped(texts[1])))
        if len(_unescaped(texts[0])) == len(_unescaped(texts[1])) and "-" not in texts[0]:
            return Stream(call.input.text.translate(str.maketrans(_unescaped(texts[0]), _unescaped(texts[1]))))
    return _filter(call)


def _env(call: Call) -> Stream:
    names = arguments(call.words).operands
    if names and not any(word.splits or UNKNOWN in word.text or _SECRET_NAME.search(word.text) for word in names):
        return NOT_KNOWN
    return Stream(None, "the environment")


def _pwd(call: Call) -> Stream:
    return Stream((call.state.folder or UNKNOWN) + "\n")


def _path_part(call: Call) -> Stream:
    operands = arguments(call.words, valued=frozenset({"-s"})).operands
    if len(operands) != 1 or not operands[0].known:
        return NOT_KNOWN
    part = posixpath.basename if call.name == "basename" else posixpath.dirname
    return Stream((part(operands[0].text.rstrip("/")) or ".") + "\n")


def _real(call: Call) -> Stream:
    operands = arguments(call.words).operands
    path = call.shell.path(operands[-1].text) if operands else None
    return Stream(path + "\n") if path and UNKNOWN not in path and call.name == "realpath" else NOT_KNOWN


def _mktemp(call: Call) -> Stream:
    return Stream(call.judge.fresh(call.shell) + "\n")


def _which(call: Call) -> Stream:
    operands = arguments(call.words).operands
    return Stream(operands[0].text + "\n") if len(operands) == 1 else NOT_KNOWN


def _nothing(_call: Call) -> Stream:
    return EMPTY


def _quiet(_call: Call) -> Stream:
    return NOT_KNOWN


READERS: Final = (
    *(
        "grep",
        "egrep",
        "fgrep",
        "rg",
        "ag",
        "ack",
        "zgrep",
        "nl",
        "wc",
        "cut",
        "paste",
        "join",
        "column",
        "fold",
        "fmt",
    ),
    *(
        "strings",
        "od",
        "hexdump",
        "md5sum",
        "sha1sum",
        "sha256sum",
        "zcat",
        "bzcat",
        "xzcat",
        "gunzip",
        "bat",
        "batcat",
    ),
    *(
        "more",
        "diff",
        "cmp",
        "jq",
        "base32",
        "uuencode",
        "openssl",
        "gpg",
        "iconv",
        "expand",
        "dos2unix",
        "pr",
        "comm",
    ),
    *(
        "look",
        "csvcut",
        "zstd",
        "lz4",
        "brotli",
        "pbcopy",
        "xclip",
        "xsel",
        "tac",
        "shuf",
        "yq",
        "xmllint",
        "nm",
        "file",
    ),
)
PROGRAMS: Final = {
    **dict.fromkeys(READERS, _filter),
    **dict.fromkeys(("head", "tail", "sort", "uniq", "less", "pv"), _same),
    "printenv": _env,
    **dict.fromkeys(
        (":", "true", "false", "sleep", "wait", "exit", "return", "break", "continue", "shift"), _nothing
    ),
    **dict.fromkeys(
        (
            *(
                "ls",
                "dir",
                "tree",
                "stat",
                "du",
                "df",
                "ps",
                "pgrep",
                "pidof",
                "top",
                "htop",
                "free",
                "uptime",
                "who",
                "w",
                "id",
            ),
            *(
                "whoami",
                "hostname",
                "uname",
                "date",
                "cal",
                "seq",
                "info",
                "help",
                "whereis",
                "apropos",
                "hash",
                "lsof",
            ),
            *("[", "[[", "ip", "ifconfig", "netstat", "ss", "lsblk"),
            *(
                "tput",
                "clear",
                "stty",
                "locale",
                "history",
                "jobs",
                "times",
                "ulimit",
                "umask",
                "shopt",
                "bc",
                "expr",
                "factor",
            ),
            *(
                "figlet",
                "cowsay",
                "say",
                "espeak",
                "notify-send",
                "logger",
                "lscpu",
                "tty",
                "getconf",
                "groups",
                "cloc",
                "tokei",
            ),
        ),
        _quiet,
    ),
    **dict.fromkeys(("grep", "rg"), _grep),
    "echo": _echo,
    "printf": _printf,
    "cat": _cat,
    "base64": _base64,
    "xxd": _xxd,
    "rev": _rev,
    "tr": _tr,
    "pwd": _pwd,
    "basename": _path_part,
    "dirname": _path_part,
    "realpath": _real,
    "readlink": _real,
    "mktemp": _mktemp,
    "which": _which,
    "print": _echo,
}
