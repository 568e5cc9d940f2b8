"""Aurora's own sockets and calls, which no agent may use: they answer for the user."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.shell.words import UNKNOWN

if TYPE_CHECKING:
    from aurora_policies.programs.judge import Call

__all__ = ["judge_calls", "judge_sockets"]

_SOCKETS: Final = re.compile(r"(?<![\w.-])(control|gate)\.sock\b|\bAURORA_INBOX\b")
_CALLS: Final = re.compile(
    r"\b(answer_approval|answer_agent|revoke_grant|request_coordinator|trust_store|ApprovalInbox)\b"
    r"|\baurora_cli\.(main|entry|__main__|commands)\b|\bfrom\s+aurora_cli\s+import\s+(main|entry|__main__)\b"
)
_FILES: Final = re.compile(r"(?<![\w-])\.aurora\b|\bruns\.db\b|\bbudget\.db\b")
_CHANGES: Final = re.compile(r"\b(update|insert|replace|delete|drop|alter)\s|\bwrite\w*\b|\bdump\b", re.IGNORECASE)
_INSTEAD: Final = "Ask the user with `aur ask`; leave their answers to them."


def judge_sockets(call: Call) -> None:
    """Judges a program that speaks with sockets by the ones that it names."""
    texts = call.texts()
    unknown = {"-U", "--unixsock"} & set(texts) and any(UNKNOWN in text for text in texts)
    if unknown or any(_SOCKETS.search(text) for text in texts):
        call.judge.prompt(Rule.SELF_PROTECTION, "speaks with the process that runs the agents", _INSTEAD)


def judge_calls(call: Call, text: str) -> None:
    """Judges the text of a program by the calls, sockets and records of ours that it names."""
    if _SOCKETS.search(text) or _CALLS.search(text):
        call.judge.prompt(Rule.SELF_PROTECTION, "answers for the user by Aurora's own calls", _INSTEAD)
    elif _FILES.search(text) and _CHANGES.search(text):
        call.judge.prompt(Rule.SELF_PROTECTION, "changes Aurora's own records", _INSTEAD)
