"""Programs that run one other program: sudo, env, timeout, tmux and their like, and those that nobody knows."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_policies.programs.arguments import after_options, arguments
from aurora_policies.programs.runners import run_program_file
from aurora_policies.programs.shells import run_inner, run_text
from aurora_policies.shell.command import quote
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS", "unknown_program"]

_FIND_TESTS: Final = frozenset(
    {
        "-name",
        "-iname",
        "-path",
        "-ipath",
        "-regex",
        "-mtime",
        "-mmin",
        "-size",
        "-newer",
        "-user",
        "-perm",
        "-empty",
        "-type",
    }
)
_LATER_PROGRAMS: Final = frozenset(
    {
        *(
            "rm",
            "rmdir",
            "unlink",
            "shred",
            "dd",
            "git",
            "bash",
            "sh",
            "zsh",
            "dash",
            "ksh",
            "fish",
            "sudo",
            "doas",
            "env",
        ),
        *(
            "xargs",
            "find",
            "tee",
            "cp",
            "mv",
            "sed",
            "chmod",
            "chown",
            "curl",
            "wget",
            "psql",
            "mysql",
            "mariadb",
            "sqlite3",
        ),
        *(
            "python",
            "python3",
            "node",
            "perl",
            "ruby",
            "php",
            "awk",
            "kill",
            "killall",
            "pkill",
            "terraform",
            "kubectl",
            "docker",
        ),
        *(
            "podman",
            "aws",
            "redis-cli",
            "dropdb",
            "rsync",
            "shutdown",
            "reboot",
            "mkfs",
            "mkfs.ext4",
            "wipefs",
            "fdisk",
            "eval",
        ),
        *("busybox", "nohup", "timeout", "nice", "crontab", "truncate"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrapper:
    """The way in which a program names the one that it runs.

    Attributes:
        valued: options with a value.
        operands: the number of its own operands before the command.
        assignments: words such as `A=1` before the command set variables.
        remote: the command runs where no path is of the workspace.
    """

    valued: frozenset[str] = frozenset()
    operands: int = 0
    assignments: bool = False
    remote: bool = False


def _w(valued: str = "", *, operands: int = 0, assignments: bool = False, remote: bool = False) -> _Wrapper:
    return _Wrapper(valued=frozenset(valued.split()), operands=operands, assignments=assignments, remote=remote)


_WRAPPERS: Final[Mapping[str, _Wrapper]] = {
    "sudo": _w("-u -g -h -p -C -r -t -T -U -D -R --user --group --chdir --host --prompt", assignments=True),
    "doas": _w("-u -C"),
    "pkexec": _w("--user"),
    "nice": _w("-n --adjustment"),
    "ionice": _w("-c -n --class --classdata"),
    "nohup": _w(),
    "setsid": _w(),
    "stdbuf": _w("-i -o -e"),
    "timeout": _w("-s -k --signal --kill-after", operands=1),
    "gtimeout": _w("-s -k", operands=1),
    "time": _w("-f -o --format --output"),
    "gtime": _w("-f -o"),
    "chrt": _w("-T -P -D", operands=1),
    "taskset": _w(operands=1),
    "strace": _w("-e -o -p -s -a -E -u -P -I -b -S -O -X"),
    "ltrace": _w("-e -o -p -s -a -n -u"),
    "valgrind": _w(),
    "unbuffer": _w(),
    "flock": _w("-w -E --timeout --conflict-exit-code", operands=1),
    "chroot": _w("--userspec --groups", operands=1, remote=True),
    "unshare": _w("-w --wd -R --root --setuid"),
    "nsenter": _w("-t --target -S -G", remote=True),
    "setarch": _w(operands=1),
    "linux32": _w(),
    "linux64": _w(),
    "arch": _w(),
    "faketime": _w("-f", operands=1),
    "xvfb-run": _w("-s -n -e -f -p -w --server-args"),
    "dbus-run-session": _w(),
    "dbus-launch": _w(),
    "firejail": _w(),
    "proxychains": _w("-f"),
    "proxychains4": _w("-f"),
    "torsocks": _w(),
    "tsocks": _w(),
    "caffeinate": _w("-t -w"),
    "systemd-run": _w("-p -u --property --unit -E --setenv -M --slice --description"),
    "systemd-inhibit": _w(),
    "setpriv": _w(),
    "gosu": _w(operands=1),
    "su-exec": _w(operands=1),
    "tini": _w(),
    "dumb-init": _w(),
    "busybox": _w(),
    "toybox": _w(),
    "nocache": _w(),
    "numactl": _w("-N -m -C"),
    "cpulimit": _w("-l -p -e"),
    "prlimit": _w(),
    "rlwrap": _w(),
    "ssh-agent": _w("-a -t"),
    "cross-env": _w(assignments=True),
    "cross-env-shell": _w(assignments=True),
    "env-cmd": _w("-f -e"),
    "dotenv": _w("-f -e -c"),
    "dotenvx": _w("-f"),
    "chronic": _w(),
    "catchsegv": _w(),
    "eatmydata": _w(),
    "fakeroot": _w(),
    "proot": _w("-r -b -w"),
    "lldb": _w(),
    "gdbserver": _w(operands=1),
    "entr": _w(),
    "perf": _w("-e -o -p -t", operands=1),
    "winpty": _w(),
    "wine": _w(),
    "noglob": _w(),
    "nocorrect": _w(),
    "uvx": _w("--from --with --python -p"),
    "retry": _w("-t -d --times --delay"),
    "sshpass": _w("-p -f -d"),
    "softlimit": _w("-a -m"),
    "setuidgid": _w(operands=1),
    "daemonize": _w("-p -l -o -e -c -u"),
    "wsl": _w("-d -u --distribution --user"),
    "ifne": _w(),
    "mispipe": _w(),
    "trickle": _w("-d -u"),
    "sem": _w("-j --id"),
}


def _wrapped(call: Call) -> Stream:
    how = _WRAPPERS[call.name]
    words = after_options(call.words, valued=how.valued, operands=how.operands, assignments=how.assignments)
    if how.assignments:
        _assign(call, call.words[: len(call.words) - len(words)])
    if call.name == "sudo" and {"-e", "--edit"} & set(call.texts()[:3]):
        for word in words:
            call.judge.writes(word, call.shell, "edits")
        return NOT_KNOWN
    if not words:
        return _bare(call)
    if call.name == "flock" and words[0].text in {"-c", "--command"}:
        return run_text(call, words[1].text) if len(words) > 1 else NOT_KNOWN
    return run_inner(call, words, remote=how.remote)


def _bare(call: Call) -> Stream:
    """`sudo -s` and its like start a shell."""
    if call.name in {"sudo", "doas", "unshare", "chroot"} and call.input is not EMPTY:
        return call.shell.run_words((Word("bash"),), stdin=call.input)
    return NOT_KNOWN


def _assign(call: Call, words: Iterable[Word]) -> None:
    for word in words:
        name, equals, value = word.text.partition("=")
        if equals and name.startswith("BASH_FUNC_"):
            call.judge.assigned("BASH_FUNC", value, call.shell)
        elif equals and name.isidentifier():
            call.judge.assigned(name, value, call.shell)


_UNSET: Final = re.compile(r"-\w*u(\w*)|--unset(?:=(\w*))?")


def _judge_unset(call: Call, words: Sequence[Word]) -> None:
    """Judges the option of `env` that takes a variable away, whose name is in its word or in the next one."""
    given = _UNSET.fullmatch(words[0].text)
    if given:
        call.judge.unset(given[1] or given[2] or "".join(word.text for word in words[1:2]))


def _env(call: Call) -> Stream:
    words = call.words
    given: list[Word] = []
    folder = call.state.folder
    while words and (words[0].text.startswith("-") or "=" in words[0].text):
        text = words[0].text
        if text in {"-S", "--split-string"} or re.match(r"-\w*S|--split-string=", text):
            rest = (
                words[1:]
                if text in {"-S", "--split-string"}
                else (Word(re.sub(r"^-\w*S|--split-string=", "", text)), *words[1:])
            )
            return run_text(call, " ".join([*(w.text for w in rest[:1]), *(quote(w.text) for w in rest[1:])]))
        if text in {"-C", "--chdir"} and len(words) > 1:
            folder = call.shell.path(words[1].text)
        _judge_unset(call, words)
        words = words[2:] if text in {"-u", "--unset", "-C", "--chdir", "-a", "--argv0"} else words[1:]
        given.append(Word(text))
        if text == "--":
            break
    while words and "=" in words[0].text and not words[0].text.startswith("="):
        given.append(words[0])
        words = words[1:]
    _assign(call, given)
    if not words:
        return Stream(None, "the environment")
    variables = {name: value for name, equals, value in (word.text.partition("=") for word in given) if equals}
    if folder == call.state.folder and not variables:
        return call.shell.run_words(words, stdin=call.input)

    def there() -> Stream:
        call.shell.state.folder = folder
        call.shell.state.variables.update(variables)
        return call.shell.run_words(words, stdin=call.input)

    return call.shell.in_copy(there)


# -- texts that are run ----------------------------------------------------------------------------


def _watch(call: Call) -> Stream:
    words = after_options(call.words, valued=frozenset({"-n", "--interval", "-q", "--equexit"}))
    return run_text(call, " ".join(word.text for word in words)) if words else NOT_KNOWN


def _each_text(valued: str = "", *, only: str = "") -> Callable[[Call], Stream]:
    """Returns a handler of a program whose operands, or the values of some options, are scripts."""

    def handler(call: Call) -> Stream:
        given = arguments(call.words, valued=frozenset((valued + " " + only).split()))
        texts = given.values(*only.split()) if only else given.operands
        for word in texts:
            run_text(call, word.text)
        return NOT_KNOWN

    return handler


def _su(call: Call) -> Stream:
    given = arguments(
        call.words,
        valued=frozenset({"-c", "--command", "-s", "--shell", "-g", "-G", "-u", "--user", "--session-command"}),
    )
    texts = given.values("-c", "--command", "--session-command")
    for word in texts:
        run_text(call, word.text)
    if call.name == "runuser" and not texts:
        return run_inner(call, given.operands)
    if not texts and call.input is not EMPTY:
        return call.shell.run_words((Word("bash"),), stdin=call.input)
    return NOT_KNOWN


def _script(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-c", "--command", "-T", "-I", "-O", "-B", "-E", "-o"}))
    for word in given.values("-c", "--command"):
        run_text(call, word.text)
    for word in given.operands[:1]:
        call.judge.writes(word, call.shell, "writes")
    return run_inner(call, given.operands[1:]) if len(given.operands) > 1 else NOT_KNOWN


def _tmux(call: Call) -> Stream:
    texts = call.texts()
    if not (
        {
            "new",
            "new-session",
            "new-window",
            "neww",
            "split-window",
            "splitw",
            "send-keys",
            "send",
            "run-shell",
            "run",
            "respawn-pane",
            "if-shell",
            "-X",
            "stuff",
            "-dm",
            "-dmS",
        }
        & set(texts)
    ):
        return NOT_KNOWN
    valued = frozenset({"-s", "-n", "-t", "-c", "-x", "-y", "-F", "-S", "-L", "-p", "-X", "-e"})
    sends = bool({"send-keys", "send", "stuff"} & set(texts))
    for index, word in enumerate(arguments(call.words, valued=valued).operands):
        if " " in word.text or (sends and index):
            run_text(call, word.text.removesuffix("^M"))
    if call.name == "screen":
        words = after_options(call.words, valued=frozenset({"-S", "-c", "-h", "-p", "-s", "-t", "-T"}))
        return run_inner(call, words) if words else NOT_KNOWN
    names = {
        "new",
        "new-session",
        "new-window",
        "neww",
        "split-window",
        "send-keys",
        "run-shell",
        "run",
        "Enter",
        "C-m",
    }
    operands = [word for word in arguments(call.words, valued=valued).operands if word.text not in names]
    return run_inner(call, operands) if operands and " " not in operands[0].text else NOT_KNOWN


def _expect(call: Call) -> Stream:
    call.judge.undecided("expect runs a program of its own")
    return NOT_KNOWN


def _nix(call: Call) -> Stream:
    texts = call.texts()
    for option in ("--run", "--command", "-c"):
        if option in texts:
            rest = call.words[texts.index(option) + 1 :]
            if option == "--run" or call.name == "nix-shell":
                return run_text(call, rest[0].text) if rest else NOT_KNOWN
            return run_inner(call, rest)
    if "--" in texts:
        return run_inner(call, call.words[texts.index("--") + 1 :])
    return NOT_KNOWN


# -- elsewhere -------------------------------------------------------------------------------------


# -- programs that nobody knows --------------------------------------------------------------------


def unknown_program(call: Call) -> Stream:
    """Judges a program that is not known: a file the script wrote, or the first later argument that is a program."""
    if "/" in call.path.text or call.path.text in call.shell.files.content:
        run_program_file(call)
    for index, word in enumerate(call.words):
        name = posixpath.basename(word.text)
        if name in _LATER_PROGRAMS and (word.text == name or word.text.startswith("/")):
            call.shell.run_words(call.words[index:], stdin=call.input)
            break
        option = call.words[index - 1].text if index else ""
        if option in {"-c", "--command", "--exec", "-e"} and word.text.partition(" ")[0] in _LATER_PROGRAMS:
            run_text(call, word.text)
    secret = call.input.secret or call.judge.taint(call.words)
    return Stream(None, secret)


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    **dict.fromkeys(_WRAPPERS, _wrapped),
    "env": _env,
    "genv": _env,
    "watch": _watch,
    "viddy": _watch,
    "hyperfine": _each_text("-w -r -m -M -n --warmup --runs --export-json -S"),
    "concurrently": _each_text("-n -c --names --prefix-colors -k-"),
    "su": _su,
    "runuser": _su,
    "script": _script,
    "tmux": _tmux,
    "screen": _tmux,
    "expect": _expect,
    "nodemon": _each_text(only="-x --exec"),
    "nix-shell": _nix,
    "nix": _nix,
    "guix": _nix,
}
