"""The environment of an agent: the variables that programs and this agent need, and no others of the user's."""

from __future__ import annotations

import fnmatch
import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOKEN_VARIABLE: Final = "AURORA_ATTEMPT"  # noqa: S105
"""The variable that all processes of an attempt carry, by which orphans are found."""

INBOX_VARIABLE: Final = "AURORA_INBOX"
"""The variable with the socket at which an agent's processes ask a person."""

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
"""Variables of a surrounding agent, git hook or terminal session; an agent that sees them takes itself for nested."""

COMMON: Final = (
    # User, folders, locale and terminal.
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "HOSTNAME", "LANG", "LANGUAGE", "LC_*", "TZ", "XDG_*"),
    *("TMPDIR", "TMP", "TEMP", "EDITOR", "VISUAL", "PAGER", "GPG_TTY", "DISPLAY", "WAYLAND_DISPLAY"),
    *("TERM", "TERMINFO", "TERMINFO_DIRS", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "COLORTERM", "COLUMNS", "LINES"),
    *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "WSL_DISTRO_NAME", "WSL_INTEROP"),
    # Network access.
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
    *("NODE_USE_SYSTEM_CA", "NIX_SSL_CERT_FILE", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
    # git, without credentials.
    *("GIT_AUTHOR_*", "GIT_COMMITTER_*", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
    *("GIT_TERMINAL_PROMPT", "GIT_CEILING_DIRECTORIES", "GIT_PAGER"),
    # Continuous integration.
    *("CI", "CONTINUOUS_INTEGRATION", "GITHUB_ACTIONS", "GITLAB_CI", "RUNNER_TEMP", "RUNNER_TOOL_CACHE"),
    # Languages and their builds.
    *("PYTHON*", "PYENV_*", "VIRTUAL_ENV", "CONDA_*", "MAMBA_*", "PIPX_*", "UV_*", "PDM_*", "PYTEST_ADDOPTS"),
    *("PIP_CACHE_DIR", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_REQUIRE_VIRTUALENV"),
    *("POETRY_HOME", "POETRY_CACHE_DIR", "POETRY_VIRTUALENVS_*", "DJANGO_SETTINGS_MODULE"),
    *("NVM_*", "FNM_*", "VOLTA_HOME", "N_PREFIX", "NODE_ENV", "NODE_OPTIONS", "NODE_PATH", "PNPM_HOME", "COREPACK_*"),
    *("npm_config_cache", "npm_config_prefix", "npm_config_registry", "NPM_CONFIG_CACHE", "NPM_CONFIG_PREFIX"),
    *("NPM_CONFIG_REGISTRY", "BUN_INSTALL", "DENO_DIR", "DENO_INSTALL", "YARN_CACHE_FOLDER"),
    *("JAVA_HOME", "JDK_HOME", "JRE_HOME", "JAVA_OPTS", "JAVA_TOOL_OPTIONS", "MAVEN_HOME", "MAVEN_OPTS", "M2_HOME"),
    *("GRADLE_HOME", "GRADLE_USER_HOME", "GRADLE_OPTS", "SDKMAN_*", "KOTLIN_HOME", "SCALA_HOME", "SBT_OPTS"),
    *("ANDROID_HOME", "ANDROID_SDK_ROOT", "ANDROID_NDK_HOME", "FLUTTER_ROOT", "DEVELOPER_DIR", "SDKROOT"),
    *("GOPATH", "GOROOT", "GOBIN", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOPRIVATE", "GONOSUMDB", "GOOS"),
    *("GONOSUMCHECK", "GOARCH", "GOTOOLCHAIN", "GOWORK", "GO111MODULE", "CGO_*"),
    *(
        "CARGO_*",
        "RUSTUP_*",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC_WRAPPER",
        "RUST_BACKTRACE",
        "RUST_LOG",
        "SCCACHE_DIR",
    ),
    *("RBENV_*", "GEM_HOME", "GEM_PATH", "BUNDLE_PATH", "BUNDLE_GEMFILE", "BUNDLE_WITHOUT", "RAILS_ENV", "RACK_ENV"),
    *("COMPOSER_HOME", "COMPOSER_CACHE_DIR", "PHP_INI_SCAN_DIR", "DOTNET_*", "NUGET_PACKAGES", "MIX_ENV", "HEX_HOME"),
    *("CC", "CXX", "CPP", "AR", "LD", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MAKEFLAGS", "CMAKE_*"),
    *("LD_LIBRARY_PATH", "DYLD_*", "LIBRARY_PATH", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH"),
    *("PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "CCACHE_*", "MANPATH", "INFOPATH", "ACLOCAL_PATH"),
    *(
        "ASDF_*",
        "MISE_*",
        "HOMEBREW_*",
        "NIX_PATH",
        "NIX_PROFILES",
        "NIX_REMOTE",
        "IN_NIX_SHELL",
        "LOCALE_ARCHIVE",
        "GUIX_PROFILE",
        "BAZELISK_*",
    ),
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_BUILDKIT", "TESTCONTAINERS_*"),
    *("PLAYWRIGHT_*", "PUPPETEER_*", "CHROME_BIN", "CYPRESS_CACHE_FOLDER"),
    *("CUDA_*", "HF_HOME", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    # For an `aur` that an agent calls.
    "AURORA_*",
)
"""Variables that programs and builds need."""

WITHHELD: Final = ("AURORA_TRUST", "AURORA_MODEL_KEY", "AURORA_DATABASE_URL", "AURORA_WORKER_TOKEN")
"""Our own variables that agents do not get: only the user decides what is trusted, and who may fill a queue."""

SECRETS: Final = (
    "*TOKEN*",
    "*SECRET*",
    "*PASSW*",
    "*PASSPHRASE*",
    "*CREDENTIAL*",
    "*_KEY",
    "*_KEYS",
    "*_PAT",
    "*_AUTH",
)
"""Patterns of secrets' names; they withhold names of `COMMON` too, such as CARGO_REGISTRY_TOKEN."""

UNATTENDED: Final = {"GIT_EDITOR": ":", "GIT_SEQUENCE_EDITOR": ":"}
"""Variables in place of the user's editors, which would wait for ever without a terminal."""

_PASSWORD: Final = re.compile(r"://[^/\s@]*:[^/\s@]+@|(?i:passw(?:or)?d|token|secret)\w*[=:]\S")
"""A password in an address, or among options such as those of Maven and Gradle."""
_PROXIES: Final = ("*_proxy", "*_PROXY")


def inside_agent(environ: Mapping[str, str]) -> bool:
    """Returns True in a process that an agent of ours has started, as far as its environment tells."""
    return TOKEN_VARIABLE in environ


def attempt_variables(*, token: str, run_id: str, task_id: str, number: int) -> dict[str, str]:
    """Returns the variables by which the processes of an attempt are found, and know what they belong to."""
    return {
        TOKEN_VARIABLE: token,
        "AURORA_RUN_ID": run_id,
        "AURORA_TASK_ID": task_id,
        "AURORA_ATTEMPT_NUMBER": str(number),
    }


def agent_environment(
    inherited: Mapping[str, str], *, keep: Iterable[str] = (), own: Iterable[str] = ()
) -> dict[str, str]:
    """Returns the variables that an agent inherits: by an allow-list, because no list can name all secrets.

    Args:
        keep: Names or patterns of further variables that the user passes on, secrets included.
        own: Patterns of the variables of this agent and its model's provider, keys included.
    """
    kept, owned = tuple(keep), tuple(own)
    return {name: value for name, value in inherited.items() if _passes(name, value, kept, owned)}


def unattended_environment(
    inherited: Mapping[str, str], *, keep: Iterable[str] = (), own: Iterable[str] = ()
) -> dict[str, str]:
    """Returns what `agent_environment` does, for a process in which nobody can use an editor."""
    return {**UNATTENDED, **agent_environment(inherited, keep=keep, own=own)}


def _passes(name: str, value: str, kept: tuple[str, ...], owned: tuple[str, ...]) -> bool:
    if _matches(name, kept):
        return True
    if _matches(name, NESTED_SESSION) or name in WITHHELD:
        return False
    if _matches(name, owned):
        return True
    if not _matches(name, COMMON) or _matches(name.upper(), SECRETS):
        return False
    return _matches(name, _PROXIES) or not _PASSWORD.search(value)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return bool(patterns) and _any_of(patterns).match(name) is not None


@cache
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Returns all patterns as one expression: compiling each separately takes 10 ms of every run."""
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))
