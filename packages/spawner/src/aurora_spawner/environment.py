"""The environment an agent gets: the user's, without what would mislead it or what it has no business to see."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOKEN_VARIABLE: Final = "AURORA_ATTEMPT"  # noqa: S105
"""Carried by everything an attempt starts, so that strays can be found."""

NESTED_SESSION: Final = (
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SSE_PORT",
    "CODEX_SANDBOX*",
    "GEMINI_CLI",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_WORK_TREE",
    "OPENCODE",
    "QWEN_CODE",
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
"""Keys of model providers, which an agent does need."""


def agent_environment(inherited: Mapping[str, str], *, keep: Iterable[str] = ()) -> dict[str, str]:
    """What an agent inherits.

    Args:
        keep: Names or patterns of variables to pass on though they look like a nested session or a secret.
    """
    kept = tuple(keep)
    return {name: value for name, value in inherited.items() if _matches(name, kept) or not _withheld(name)}


def _withheld(name: str) -> bool:
    if _matches(name, NESTED_SESSION):
        return True
    return _matches(name.upper(), SECRETS) and not _matches(name.upper(), MODEL_KEYS)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
