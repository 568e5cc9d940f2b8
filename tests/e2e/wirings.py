"""How each agent CLI is pointed at the stand-in: what a user writes for a provider of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from tests.e2e.cut_off import BASE

ROOT: Final = Path(__file__).parents[2]
INSTALLED: Final = ROOT / ".tools" / "agents"
KINDS: Final = ("claude", "codex", "gemini", "opencode", "qwen", "copilot", "aider", "cline")
IN_CI: Final = ("claude", "codex")
KEY: Final = "not-a-real-key-but-a-long-one"

SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "gemini": {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False},
    },
    "qwen": {  # else it asks its model for more in the middle of the play
        "ui": {"enableFollowupSuggestions": False},
        "memory": {"enableManagedAutoMemory": False, "enableManagedAutoDream": False, "enableAutoSkill": False},
    },
}
"""Settings of users who have no separate configuration for Aurora, for agents that need some to be talked with."""


def search_path() -> str:
    """Where agents, and the Node that runs them, are looked for."""
    own = [str(INSTALLED / "node_modules" / ".bin"), str(INSTALLED / "aider" / "bin")]
    return os.pathsep.join([*own, os.environ["PATH"]])


def address(play: str, key: str) -> str:
    """Where a play is performed for one test."""
    return f"{BASE}/{play}/{key}"


def wiring(kind: str, play: str, key: str, home: Path) -> dict[str, Any]:
    """The configuration of a backend of that kind."""
    return {"kind": kind, "permissive": True, **_WIRINGS[kind](address(play, key), home)}


def _claude(url: str, _home: Path) -> dict[str, Any]:
    quiet = {"DISABLE_TELEMETRY": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    return {"isolated": True, "env": {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY, **quiet}}


def _codex(url: str, _home: Path) -> dict[str, Any]:
    provider = {
        "name": '"here"',
        "base_url": f'"{url}/v1"',
        "env_key": '"HERE_KEY"',
        "wire_api": '"responses"',
        "request_max_retries": "0",
        "stream_max_retries": "1",
        "stream_idle_timeout_ms": "20000",
    }
    settings = {"model_provider": '"here"', "analytics.enabled": "false"}
    settings |= {f"model_providers.here.{name}": value for name, value in provider.items()}
    args = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return {"isolated": True, "model": "gpt-5", "args": args, "env": {"HERE_KEY": KEY}}


def _gemini(url: str, _home: Path) -> dict[str, Any]:
    env = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": url}
    return {"isolated": True, "model": "gemini-2.5-pro", "env": env}


def _opencode(url: str, _home: Path) -> dict[str, Any]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "here",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {"m": {"name": "m"}},
    }
    config = {"provider": {"here": provider}, "model": "here/m", "small_model": "here/m", "share": "disabled"}
    env = {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }
    return {"isolated": True, "model": "here/m", "env": env}


def _qwen(url: str, _home: Path) -> dict[str, Any]:
    env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_MODEL": "m"}
    return {"isolated": True, "args": ["--auth-type", "openai"], "env": env}


def _copilot(url: str, _home: Path) -> dict[str, Any]:
    env = {
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_API_KEY": KEY,
        "COPILOT_MODEL": "m",
        "COPILOT_OFFLINE": "true",
    }
    return {"isolated": True, "args": ["--disable-builtin-mcps"], "env": env}


def _aider(url: str, _home: Path) -> dict[str, Any]:
    env = {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": KEY, "AIDER_ANALYTICS_DISABLE": "true"}
    return {"model": "openai/m", "env": env}


def _cline(url: str, home: Path) -> dict[str, Any]:
    """Its address can be set by a command only: `cline_login`."""
    del url
    data = ["--data-dir", str(home / "cline")]
    return {"model": "m", "args": [*data, "-P", "openai-compatible"], "env": {"CLINE_DISABLE_TELEMETRY": "1"}}


def write_settings(kind: str, home: Path) -> None:
    """Writes the settings of a kind of agent into the user's home, if it needs some."""
    if kind in SETTINGS:
        file = home / f".{kind}" / "settings.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(SETTINGS[kind]))


def cline_login(url: str, home: Path) -> list[str]:
    """The command that tells Cline its address."""
    key = ["-k", KEY, "-m", "m", "-b", f"{url}/v1"]
    return ["cline", "auth", "-p", "openai-compatible", *key, "--data-dir", str(home / "cline")]


_WIRINGS: Final = {
    "claude": _claude,
    "codex": _codex,
    "gemini": _gemini,
    "opencode": _opencode,
    "qwen": _qwen,
    "copilot": _copilot,
    "aider": _aider,
    "cline": _cline,
}
