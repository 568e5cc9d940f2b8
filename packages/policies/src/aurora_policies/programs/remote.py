"""Programs that run others on another machine: ssh and its like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.shells import run_inner, there
from aurora_policies.programs.system import deletes_in_cloud
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import Word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS", "SSH_VALUED"]

SSH_VALUED: Final = frozenset(f"-{letter}" for letter in "BbcDEeFIiJLlmOopQRSWw")


def _ssh(call: Call) -> Stream:
    given = arguments(call.words, valued=SSH_VALUED, stop_at_operand=True)
    for value in given.values("-o"):
        if re.search(r"ProxyCommand|LocalCommand|KnownHostsCommand", value.text, re.IGNORECASE):
            call.judge.prompt(Rule.CODE_INJECTION, "runs a program to reach the remote")
    secret = call.input.secret or call.judge.taint(call.words)
    if secret:
        call.judge.secret_sent(secret, "another machine")
    words = given.operands[1:]

    def run() -> Stream:
        call.shell.state.input = call.input
        if words:
            return call.shell.run_text(" ".join(word.text for word in words))
        return call.shell.run_words((Word("bash"),), stdin=call.input) if call.input is not EMPTY else NOT_KNOWN

    return there(call, run)


def _remote_text(*options: str) -> Callable[[Call], Stream]:
    """Returns a handler of a program that runs the value of an option, or what stands behind `--`, elsewhere."""

    def handler(call: Call) -> Stream:
        given = arguments(call.words, valued=frozenset(options))
        texts = call.texts()
        rest = call.words[texts.index("--") + 1 :] if "--" in texts else ()

        def run() -> Stream:
            for value in given.values(*options):
                call.shell.run_text(value.text)
            return call.shell.run_words(rest, stdin=EMPTY)

        if not given.values(*options) and not rest:
            deletes_in_cloud(call)
        return there(call, run)

    return handler


def _adb(call: Call) -> Stream:
    texts = call.texts()
    if "shell" in texts:
        return run_inner(call, call.words[texts.index("shell") + 1 :], remote=True)
    return NOT_KNOWN


def _ansible(call: Call) -> Stream:
    """Runs a module on other machines; the command is one unless another is named."""
    given = arguments(
        call.words, valued=frozenset({"-m", "--module-name", "-a", "--args", "-i", "-u", "-e", "-f", "-l"})
    )
    module = next(iter(given.values("-m", "--module-name")), Word("command")).text.rpartition(".")[2]
    texts = given.values("-a", "--args") if module in {"command", "shell", "raw"} else ()

    def run() -> Stream:
        for text in texts:
            call.shell.run_text(text.text)
        return NOT_KNOWN

    return there(call, run)


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    "ssh": _ssh,
    "ansible": _ansible,
    "autossh": _ssh,
    "mosh": _ssh,
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
