"""Programs that run other programs: sudo, env, xargs, find -exec, ssh, containers and their like."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import after_options, arguments
from aurora_policies.programs.deleting import delete, delete_many
from aurora_policies.programs.runners import run_program_file
from aurora_policies.programs.shells import run_text
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.walk import quote
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS", "unknown_program"]

_DELETERS: Final = frozenset({"rm", "rmdir", "unlink", "shred", "trash", "rimraf"})
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
    return _run(call, words, remote=how.remote)


def _bare(call: Call) -> Stream:
    """`sudo -s` and its like start a shell."""
    if call.name in {"sudo", "doas", "unshare", "chroot"} and call.input is not EMPTY:
        return call.shell.run_words((Word("bash"),), stdin=call.input)
    return NOT_KNOWN


def _run(call: Call, words: Sequence[Word], *, remote: bool = False) -> Stream:
    """Follows the command that a program starts."""
    if not remote:
        return call.shell.run_words(words, stdin=call.input)

    def there() -> Stream:
        call.shell.state.remote = True
        call.shell.state.folder = None
        return call.shell.run_words(words, stdin=call.input)

    return call.shell.in_copy(there)


def _assign(call: Call, words: Iterable[Word]) -> None:
    for word in words:
        name, equals, value = word.text.partition("=")
        if equals and name.isidentifier():
            call.judge.assigned(name, value, call.shell)


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
    if folder == call.state.folder:
        return call.shell.run_words(words, stdin=call.input)

    def there() -> Stream:
        call.shell.state.folder = folder
        return call.shell.run_words(words, stdin=call.input)

    return call.shell.in_copy(there)


# -- many files ------------------------------------------------------------------------------------

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


def _xargs(call: Call) -> Stream:
    given = arguments(call.words, valued=_XARGS_VALUED, stop_at_operand=True)
    words = given.operands
    if not words:
        return Stream(call.input.text, call.input.secret)
    marker = next(iter(given.values("-I", "-J", "--replace")), None)
    if marker is None and given.has("-i", "--replace"):
        marker = Word("{}")
    if marker is not None:
        return _run(call, [Word(each.text.replace(marker.text, UNKNOWN)) for each in words])
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


_FIND_RUNS: Final = frozenset({"-exec", "-execdir", "-ok", "-okdir"})


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
        return _run(call, given.operands)
    if not texts and call.input is not EMPTY:
        return call.shell.run_words((Word("bash"),), stdin=call.input)
    return NOT_KNOWN


def _script(call: Call) -> Stream:
    given = arguments(call.words, valued=frozenset({"-c", "--command", "-T", "-I", "-O", "-B", "-E", "-o"}))
    for word in given.values("-c", "--command"):
        run_text(call, word.text)
    for word in given.operands[:1]:
        call.judge.writes(word, call.shell, "writes")
    return _run(call, given.operands[1:]) if len(given.operands) > 1 else NOT_KNOWN


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
        return _run(call, words) if words else NOT_KNOWN
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
    return _run(call, operands) if operands and " " not in operands[0].text else NOT_KNOWN


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
            return _run(call, rest)
    if "--" in texts:
        return _run(call, call.words[texts.index("--") + 1 :])
    return NOT_KNOWN


# -- elsewhere -------------------------------------------------------------------------------------

_SSH_VALUED: Final = frozenset(f"-{letter}" for letter in "BbcDEeFIiJLlmOopQRSWw")


def _ssh(call: Call) -> Stream:
    given = arguments(call.words, valued=_SSH_VALUED, stop_at_operand=True)
    for value in given.values("-o"):
        if re.search(r"ProxyCommand|LocalCommand|KnownHostsCommand", value.text, re.IGNORECASE):
            call.judge.prompt(Rule.CODE_INJECTION, "runs a program to reach the remote")
    secret = call.input.secret or call.judge.taint(call.words)
    if secret:
        call.judge.secret_sent(secret, "another machine")
    words = given.operands[1:]

    def there() -> Stream:
        call.shell.state.remote = True
        call.shell.state.folder = None
        call.shell.state.input = call.input
        if words:
            return call.shell.run_text(" ".join(word.text for word in words))
        return call.shell.run_words((Word("bash"),), stdin=call.input) if call.input is not EMPTY else EMPTY

    return call.shell.in_copy(there)


_CONTAINER_VALUED: Final = frozenset(
    [
        "-v",
        "--volume",
        "-e",
        "--env",
        "--env-file",
        "-w",
        "--workdir",
        "-u",
        "--user",
        "-p",
        "--publish",
        "--name",
        "--network",
        "--net",
        "-h",
        "--hostname",
        "--entrypoint",
        "-l",
        "--label",
        "--mount",
        "--memory",
        "-m",
        "--cpus",
        "--restart",
        "--platform",
        "--add-host",
        "--device",
        "--cap-add",
        "--cap-drop",
        "--security-opt",
        "--pid",
        "--ipc",
        "--uts",
        "-a",
        "--gpus",
        "--log-driver",
        "--tmpfs",
        "--ulimit",
        "--shm-size",
        "--dns",
        "--link",
        "--volumes-from",
        "--userns",
        "--pull",
        "-f",
        "--file",
        "--project-name",
        "--profile",
        "--project-directory",
        "--index",
        "-c",
        "--context",
        "-H",
        "--host",
        "--log-level",
        "-n",
        "--namespace",
        "--container",
        "--kubeconfig",
        "--cluster",
        "--image",
        "--overrides",
    ]
)
_LOSES_VOLUMES: Final = re.compile(
    r"^(system prune|volume (rm|remove|prune)|swarm leave|stack (rm|down)|machine (rm|reset)|pod rm)\b"
)
_DANGEROUS_MOUNTS: Final = re.compile(
    r"^(/|/etc|/usr|/var|/home|/root|/boot|/dev|/proc|/sys|/var/run/docker\.sock|/run/docker\.sock|/Users|~)$"
)


def _docker(call: Call) -> Stream:
    given = arguments(call.words, valued=_CONTAINER_VALUED, stop_at_operand=True)
    words = list(given.operands)
    if words and words[0].text in {"compose", "container", "stack", "buildx"}:
        inner = arguments(words[1:], valued=_CONTAINER_VALUED, stop_at_operand=True)
        if words[0].text == "compose" or (inner.operands[:1] and inner.operands[0].text in {"exec", "run"}):
            return _compose(call, list(inner.operands))
    if not words:
        return NOT_KNOWN
    text = " ".join(word.text for word in words)
    if _LOSES_VOLUMES.search(text) and "--help" not in text:
        call.judge.prompt(
            Rule.DATA_LOSS,
            f"deletes what containers have stored: docker {text[:40]}",
            "Name the containers; keep the volumes.",
        )
    if words[0].text in {"exec", "run", "create"}:
        return _container(call, words)
    if words[0].text == "cp" and len(words) > 2 and ":" not in words[-1].text:
        call.judge.writes(words[-1], call.shell, "writes")
    return NOT_KNOWN


def _compose(call: Call, words: list[Word]) -> Stream:
    if not words:
        return NOT_KNOWN
    texts = [word.text for word in words]
    if (words[0].text == "down" and {"-v", "--volumes"} & set(texts)) or (
        words[0].text == "rm" and any(re.fullmatch(r"-\w*v\w*|--volumes", text) for text in texts)
    ):
        call.judge.prompt(
            Rule.DATA_LOSS, "deletes the volumes of the containers", "Leave out -v, so that the volumes stay."
        )
    return _container(call, words) if words[0].text in {"exec", "run"} else NOT_KNOWN


def _container(call: Call, words: list[Word]) -> Stream:
    given = arguments(words[1:], valued=_CONTAINER_VALUED, stop_at_operand=True)
    for value in (*given.values("-v", "--volume"), *given.values("--mount")):
        source = (
            re.sub(r"^.*?(?:source|src)=([^,]*).*$", r"\1", value.text)
            if "source=" in value.text or "src=" in value.text
            else value.text
        )
        source = source.partition(":")[0]
        path = call.shell.path(source) or source
        if _DANGEROUS_MOUNTS.match(path) or path == call.shell.home:
            call.judge.prompt(
                Rule.SYSTEM_DAMAGE, f"gives a container {path} of this machine", "Mount a folder of the workspace."
            )
    if given.has("--privileged"):
        call.judge.prompt(
            Rule.SYSTEM_DAMAGE, "gives a container all rights on this machine", "Leave out --privileged."
        )
    command = list(given.operands[1:])
    command = [*given.values("--entrypoint"), *command]
    return _run(call, command, remote=True) if command else NOT_KNOWN


def _kubectl(call: Call) -> Stream:
    given = arguments(call.words, valued=_CONTAINER_VALUED | {"-o", "-l", "--selector"}, stop_at_operand=True)
    words = list(given.operands)
    texts = [word.text for word in words]
    name = texts[0] if texts else ""
    if {"--dry-run=client", "--dry-run=server", "--dry-run"} & set(call.texts()):
        return NOT_KNOWN
    if name == "delete" and not _one_pod(texts):
        call.judge.prompt(
            Rule.DATA_LOSS, "deletes resources of a cluster", "Show what would be deleted, and leave it to the user."
        )
    elif name in {"drain", "replace"} and ("--force" in texts or name == "drain"):
        call.judge.prompt(Rule.DATA_LOSS, "removes what runs in a cluster", "Leave it to the user.")
    elif name in {"exec", "run", "debug"}:
        rest = call.texts()
        if "--" in rest:
            return _run(call, call.words[rest.index("--") + 1 :], remote=True)
    return NOT_KNOWN


def _one_pod(texts: Sequence[str]) -> bool:
    """A pod that is named is started again by what owns it."""
    rest = [text for text in texts[1:] if not text.startswith("-")]
    named = (len(rest) == 2 and rest[0] in {"pod", "pods", "po"}) or (len(rest) == 1 and rest[0].startswith("pod/"))
    return named and not {"--all", "-A", "--all-namespaces", "-l", "--force"} & set(texts)


def _remote_text(*options: str) -> Callable[[Call], Stream]:
    """Returns a handler of a program that runs the value of an option, or what stands behind `--`, elsewhere."""

    def handler(call: Call) -> Stream:
        given = arguments(call.words, valued=frozenset(options))
        texts = call.texts()
        rest = call.words[texts.index("--") + 1 :] if "--" in texts else ()

        def there() -> Stream:
            call.shell.state.remote = True
            call.shell.state.folder = None
            for value in given.values(*options):
                call.shell.run_text(value.text)
            return call.shell.run_words(rest, stdin=EMPTY)

        return call.shell.in_copy(there)

    return handler


def _adb(call: Call) -> Stream:
    texts = call.texts()
    if "shell" in texts:
        return _run(call, call.words[texts.index("shell") + 1 :], remote=True)
    return NOT_KNOWN


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
    "xargs": _xargs,
    "gxargs": _xargs,
    "parallel": _parallel,
    "find": _find,
    "gfind": _find,
    "fd": _fd,
    "fdfind": _fd,
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
    "ssh": _ssh,
    "autossh": _ssh,
    "mosh": _ssh,
    "docker": _docker,
    "podman": _docker,
    "nerdctl": _docker,
    "docker-compose": lambda call: _compose(
        call, list(arguments(call.words, valued=_CONTAINER_VALUED, stop_at_operand=True).operands)
    ),
    "kubectl": _kubectl,
    "oc": _kubectl,
    "k": _kubectl,
    "gcloud": _remote_text("--command"),
    "vagrant": _remote_text("-c", "--command"),
    "heroku": _remote_text(),
    "fly": _remote_text("-C", "--command"),
    "flyctl": _remote_text("-C", "--command"),
    "lxc": _remote_text(),
    "incus": _remote_text(),
    "multipass": _remote_text(),
    "adb": _adb,
    "plink": _ssh,
}
