"""The account that an agent spends, as far as variables and login files tell; no call is made.

A login file is read for the kind of its account alone. No key, token or address in it is kept or shown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aurora_core.bounded import read_regular
from aurora_soar.registry import LOCAL_AGENT
from aurora_spawner import CliBackend
from aurora_spawner.backends.model.apis import APIS
from aurora_spawner.backends.model.backend import ModelBackend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner import Backend

__all__ = ["account_of"]

_LIMIT: Final = 1 << 20
_SERVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "claude": ("ANTHROPIC_BASE_URL",),
    "codex": ("OPENAI_BASE_URL",),
    "gemini": ("GOOGLE_GEMINI_BASE_URL",),
    "qwen": ("OPENAI_BASE_URL",),
    "copilot": ("COPILOT_PROVIDER_BASE_URL",),
    "aider": ("OPENAI_API_BASE",),
}
"""Variables that send a CLI to another server, by its kind."""
_PLANS: Final[Mapping[str, str]] = {
    "CLAUDE_CODE_OAUTH_TOKEN": "the Claude plan",
    "COPILOT_GITHUB_TOKEN": "the Copilot plan",
    "GH_TOKEN": "the Copilot plan",
    "GITHUB_TOKEN": "the Copilot plan",
}
"""Variables whose token stands for an account with a plan; other ones are keys."""
_QUOTAS: Final[Mapping[str, str]] = {
    "gemini": "the quota of the Google account",
    "qwen": "the quota of the Qwen account",
}


def account_of(name: str, backend: Backend, signed_in_by: str, environ: Mapping[str, str]) -> str:
    """Returns in words what an agent spends.

    Args:
        name: its name.
        signed_in_by: the variable or file that shows its login; "" if none does.
        environ: the variables that it inherits.
    """
    if name == LOCAL_AGENT:
        return "nothing"
    if isinstance(backend, ModelBackend):
        server = urlsplit(backend.base_url or APIS[backend.api].base_url).hostname or "its server"
        return f"its key at {server}, billed by use" if backend.key else f"whatever {server} asks, without a key"
    if not isinstance(backend, CliBackend):
        return "unknown: whatever its command uses"
    seen = {**environ, **backend.env}
    server = next((seen[each] for each in _SERVERS.get(backend.kind, ()) if seen.get(each)), "")
    at = f", at {urlsplit(server).hostname or 'another server'}" if server else ""
    return f"{_spent(backend.kind, signed_in_by)}{at}"


def _spent(kind: str, signed_in_by: str) -> str:
    if not signed_in_by:
        return "unknown: no variable or file shows its login"
    if not Path(signed_in_by).is_absolute():
        plan = _PLANS.get(signed_in_by)
        return f"{plan} of {signed_in_by}" if plan else f"the key {signed_in_by}, billed by use"
    login = _login(Path(signed_in_by))
    if kind == "claude" and isinstance(of_plan := login.get("claudeAiOauth"), dict):
        plan = of_plan.get("subscriptionType")
        return f"the Claude plan {plan} of {signed_in_by}" if _is_word(plan) else f"the Claude plan of {signed_in_by}"
    if kind == "codex" and login.get("OPENAI_API_KEY"):
        return f"the key in {signed_in_by}, billed by use"
    if kind == "codex" and login.get("tokens"):
        return f"the ChatGPT plan of {signed_in_by}"
    return f"{_QUOTAS.get(kind, 'the account')} of {signed_in_by}"


def _is_word(plan: object) -> bool:
    return isinstance(plan, str) and plan.isalnum() and len(plan) <= 20


def _login(path: Path) -> dict[str, object]:
    try:
        found = json.loads(read_regular(path, _LIMIT))
    except (OSError, ValueError, RecursionError):
        return {}  # its program says what is wrong with it
    return found if isinstance(found, dict) else {}
