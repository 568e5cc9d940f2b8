"""Classes of paths: in the workspace, of the system, a home, temporary, secret, or in control of agents."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Patterns", "Places", "is_secret"]

_SYSTEM: Final = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/proc", "/run", "/sbin"),
    *("/snap", "/sys", "/usr", "/var", "/System", "/Library", "/Applications", "/private/etc", "/private/var"),
    *("/Volumes", "/nix", "/c/windows", "/mnt/c/windows"),
)
_WRITABLE_DEVICES: Final = re.compile(
    r"/dev/(null|zero|full|tty|stdin|stdout|stderr|random|urandom|fd(/.*)?|shm/.+|tcp/.*|udp/.*)"
)
_ROOTS: Final = frozenset(
    {"/", "/home", "/Users", "/root", "/tmp", "/mnt", "/media", "/srv", "/var/tmp", "/private", "/c", "/mnt/c"}  # noqa: S108
)
_TEMPORARY: Final = re.compile(r"(/private)?/(tmp|var/tmp|var/folders|dev/shm)/.")
_HOMES: Final = re.compile(r"/(home|Users)/[^/]+|/root|/c/Users/[^/]+|/mnt/c/Users/[^/]+", re.IGNORECASE)
_CONTROL_AT_HOME: Final = re.compile(
    r"\.(aurora|claude/(settings[^/]*|hooks|plugins|agents|commands|skills|CLAUDE\.md)|claude\.json|codex|gemini|qwen|copilot|cursor"
    r"|config/(aurora|opencode|copilot|goose|amp|git|fish|autostart|systemd)|opencode|cline|aider[^/]*"
    r"|bashrc|bash_profile|bash_login|bash_logout|bash_aliases|profile|zshrc|zshenv|zprofile|zlogin|zlogout|inputrc"
    r"|xinitrc|xprofile|kshrc|cshrc|tcshrc|login|gitconfig|git-credentials|ssh|gnupg|pam_environment|pypirc|netrc)(/.*)?"
    r"|Library/(LaunchAgents|LaunchDaemons)(/.*)?"
)
_WORKTREES: Final = re.compile(r"\.aurora/worktrees/|\.config/aurora/workers/[^/]+/trees/worktrees/")
"""Folders of worktrees at home, also of a worker's: the files of a task's own worktree there are its work."""
_CONTROL_ANYWHERE: Final = re.compile(
    r"(^|.*/)(\.aurora|\.claude/(settings[^/]*|hooks)|\.codex|\.gemini/settings[^/]*|\.qwen/settings[^/]*"
    r"|\.git/(hooks|config|info/attributes)|\.githooks|\.husky|\.mcp\.json|\.vscode/(settings|tasks)\.json|\.envrc)(/.*)?"
)
_CONTROL_OF_SYSTEM: Final = re.compile(
    r"/etc/(cron[^/]*|crontab|profile|profile\.d|bash\.bashrc|bashrc|zsh[^/]*|sudoers|sudoers\.d|ld\.so\.preload|claude-code"
    r"|codex|gitconfig|passwd|shadow|pam\.d|systemd)(/.*)?|/var/spool/cron(/.*)?"
)
_SECRET: Final = re.compile(
    r"(^|.*/)(\.env(\.(?!example$|sample$|template$|dist$)[^/]+)?|[^/]+\.(pem|key|p12|pfx|keystore|jks|kdbx)|id_(rsa|dsa|ecdsa|ed25519)[^/.]*"
    r"|\.netrc|\.pgpass|\.npmrc|\.pypirc|\.git-credentials|\.aws/credentials|\.ssh/(?!known_hosts|config$|[^/]*\.pub$)[^/]*|\.gnupg(/.*)?|\.ssh|\.aws"
    r"|\.docker/config\.json|\.kube/config|\.config/gh/hosts\.yml|\.config/gcloud/.*|\.claude/\.credentials\.json|\.codex/auth\.json"
    r"|\.vault-token|etc/shadow|secrets?\.(ya?ml|json|toml|env|txt)|credentials(\.json)?|service-account[^/]*\.json|proc/[^/]+/environ)"
)


def is_secret(path: str) -> bool:
    """Tells whether a path is one of those that hold keys and passwords."""
    return _SECRET.fullmatch(path.rstrip("*?")) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The places that a path is compared with.

    Attributes:
        workspace: absolute path of the folder that the agent works in.
        home: absolute path of the user's home.
        controls: absolute paths of further files and folders that keep agents under control.
    """

    workspace: str
    home: str
    controls: tuple[str, ...] = ()

    def inside(self, path: str) -> bool:
        """The path is in the workspace, and not the workspace itself."""
        return self.workspace != "/" and path.startswith(self.workspace.rstrip("/") + "/")

    def temporary(self, path: str) -> bool:
        """The path is in a folder of temporary files."""
        return _TEMPORARY.match(path) is not None

    def vital(self, path: str) -> bool:
        """The path is the root, a home, or in a folder of the system, and not in the workspace."""
        path = path.rstrip("/") or "/"
        if self.inside(path):
            return False
        if path in _ROOTS or path in {self.home, posixpath.dirname(self.home)} or _HOMES.fullmatch(path):
            return True
        return self.of_system(path)

    def of_system(self, path: str) -> bool:
        """The path is in a folder of the system."""
        if self.inside(path) or self.temporary(path) or _WRITABLE_DEVICES.fullmatch(path):
            return False
        return any(path == each or path.startswith(each + "/") for each in _SYSTEM)

    def controls_agents(self, path: str) -> bool:
        """The path is one that keeps agents under control, or runs commands later: settings, hooks, start files."""
        path = path.rstrip("/")
        home = self.home.rstrip("/") + "/"
        own = (
            self.inside(path)
            and self.workspace.startswith(home)
            and _WORKTREES.match(self.workspace[len(home) :]) is not None
        )
        if path.startswith(home) and not own and _CONTROL_AT_HOME.fullmatch(path[len(home) :]):
            return True
        if _CONTROL_ANYWHERE.fullmatch(self.relative(path)) or _CONTROL_OF_SYSTEM.fullmatch(path):
            return True
        return any(map(partial(self._holds, path), self.controls))

    def _holds(self, path: str, control: str) -> bool:
        """The path is a control, in one, or a folder above one; folders above the work or the home are no reason."""
        if path == control:
            return True
        outer, inner = sorted((path, control), key=len)
        return inner.startswith(f"{outer}/") and not any(
            f"{each}/".startswith(f"{outer}/") for each in (self.workspace, self.home)
        )

    def relative(self, path: str) -> str:
        """Returns the path from the workspace, or the absolute one outside of it."""
        return path[len(self.workspace.rstrip("/")) + 1 :] if self.inside(path) else path


class Patterns:
    """Patterns as in `.gitignore`; upper and lower case are the same, since they are so on some disks."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._rules = tuple((not each.startswith("!"), *_compiled(each.removeprefix("!"))) for each in patterns)

    def match(self, path: str) -> bool:
        """Tells whether a path, from the workspace or absolute, or a folder above it fits."""
        path = path.rstrip("/").lower()
        parents = path.split("/")
        found = False
        for adds, regex, anchored, _example in self._rules:
            if anchored:
                hit = any(regex.fullmatch("/".join(parents[: end + 1])) for end in range(len(parents)))
            else:
                hit = any(regex.fullmatch(part) for part in parents)
            found = adds if hit else found
        return found

    def may_match(self, wildcard: str) -> bool:
        """Tells whether a path with wildcards may stand for one that fits."""
        name = posixpath.basename(wildcard.rstrip("/")).lower()
        if not name.strip("*"):
            return False
        return any(adds and fnmatch.fnmatchcase(example, name) for adds, _regex, _anchored, example in self._rules)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> tuple[re.Pattern[str], bool, str]:
    """Returns a pattern as an expression, whether it is bound to the workspace, and a name that fits."""
    bare = pattern.rstrip("/").removeprefix("./").lower()
    anchored = "/" in bare
    bare = bare.lstrip("/")
    out = ""
    at = 0
    while at < len(bare):
        piece = next((each for each in ("**/", "/**", "**") if bare.startswith(each, at)), bare[at])
        out += {"**/": "(.*/)?", "/**": "(/.*)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))
        at += len(piece)
    if "[" in bare:
        out = fnmatch.translate(bare)
    example = posixpath.basename(bare).replace("*", "x").replace("?", "x")
    return re.compile(out, re.DOTALL), anchored, example
