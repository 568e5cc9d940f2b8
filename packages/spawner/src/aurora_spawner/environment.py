"""The environment an agent gets: the user's, without what would mislead it or what it has no business to see."""

from __future__ import annotations

import fnmatch
import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOKEN_VARIABLE: Final = "AURORA_ATTEMPT"  # noqa: S105
"""Carried by everything an attempt starts, so that strays can be found."""

NESTED_SESSION: Final = (
    "AI_AGENT",
    "CLAUDECODE",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_PROJECT_DIR",
    "CODEX_SANDBOX*",
    "CODEX_THREAD_ID",
    "COPILOT_AGENT_SESSION_ID",
    "COPILOT_CLI",
    "GEMINI_CLI",
    "GEMINI_CLI_IDE_*",
    "GEMINI_CLI_SESSION_ID",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_WORK_TREE",
    "OPENCODE",
    "OPENCODE_PID",
    "OPENCODE_RUN_ID",
    "OPENCODE_SERVER_*",
    "QWEN_CODE",
    "QWEN_CODE_CLI",
    "QWEN_CODE_IDE_*",
    "QWEN_CODE_PROJECT_DIR",
    "QWEN_CODE_SESSION_ID",
    "TMUX",
    "TMUX_PANE",
    "STY",
)
"""Set by a surrounding agent, git hook or terminal session; an agent that sees them believes to be inside of it."""

SECRETS: Final = (
    "*_TOKEN",
    "*_SECRET",
    "*_SECRET_*",
    "*_PASSWORD",
    "*_PASSWD",
    "*_PRIVATE_KEY",
    "*_API_KEY",
    "*_APIKEY",
)
"""What secrets are commonly called."""

SECRETS_BY_NAME: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS")
"""Those that are called otherwise."""

MODEL_KEYS: Final = (
    "ANTHROPIC_*",
    "AZURE_OPENAI_*",
    "CLAUDE_*",
    "COPILOT_*",
    "DASHSCOPE_*",
    "DEEPSEEK_*",
    "GEMINI_*",
    "GOOGLE_*",
    "GROQ_*",
    "MISTRAL_*",
    "OPENAI_*",
    "OPENROUTER_*",
    "QWEN_*",
    "XAI_*",
)
"""Keys of model providers, for an agent of which nobody knows whose it needs."""


def agent_environment(
    inherited: Mapping[str, str], *, keep: Iterable[str] = (), secrets: Iterable[str] | None = None
) -> dict[str, str]:
    """What an agent inherits.

    Args:
        keep: Names or patterns of variables to pass on though they look like a nested session or a secret.
        secrets: Patterns of the secrets that it may see; None for the keys of all model providers.
    """
    kept, shown = tuple(keep), MODEL_KEYS if secrets is None else tuple(secrets)
    return {name: value for name, value in inherited.items() if _matches(name, kept) or not _withheld(name, shown)}


def _withheld(name: str, shown: tuple[str, ...]) -> bool:
    if _matches(name, NESTED_SESSION):
        return True
    return _matches(name.upper(), (*SECRETS, *SECRETS_BY_NAME)) and not _matches(name.upper(), shown)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return bool(patterns) and _one_of(patterns).match(name) is not None


@cache
def _one_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """All patterns as one expression; compiled each for itself they take 10 ms of every run."""
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))
