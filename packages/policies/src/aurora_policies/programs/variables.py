"""Variables that make other programs run or load something."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Effect, Rule
from aurora_policies.schema import Action
from aurora_policies.shell.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aurora_policies.places import Places

__all__ = ["unset_effects", "variable_effects"]

_LOADS: Final = frozenset(
    {
        *(
            "LD_PRELOAD",
            "LD_AUDIT",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "ENV",
            "PROMPT_COMMAND",
            "PYTHONSTARTUP",
            "PERL5OPT",
        ),
        *(
            "PERL5DB",
            "RUBYOPT",
            "JAVA_TOOL_OPTIONS",
            "_JAVA_OPTIONS",
            "GIT_EXTERNAL_DIFF",
            "GIT_PROXY_COMMAND",
            "GIT_ASKPASS",
        ),
        *(
            "SSH_ASKPASS",
            "SUDO_ASKPASS",
            "GIT_EXEC_PATH",
            "GIT_TEMPLATE_DIR",
            "LESSOPEN",
            "LESSCLOSE",
            "GIT_CONFIG_GLOBAL",
        ),
        *(
            "GIT_CONFIG_SYSTEM",
            "GIT_CONFIG_COUNT",
            "GIT_CONFIG_PARAMETERS",
            "PYTHONBREAKPOINT",
            "PS4",
            "BASH_FUNC",
            "GCONV_PATH",
        ),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONINSPECT", "PS0"),
    }
)
_COMMANDS: Final = frozenset(
    {
        "GIT_SSH_COMMAND",
        "GIT_SSH",
        "GIT_EDITOR",
        "GIT_SEQUENCE_EDITOR",
        "EDITOR",
        "VISUAL",
        "PAGER",
        "GIT_PAGER",
        "MANPAGER",
        "BROWSER",
        "RSYNC_RSH",
        "CVS_RSH",
    }
)
_CONTROL: Final = re.compile(
    r"AURORA_.+|CLAUDE_CONFIG_DIR|CODEX_HOME|GEMINI_CONFIG_DIR|GEMINI_SANDBOX|QWEN_SANDBOX"
    r"|SEATBELT_PROFILE|CLAUDE_CODE_(DISABLE|SKIP|SIMPLE|BUBBLEWRAP|SANDBOX)\w*"
    r"|OPENCODE_(PURE|CONFIG\w*|DISABLE_\w+)|KIRO_HOME|PI_CODING_AGENT_DIR|COPILOT_HOME|QWEN_HOME|IS_SANDBOX|CODEX_SANDBOX\w*|CODEX_UNSAFE\w*|\w*_SANDBOX_(DISABLED|OFF)|DISABLE_SANDBOX|DANGEROUSLY_\w+|OPENCODE_PERMISSION"
)
_HARMLESS_COMMAND: Final = re.compile(
    r"|true|:|cat|less( -\w+)*|more|vim?|nvim|nano|emacs|code( --wait| -w)*"
    r"|ssh(\.exe)?( -(i|F|p) [\w./~-]+| -[46qTvx]+| -o ?\w+=(yes|no|accept-new|\d+))*"
)
_NOT_COMMAND_OPTION: Final = re.compile(r"ProxyCommand|LocalCommand|KnownHostsCommand", re.IGNORECASE)
_NODE_LOADS: Final = re.compile(rf"--(require|import|loader|experimental-loader)|-r\b|{UNKNOWN}")
_TAR_ACTS: Final = re.compile(
    rf"command|action|script|program|--(c|r|u|ap|del|ex|g|rem|file|rmt|rsh)|(^|\s)-\w*[crxuAfFI]|{UNKNOWN}"
)
"""Options that give tar another task, another archive or a command; others only say how it works."""
_OPTIONS: Final = {"NODE_OPTIONS": _NODE_LOADS, "TAR_OPTIONS": _TAR_ACTS}
"""Variables of options for a program, and the options that make it load, run or do something else."""
_SYSTEM_PATH: Final = frozenset({UNKNOWN, "/usr/bin", "/bin"})
_TOOLS: Final = re.compile(
    r"(.*/)?(node_modules/\.bin|\.?venv/bin|\.local/bin|bin|sbin|shims|Scripts|go/bin|games)/?|\$PATH|"
)


def variable_effects(
    name: str, value: str, *, places: Places, isolated: bool, path: Callable[[str], str | None]
) -> Iterator[Effect]:
    """Yields the effects of a variable whose value makes other programs run or load something.

    Args:
        path: returns the absolute path of a text, or None if the current folder is not known.
    """
    shown = f"{value.replace(UNKNOWN, '…')!r:.60}"
    if name in _LOADS:
        if value and not _only_libraries(name, value):
            yield _injection(f"makes other programs load {shown} by {name}")
    elif name in _COMMANDS:
        if not _HARMLESS_COMMAND.fullmatch(value) or _NOT_COMMAND_OPTION.search(value):
            yield _injection(f"makes other programs run {shown} by {name}")
    elif name == "PATH":
        yield from _path_effects(value, places, path)
    elif name in _OPTIONS and _OPTIONS[name].search(value):
        yield _injection(f"gives each call the options {shown} by {name}")
    elif _CONTROL.fullmatch(name):
        yield Effect(
            rule=Rule.SELF_PROTECTION,
            reason=f"sets {name}, which controls agents",
            instead="Leave the settings of agents as they are.",
            action=Action.PROMPT,
        )
    elif name in {"GIT_DIR", "GIT_WORK_TREE"} and isolated and not places.inside(path(value) or ""):
        yield Effect(
            rule=Rule.WORKTREE_ESCAPE,
            reason=f"uses another repository by {name}",
            instead="Work in the worktree of this task.",
            action=Action.PROMPT,
        )
    if "[$(" in value or "[`" in value:
        yield Effect(
            rule=Rule.UNDECIDABLE,
            reason=f"{name} holds a command that an arithmetic would run",
            instead="Write the command out.",
            action=Action.PROMPT,
        )


def unset_effects(name: str) -> Iterator[Effect]:
    """Yields the effects of a variable that is taken away: an agent must not hide that it is one."""
    if _CONTROL.fullmatch(name):
        yield Effect(
            rule=Rule.SELF_PROTECTION,
            reason=f"takes {name} away, which controls agents",
            instead="Leave the settings of agents as they are.",
            action=Action.PROMPT,
        )


def _injection(reason: str) -> Effect:
    return Effect(
        rule=Rule.CODE_INJECTION,
        reason=reason,
        instead="Run the program without this variable, or ask the user.",
        action=Action.PROMPT,
    )


def _only_libraries(name: str, value: str) -> bool:
    """Folders of libraries are common, unless anybody can write there."""
    return name.endswith("LIBRARY_PATH") and not re.search(r"(^|:)(/tmp|/var/tmp|/dev/shm|\.|:|$)", value)


def _path_effects(value: str, places: Places, path: Callable[[str], str | None]) -> Iterator[Effect]:
    """Folders of programs are common in PATH; other folders before the system's may replace any program."""
    folders = value.split(":")
    for folder in folders:
        if folder in _SYSTEM_PATH:
            return  # what stands behind is found only if no other folder has it
        temporary = places.temporary(f"{path(folder) or folder}/x")
        if temporary or folder in {"", "."} or not _TOOLS.fullmatch(folder.replace(UNKNOWN, "")):
            shown = folder.replace(UNKNOWN, "…") or "."
            yield _injection(f"lets programs in {shown} replace others by PATH")
            return
    yield _injection("replaces PATH, so that other programs are found")
