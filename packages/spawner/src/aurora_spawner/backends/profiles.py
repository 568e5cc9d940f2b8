"""Profiles of the known agent CLIs: this table holds all differences between them.

The flags were tested with the versions that docs/agents.md names.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends import codex_log, tool_servers
from aurora_spawner.gates import wirings
from aurora_spawner.gates.wirings import HOME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_spawner.backends.tool_servers import ToolServer
    from aurora_spawner.gates.wirings import GateWiring, Wire
    from aurora_spawner.tasks.usage_windows import UsageWindow

SESSION: Final = "{session}"
"""The placeholder in arguments for the session to resume."""
TIME_LIMIT_MS: Final = "{time_limit_ms}"
"""The placeholder for the attempt's time limit in milliseconds; 0 for none."""
PROMPT_FILE: Final = "{prompt_file}"
NEW_SESSION: Final = "{new_session}"
"""The placeholder in arguments for the id of a new session."""
INSTRUCTIONS: Final = "{instructions}"
"""The placeholder in arguments for the file with a task's instructions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The way one CLI is driven."""

    kind: str
    program: str
    package: str
    """The package to install: from npm, or with `pip:` before it from the Python index."""
    provider: str
    """The provider whose rate limits apply, unless the model names another."""
    provider_in_model: bool = False
    """True if models are written "provider/model"."""
    start: tuple[str, ...]
    """The arguments of every attempt: no terminal, events on stdout."""
    model: tuple[str, ...] = ("--model",)
    """The option before the model's name."""
    cost_limit: tuple[str, ...] = ()
    """The option before the US dollars at which it ends by itself."""
    safe: tuple[str, ...] = ()
    """Arguments for its own safe mode, if that is not its default."""
    permissive: tuple[str, ...] = ()
    """Arguments that let it use every tool without asking."""
    instructed: tuple[str, ...] = ()
    """Arguments that add a task's instructions to its system prompt; if empty, instructions precede the prompt."""
    prompt_last: bool = False
    """True if the prompt is its last argument and not on stdin."""
    fresh: tuple[str, ...] = ()
    """The last arguments of a first attempt."""
    resumed: tuple[str, ...] | None = None
    """The last arguments of an attempt that resumes a session; None if it cannot resume."""
    interactive: tuple[str, ...] | None = None
    """The arguments that open a session in a terminal; None if it cannot open one."""
    interactive_asks: tuple[str, ...] = ()
    """The arguments that make it ask in a terminal, if a resumed session stays in the mode of its attempts."""
    interactive_gated: tuple[str, ...] = ()
    """The arguments without which it may run no hook in a terminal, such as those that trust the folder."""
    interactive_env: Mapping[str, str] = field(default_factory=dict)
    """The variables that are other ones in a terminal."""
    interactive_takes: Mapping[str, bool] = field(default_factory=dict)
    """The options of the user's own that it takes in a terminal, too; True for those with a value."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables that are always set: no updates during work, and few retries, because our gate decides who waits."""
    safe_env: Mapping[str, str] = field(default_factory=dict)
    permissive_env: Mapping[str, str] = field(default_factory=dict)
    root_env: Mapping[str, str] = field(default_factory=dict)
    """Variables for the superuser in permissive mode."""
    isolated: tuple[str, ...] = ()
    """Arguments that give it a separate configuration."""
    isolated_env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Files to write for every attempt, by path, for settings that have neither flag nor variable."""
    isolated_files: Mapping[str, str] = field(default_factory=dict)
    own_home: tuple[str, str] = ("", "")
    """The folder of its configuration and sessions: the variable that names it, and its place in the home folder."""
    state: tuple[str, ...] = ()
    """The folders and files that it changes as it works, for a sandbox: each below the home folder, or below the
    folder that a variable names if it is set (`$VARIABLE/folder|folder`)."""
    gate: Wire | None = None
    """Wires the hook of the policy gate; None if the CLI has no hooks that could stop a tool call."""
    gate_needs_isolation: bool = False
    """True if its hooks can only be wired in a configuration of its own."""
    gate_offs: tuple[str, ...] = ()
    """Its arguments and variables that turn hooks off, or replace the settings with ours."""
    tools: Callable[[ToolServer], GateWiring] | None = None
    """Wires a server of tools; None if the CLI takes none that is given with an attempt."""
    windows: Callable[[Path, str], tuple[UsageWindow, ...]] | None = None
    """Reads its account's usage windows from that folder, by session; None if it records none there."""
    own_env: tuple[str, ...] = ()
    """Patterns of the further variables that it inherits: its own and its provider's."""
    maker_env: tuple[str, ...] = ()
    """Patterns to add if its model names no provider: the keys of all providers that it supports."""
    own_env_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Patterns to add if a variable is set that selects another provider."""
    login_variables: tuple[str, ...]
    """Variables that sign it in."""
    login_files: tuple[str, ...] = ()
    """Files that a login leaves: below the home, or below the folder that a variable names (`$VARIABLE/file`)."""
    login_may_hide: bool = False
    """Its login may also be in a keyring or in files whose names change; finding none proves nothing."""
    safe_mode: str
    """The safe mode in a few words, as in docs/agents.md."""


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


_MAKERS: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("ANTHROPIC_*",),
    "azure": ("AZURE_*",),
    "dashscope": ("DASHSCOPE_*",),
    "deepseek": ("DEEPSEEK_*",),
    "gemini": ("GEMINI_*", "GOOGLE_*"),
    "groq": ("GROQ_*",),
    "mistral": ("MISTRAL_*",),
    "ollama": ("OLLAMA_*",),
    "openai": ("OPENAI_*",),
    "openrouter": ("OPENROUTER_*",),
    "xai": ("XAI_*",),
}
_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "amazon-bedrock": ("AWS_*",),
    "bedrock": ("AWS_*",),
    "google": ("GEMINI_*", "GOOGLE_*"),
    "google-vertex": ("GOOGLE_*", "VERTEX*"),
    "vertex_ai": ("GOOGLE_*", "VERTEX*"),
}
_ANY_MAKER: Final = tuple(pattern for patterns in _MAKERS.values() for pattern in patterns)
"""The patterns of all makers, for agents that support any provider."""


def maker_env(maker: str) -> tuple[str, ...]:
    """Returns patterns of the variables of a model's maker; for an unknown maker, those that start with its name."""
    own_name = re.sub(r"\W", "_", maker.upper(), flags=re.ASCII)
    return _MAKERS.get(maker) or _OTHER_NAMES.get(maker) or (f"{own_name}_*",)


_ANY_KEY: Final = (
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "OPENROUTER_API_KEY",
    "DEEPSEEK_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "XAI_API_KEY",
)
"""Keys of any provider that an agent may be set up for."""
_GEMINI_GENERAL: Final = {"maxAttempts": 2, "enableAutoUpdate": False}
_ASK_FIRST: Final = _json({"bash": "deny", "edit": "deny", "webfetch": "deny", "external_directory": "deny"})

_KNOWN: Final = (
    Profile(
        kind="claude",
        program="claude",
        cost_limit=("--max-budget-usd",),
        package="@anthropic-ai/claude-code",
        provider="anthropic",
        start=("-p", "--output-format", "stream-json", "--verbose"),
        permissive=("--dangerously-skip-permissions",),
        instructed=("--append-system-prompt-file", INSTRUCTIONS),
        resumed=("--resume", SESSION),
        interactive=("--resume", SESSION),
        env={
            "CLAUDE_CODE_MAX_RETRIES": "1",  # else ten, 401s among them, over minutes
            "API_TIMEOUT_MS": "300000",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS": TIME_LIMIT_MS,  # else ten minutes for its background agents
        },
        root_env={"IS_SANDBOX": "1"},  # else it refuses this mode to the superuser
        isolated_env={"CLAUDE_CONFIG_DIR": HOME},
        own_env=(
            *("ANTHROPIC_*", "CLAUDE_*", "API_TIMEOUT_MS", "MAX_THINKING_TOKENS", "MAX_MCP_OUTPUT_TOKENS", "MCP_*"),
            *("BASH_DEFAULT_TIMEOUT_MS", "BASH_MAX_TIMEOUT_MS", "BASH_MAX_OUTPUT_LENGTH", "DISABLE_*", "ENABLE_*"),
            *("IS_SANDBOX", "USE_BUILTIN_RIPGREP"),
        ),
        own_env_with={
            "CLAUDE_CODE_USE_BEDROCK": ("AWS_*",),
            "CLAUDE_CODE_USE_FOUNDRY": ("AZURE_*",),
            "CLAUDE_CODE_USE_VERTEX": ("GOOGLE_*", "CLOUD_ML_REGION", "VERTEX_*", "GCLOUD_PROJECT", "CLOUDSDK_*"),
        },
        login_variables=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
        login_files=("$CLAUDE_CONFIG_DIR/.credentials.json", ".claude/.credentials.json"),
        state=("$CLAUDE_CONFIG_DIR|.claude", ".claude.json"),
        login_may_hide=True,
        gate=wirings.claude,
        tools=tool_servers.claude,
        gate_offs=("--settings", "--bare", "--safe-mode", *wirings.CLAUDE_OFFS),
        safe_mode="denies tools that need approval",
    ),
    Profile(
        kind="codex",
        program="codex",
        package="@openai/codex",
        provider="openai",
        start=("exec", "--json", "--skip-git-repo-check", "-c", "check_for_update_on_startup=false"),
        permissive=("--dangerously-bypass-approvals-and-sandbox",),
        fresh=("-",),
        resumed=("resume", SESSION, "-"),
        interactive=("-c", "check_for_update_on_startup=false", "resume", SESSION),
        interactive_asks=("--ask-for-approval", "on-request", "--sandbox", "workspace-write"),
        interactive_takes={"-c": True, "--config": True, "--enable": True, "--disable": True},
        own_home=("CODEX_HOME", ".codex"),
        windows=codex_log.windows_of,
        isolated_env={"CODEX_HOME": HOME},
        isolated_files={f"{HOME}/config.toml": "check_for_update_on_startup = false\n"},  # it insists on the folder
        own_env=("OPENAI_*", "CODEX_*", "AZURE_OPENAI_*"),
        login_variables=("OPENAI_API_KEY", "CODEX_API_KEY"),
        login_files=("$CODEX_HOME/auth.json", ".codex/auth.json"),
        state=("$CODEX_HOME|.codex",),
        gate=wirings.codex,
        tools=tool_servers.codex,
        gate_offs=("--disable", "--ignore-user-config"),
        safe_mode="its read-only sandbox",
    ),
    Profile(
        kind="gemini",
        program="gemini",
        package="@google/gemini-cli",
        provider="google",
        start=("-o", "stream-json"),
        permissive=("--yolo", "--skip-trust"),
        resumed=("--resume", SESSION),
        interactive=("--resume", SESSION),
        interactive_gated=("--skip-trust",),
        interactive_env={"GEMINI_CLI_NO_RELAUNCH": ""},  # it starts anew once its user trusts the folder
        env={
            "GEMINI_CLI_NO_RELAUNCH": "1",
            "GEMINI_CLI_SYSTEM_DEFAULTS_PATH": f"{HOME}/gemini-defaults.json",  # the user's settings override it
        },
        files={f"{HOME}/gemini-defaults.json": _json({"general": _GEMINI_GENERAL})},
        isolated_env={"GEMINI_CLI_HOME": HOME},
        isolated_files={
            f"{HOME}/.gemini/settings.json": _json(
                {"security": {"auth": {"selectedType": "gemini-api-key"}}, "general": _GEMINI_GENERAL}
            )
        },
        own_env=("GEMINI_*", "GOOGLE_*", "GCLOUD_PROJECT", "CLOUD_SHELL", "CLOUDSDK_*", "CODE_ASSIST_ENDPOINT"),
        login_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        login_files=("$GEMINI_CLI_HOME/.gemini/oauth_creds.json", ".gemini/oauth_creds.json"),
        state=("$GEMINI_CLI_HOME/.gemini|.gemini",),
        gate=wirings.gemini,
        gate_offs=("GEMINI_CLI_HOME",),
        gate_needs_isolation=True,
        safe_mode="no tools that write or run",
    ),
    Profile(
        kind="opencode",
        program="opencode",
        package="opencode-ai",
        provider="opencode",
        provider_in_model=True,
        start=("run", "--format", "json"),
        resumed=("--session", SESSION),
        interactive=("--session", SESSION),
        env={"OPENCODE_DISABLE_AUTOUPDATE": "1"},
        safe_env={"OPENCODE_PERMISSION": _ASK_FIRST},  # its default allows everything
        isolated_env={
            "XDG_CONFIG_HOME": f"{HOME}/config",
            "XDG_DATA_HOME": f"{HOME}/data",
            "XDG_STATE_HOME": f"{HOME}/state",
            "XDG_CACHE_HOME": f"{HOME}/cache",
        },
        isolated_files=wirings.opencode_installed(f"{HOME}/config/opencode"),
        own_env=("OPENCODE_*",),
        maker_env=_ANY_MAKER,
        login_variables=_ANY_KEY,
        login_files=("$XDG_DATA_HOME/opencode/auth.json", ".local/share/opencode/auth.json"),
        state=(
            "$XDG_CONFIG_HOME/opencode|.config/opencode",
            "$XDG_DATA_HOME/opencode|.local/share/opencode",
            "$XDG_STATE_HOME/opencode|.local/state/opencode",
            "$XDG_CACHE_HOME/opencode|.cache/opencode",
        ),
        login_may_hide=True,
        gate=wirings.opencode,
        gate_offs=("--pure", "OPENCODE_CONFIG_DIR", *wirings.OPENCODE_OFFS),
        safe_mode="commands, edits and fetches denied (its default allows all)",
    ),
    Profile(
        kind="qwen",
        program="qwen",
        package="@qwen-code/qwen-code",
        provider="qwen",
        start=("-o", "stream-json"),
        permissive=("--yolo",),
        resumed=("--resume", SESSION),
        interactive=("--resume", SESSION),
        interactive_takes={"--auth-type": True},
        env={"QWEN_CODE_NO_RELAUNCH": "1"},
        isolated_env={"QWEN_HOME": HOME},
        own_env=("OPENAI_*", "DASHSCOPE_*", "QWEN_*"),
        login_variables=("OPENAI_API_KEY", "DASHSCOPE_API_KEY"),
        login_files=("$QWEN_HOME/oauth_creds.json", ".qwen/oauth_creds.json"),
        state=("$QWEN_HOME|.qwen",),
        gate=wirings.qwen,
        gate_offs=("--bare", "--safe-mode", "QWEN_CODE_SYSTEM_SETTINGS_PATH", *wirings.QWEN_OFFS),
        safe_mode="edits and commands denied",
    ),
    Profile(
        kind="copilot",
        program="copilot",
        package="@github/copilot",
        provider="github",
        start=("--output-format", "json", "--no-ask-user"),
        permissive=("--allow-all",),
        fresh=("--session-id", NEW_SESSION),  # else it reports its session only at the end
        resumed=(f"--resume={SESSION}",),
        interactive=(f"--resume={SESSION}",),
        interactive_takes={"--disable-builtin-mcps": False},
        env={"COPILOT_AUTO_UPDATE": "false"},
        isolated_env={"COPILOT_HOME": HOME},
        # Its login may be in the keyring, which it reads over the session's bus.
        own_env=("COPILOT_*", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "DBUS_SESSION_BUS_ADDRESS"),
        state=("$COPILOT_HOME|.copilot",),
        login_variables=("COPILOT_GITHUB_TOKEN", "COPILOT_PROVIDER_API_KEY", "GH_TOKEN", "GITHUB_TOKEN"),
        login_may_hide=True,
        gate=wirings.copilot,
        gate_offs=("COPILOT_HOME",),
        gate_needs_isolation=True,
        safe_mode="denies tools that need approval",
    ),
    Profile(
        kind="aider",
        program="aider",
        package="pip:aider-chat",
        provider="aider",
        provider_in_model=True,
        start=(
            *("--yes-always", "--no-pretty", "--no-stream", "--no-check-update", "--no-show-release-notes"),
            *("--no-gitignore", "--no-show-model-warnings", "--no-detect-urls", "--no-fancy-input"),
            *("--chat-history-file", f"{HOME}/aider.chat.md", "--input-history-file", f"{HOME}/aider.input"),
        ),
        safe=("--no-suggest-shell-commands",),
        fresh=("--message-file", PROMPT_FILE),
        files={f"{HOME}/aider.input": ""},
        state=(".aider",),
        own_env=("AIDER_*",),
        maker_env=_ANY_MAKER,
        login_variables=_ANY_KEY,
        login_may_hide=True,
        safe_mode="edits, and runs no commands",
    ),
    Profile(
        kind="cline",
        program="cline",
        package="cline",
        provider="cline",
        start=("--json",),
        prompt_last=True,
        safe=("--auto-approve", "false"),
        permissive=("--auto-approve", "true"),
        env={"CLINE_NO_AUTO_UPDATE": "1"},
        isolated=("--data-dir", HOME),
        state=(".cline",),
        own_env=("CLINE_*",),
        maker_env=_ANY_MAKER,
        login_variables=_ANY_KEY,
        login_may_hide=True,
        safe_mode="`--auto-approve false`",
    ),
)

PROFILES: Final[Mapping[str, Profile]] = {profile.kind: profile for profile in _KNOWN}
"""The profiles by kind, in the order in which one is chosen if the user names none."""
