"""Command lines of coding agents, and Aurora's own: none may be started without its limits, or change them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.shell.stream import NOT_KNOWN, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS"]

_INSTEAD: Final = "Start agents with `aur spawn`, which keeps them under the policies."
_PERMISSIVE: Final[Mapping[str, re.Pattern[str]]] = {
    "claude": re.compile(
        r"--(allow-)?dangerously-skip-permissions|--permission-mode[ =](bypassPermissions|acceptEdits|auto|dontAsk)"
        r"|--settings|--setting-sources|--bare|--safe-mode|--mcp-config|--plugin-dir"
        r"|--permission-prompt-tool|(^|\s)config\s|(^|\s)mcp\s+(add|remove)|--allowed-?tools[ =]\S*Bash"
    ),
    "codex": re.compile(
        r"--yolo|--dangerously-bypass\S*|--full-auto|(-s|--sandbox)[ =]danger\S*|(-a|--ask-for-approval)[ =]never"
        r"|--ignore-rules|--ignore-user-config|--disable[ =]\S*hooks|--profile"
        r"|(-c|--config)[ =]\S*(sandbox|approval|hooks|mcp_servers|notify)"
    ),
    "gemini": re.compile(
        r"(^|\s)(-y|--yolo)\b|--approval-mode[ =]?(yolo|auto_edit)|--sandbox[ =]?false|--policy\b|--allowed-tools"
    ),
    "qwen": re.compile(r"(^|\s)(-y|--yolo)\b|--approval-mode[ =]?(yolo|auto|auto-edit)|--sandbox[ =]?false|--bare"),
    "copilot": re.compile(r"--allow-all\S*|--yolo|--allow-tool|--disable-builtin-mcps|--additional-mcp-config"),
    "opencode": re.compile(r"--dangerously\S*|--auto\b|--yolo|--pure"),
    "aider": re.compile(r"--yes\S*|--auto-test|--test-cmd|--lint-cmd"),
    "cline": re.compile(r"--yolo|(^|\s)-y\b|--auto-approve\S*|--no-interactive"),
    "cursor-agent": re.compile(r"--force|(^|\s)-f\b|--yolo"),
    "amp": re.compile(r"--dangerously\S*|(^|\s)plugins?\s+(rm|remove|disable)|--settings-file"),
    "goose": re.compile(r"--with-(builtin|extension)"),
    "droid": re.compile(r"--auto[ =]?(high|medium)|--skip-permissions\S*|--settings"),
    "pi": re.compile(r"--no-extensions|--extension|(^|\s)-e\b"),
    "hermes": re.compile(r"--safe-mode|--yolo|(^|\s)hooks\s+(rm|remove|disable)|(^|\s)config\s+(set|unset)"),
    "openclaw": re.compile(r"(^|\s)config\s+(set|unset)|(^|\s)plugins\s+(disable|uninstall|remove)"),
    "kiro-cli": re.compile(r"--trust-all-tools|--trust-tools|(^|\s)settings\s"),
    "crush": re.compile(r"--yolo|(^|\s)-y\b"),
    "kimi": re.compile(r"--yolo|--yes|(^|\s)-y\b|--auto-approve"),
}
_AURORA: Final = re.compile(
    r"^(trust|approve|deny|answer|policies (init|grants)|budget (set|reset)|keys|checkpoint (restore|drop)"
    r"|discard|merge|pr|config (set|unset))(?![\w-])"
)


_INSIDE: Final = "SANDBOX"
"""A variable by which these programs take it that they are in a sandbox already; others use it for their own ends."""
_BELIEVE_IT: Final = frozenset({"gemini", "qwen"})


def _agent(call: Call) -> Stream:
    if call.name in _BELIEVE_IT and (_INSIDE in call.variables or _INSIDE in call.state.variables):
        call.judge.prompt(Rule.UNGATED_AGENT, f"tells {call.name} that it is in a sandbox already", _INSTEAD)
    text = " ".join(call.texts())
    if _PERMISSIVE[call.name].search(text):
        call.judge.prompt(Rule.UNGATED_AGENT, f"starts {call.name} without its limits", _INSTEAD)
    return NOT_KNOWN


def _aur(call: Call) -> Stream:
    if _AURORA.match(" ".join(text for text in call.texts() if not text.startswith("-"))):
        call.judge.prompt(
            Rule.SELF_PROTECTION,
            f"answers for the user: aur {' '.join(call.texts())[:40]}",
            "Leave this command to the user.",
        )
    return NOT_KNOWN


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    **dict.fromkeys(_PERMISSIVE, _agent),
    "aur": _aur,
    "aurora-aur": _aur,
}
