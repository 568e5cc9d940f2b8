"""Wirings of the hook, one for each CLI, beside the hooks that the user has; no file of the user's changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.supervision.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from aurora_spawner.gates.hook_command import HookCommand

HOME: Final = "{home}"
"""The placeholder for the folder of an agent's configuration in one task, as in its profile."""
CLAUDE_OFFS: Final = ("CLAUDE_CODE_SIMPLE", "CLAUDE_CODE_SAFE_MODE")
QWEN_OFFS: Final = ("QWEN_CODE_SIMPLE", "QWEN_CODE_SAFE_MODE")
"""Variables that select modes without hooks; agents inherit them otherwise."""
OPENCODE_OFFS: Final = ("OPENCODE_PURE",)
CODEX_TRUST: Final = "--dangerously-bypass-hook-trust"
OFF: Final = "0"
"""Set, and not empty, since `.env` files fill in what is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateWiring:
    """Additions to the invocation of a CLI; texts may contain the placeholders of its profile."""

    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Settings by the path of their JSON file; they join those that the profile writes there."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Further files, by path."""


Wire = Callable[["HookCommand"], GateWiring]


def claude(hook: HookCommand) -> GateWiring:
    """Wires Claude Code: settings on its command line are merged with those in files, and prevail over them."""
    command = {"type": "command", "command": hook.shell, "timeout": hook.cli_limit_s, "onFailure": "block"}
    settings = {"disableAllHooks": False, "hooks": {"PreToolUse": [{"matcher": "*", "hooks": [command]}]}}
    return GateWiring(arguments=("--settings", json.dumps(settings)), env=dict.fromkeys(CLAUDE_OFFS, OFF))


def codex(hook: HookCommand) -> GateWiring:
    """Wires Codex by overrides of its configuration; it runs hooks that nobody has reviewed only if told so."""
    entry = f'{{type="command",command={json.dumps(hook.shell)},timeout={hook.cli_limit_s}}}'
    return GateWiring(
        arguments=(
            *("-c", "features.hooks=true"),
            *("-c", f'hooks.PreToolUse=[{{matcher="*",hooks=[{entry}]}}]'),
            CODEX_TRUST,
        )
    )


def gemini(hook: HookCommand) -> GateWiring:
    """Wires Gemini CLI in a configuration of its own; it ignores settings elsewhere unless they belong to root.

    The hook's name holds the token of its attempt, so that no settings of a project can name it to disable it.
    """
    entry = {"type": "command", "name": f"aurora-${TOKEN_VARIABLE}", "command": hook.shell_for_all_attempts}
    timed = {**entry, "timeout": hook.cli_limit_s * 1000}
    hooks = {"BeforeTool": [{"matcher": ".*", "hooks": [timed]}]}
    return GateWiring(settings={f"{HOME}/.gemini/settings.json": {"hooksConfig": {"enabled": True}, "hooks": hooks}})


def qwen(hook: HookCommand) -> GateWiring:
    """Wires Qwen Code by its system settings, which prevail over those of the user and of the project."""
    entry = {"type": "command", "name": "aurora", "command": hook.shell_for_all_attempts}
    hooks = {"PreToolUse": [{"matcher": "*", "hooks": [{**entry, "timeout": hook.cli_limit_s * 1000}]}]}
    return GateWiring(
        env={"QWEN_CODE_SYSTEM_SETTINGS_PATH": f"{HOME}/qwen-gate.json", **dict.fromkeys(QWEN_OFFS, OFF)},
        settings={f"{HOME}/qwen-gate.json": {"disableAllHooks": False, "hooks": hooks}},
    )


_OPENCODE_PLUGIN: Final = """\
import { spawn } from "node:child_process"

const ask = (call) =>
  new Promise((resolve) => {
    const hook = spawn("/bin/sh", ["-c", %s], { stdio: ["pipe", "ignore", "pipe"] })
    let said = ""
    hook.stderr.on("data", (piece) => (said += piece))
    hook.on("error", (error) => resolve([2, String(error)]))
    hook.on("close", (status) => resolve([status, said]))
    hook.stdin.on("error", () => {})
    hook.stdin.end(JSON.stringify(call))
  })

export const AuroraGate = async ({ directory }) => ({
  "tool.execute.before": async (input, output) => {
    const [status, said] = await ask({ tool_name: input.tool, tool_input: output.args ?? {}, cwd: directory })
    if (status !== 0) throw new Error(said || "the policy gate failed, so this call is denied")
  },
})
"""


def opencode_installed(folder: str) -> dict[str, str]:
    """Returns what a configuration folder has whose packages OpenCode has installed.

    Ours need no packages, and where there is no network, OpenCode would try for a minute before it begins.
    """
    lock = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "*"}}}}
    return {f"{folder}/node_modules/.keep": "", f"{folder}/package-lock.json": json.dumps(lock)}


def opencode(hook: HookCommand) -> GateWiring:
    """Wires OpenCode by a plugin in a configuration folder that joins the others; an error in it denies the call."""
    plugin = _OPENCODE_PLUGIN % json.dumps(hook.shell_for_all_attempts)
    folder = f"{HOME}/opencode-gate"
    return GateWiring(
        env={"OPENCODE_CONFIG_DIR": folder, **dict.fromkeys(OPENCODE_OFFS, OFF)},
        files={f"{folder}/plugin/aurora.js": plugin, **opencode_installed(folder)},
    )


_COPILOT_HOOK: Final = (
    "said=$( (%s) 2>&1 >/dev/null | tr -d '\\000-\\037\"\\\\'; exit ${PIPESTATUS[0]}) || "
    'printf \'{"permissionDecision":"deny","permissionDecisionReason":"%%s"}\' "$said"'
)
"""Bash that turns the status and the reason of the hook into the answer that Copilot CLI takes."""


def copilot(hook: HookCommand) -> GateWiring:
    """Wires Copilot CLI in a configuration of its own."""
    command = _COPILOT_HOOK % hook.shell_for_all_attempts
    entry = {"type": "command", "bash": command, "timeoutSec": hook.cli_limit_s}
    settings = {"version": 1, "hooks": {"preToolUse": [entry]}}
    return GateWiring(files={f"{HOME}/hooks/aurora.json": json.dumps(settings)})
