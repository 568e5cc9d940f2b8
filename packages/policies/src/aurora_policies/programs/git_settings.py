"""Settings of git that run a command, now or later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.git_push import FORCE_INSTEAD
from aurora_policies.shell.stream import NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from aurora_policies.programs.judge import Call

__all__ = ["config", "judge_setting"]

_RUNS: Final = (
    "core.sshcommand",
    "core.pager",
    "core.editor",
    "core.fsmonitor",
    "core.hookspath",
    "core.askpass",
    "core.gitproxy",
    "core.alternaterefscommand",
    "sequence.editor",
    "diff.external",
    "gpg.program",
    "gpg.ssh.program",
    "credential.helper",
    "uploadpack.packobjectshook",
    "include.path",
    "protocol.ext.allow",
    "web.browser",
    "init.templatedir",
    "core.worktree",
    "core.attributesfile",
)
_RUNS_ENDS: Final = (
    ".textconv",
    ".command",
    ".clean",
    ".smudge",
    ".process",
    ".driver",
    ".cmd",
    ".path",
    ".receivepack",
    ".uploadpack",
    ".vcs",
    ".helper",
    ".insteadof",
    ".pushinsteadof",
    ".program",
    ".trustexitcode",
)
_HARMLESS_VALUES: Final = frozenset(
    {
        "",
        "cat",
        "less",
        "true",
        ":",
        "vim",
        "vi",
        "nano",
        "less -R",
        "less -FRX",
        "false",
        "store",
        "cache",
        "osxkeychain",
        "manager",
        "/dev/null",
    }
)
_CONFIG_VERBS: Final = frozenset({"get", "list", "set", "unset", "edit", "remove-section", "rename-section"})


def config(call: Call, words: tuple[Word, ...]) -> Stream:
    """Judges `git config`."""
    given = arguments(
        words, valued=frozenset({"-f", "--file", "--type", "--default", "--blob", "--comment", "--value"})
    )
    operands = list(given.operands)
    verb = operands.pop(0).text if operands and operands[0].text in _CONFIG_VERBS else ""
    if verb in {"get", "list"}:
        return NOT_KNOWN
    if given.has("--get", "--get-all", "--get-regexp", "-l", "--list", "--get-urlmatch"):
        return NOT_KNOWN
    if given.has("-e", "--edit"):
        call.judge.prompt(Rule.SELF_PROTECTION, "opens the settings of git in an editor")
    for value in given.values("-f", "--file"):
        call.judge.writes(value, call.shell, "writes")
    if len(operands) > 1:
        judge_setting(call, operands[0].text, operands[1].text, alias=True)
    return NOT_KNOWN


def judge_setting(call: Call, key: str, value: str, *, alias: bool) -> None:
    """Judges a setting that is made: some make git run a command, now or later.

    Args:
        alias: the setting stays, and so do aliases.
    """
    key = key.lower()
    if UNKNOWN in key:
        call.judge.undecided("a git setting is not known")
        return
    if key.startswith("alias."):
        if alias:
            call.state.variables[f"git {key}"] = value
            if value.startswith("!"):
                call.judge.prompt(Rule.CODE_INJECTION, f"makes {key} run a command later")
        return
    if key == "core.hookspath" and value == "/dev/null" and alias:
        call.judge.prompt(Rule.CODE_INJECTION, "switches the hooks of git off for good")
    if value in _HARMLESS_VALUES:
        return
    if (
        key in _RUNS
        or key.startswith(("filter.", "credential.", "url."))
        or (
            key.startswith(
                ("diff.", "merge.", "pager.", "mergetool.", "difftool.", "remote.", "gpg.", "man.", "browser.")
            )
            and (key.endswith(_RUNS_ENDS) or key.startswith("pager."))
        )
    ):
        call.judge.prompt(Rule.CODE_INJECTION, f"makes git run {value.replace(UNKNOWN, '…')!r:.60} by {key}")
    if key.startswith("remote.") and key.endswith((".mirror", ".push")) and value != "false":
        call.judge.prompt(Rule.GIT_FORCE_PUSH, f"makes later pushes overwrite branches by {key}", FORCE_INSTEAD)
