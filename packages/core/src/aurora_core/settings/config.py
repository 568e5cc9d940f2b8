"""Settings in layers, each value with its origin.

Flags override the environment (`AURORA_…`), which overrides the project's `.aurora/config.yaml`, the user's
`aurora/config.yaml` and the defaults. Settings of a project's file that can start a program or loosen a rule have no
effect until the user trusts the project.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from aurora_core.activation import ActivationPreset
from aurora_core.errors import ConfigError
from aurora_core.settings.dashboard_config import USER_ONLY, DashboardConfig, dashboard_config
from aurora_core.settings.routing_config import RoutingConfig, routing_config
from aurora_core.settings.user_folder import user_folder
from aurora_core.settings.variables import VARIABLES
from aurora_core.trust import Claim, Part, TrustStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_core.project import Project
    from aurora_core.settings.config_file import BackendFile, NotifyFile, PoolFile, RoutingFile
    from aurora_core.settings.dashboard_file import DashboardFile

__all__ = [
    "BackendConfig",
    "Config",
    "NotifyConfig",
    "PoolConfig",
    "load_config",
    "project_claims",
    "user_config_file",
]

DEFAULT: Final = "default"
DEFAULT_MAX_CONCURRENT: Final = 4
MAX_CONCURRENT: Final = 1000

_Flat = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendConfig:
    """An agent that the user configures: a known CLI, or any program that takes a prompt and answers on stdout.

    Attributes:
        kind: the name of a CLI, "command" for any other program, or "model" for a direct call; checked when
            agents are built.
        command: program and arguments; empty for the CLI found on PATH.
        timeout_s: time limit in seconds; None for the policies' limit.
        env: variables set for the agent.
        fallback: the fallback chain: agents that take over when it fails, in order.
        provider: the account whose rate limits it shares; None for the CLI's own, or that of agents of the same
            command.
        model: model of tasks that name none; None for the agent's default.
        args: additional arguments of a known CLI.
        permissive: a known CLI may use every tool without asking; None if that depends on the policy gate.
        isolated: a known CLI gets its own configuration and sessions for each task.
        prompt: how a command receives its prompt: stdin, file or argument.
        events: the CLI whose event format a command prints; "none" for plain text.
        conversation: how `aur interact` talks with a command: "one-shot", or "json-lines" or "acp" in one process.
        api: the API of a model.
        base_url: address of the API; None for the provider's own.
        key: name of the API key; None for a server without keys.
        env_pass: names, or patterns of names, of further variables that the agent gets from the user's environment.
        max_tokens: limit of a model's answer; None for the default.
        history_tokens: limit of the earlier turns that a model is sent in `aur interact`; None for the default.
        pool: in a run on a pool of workers: the pool for a command's tasks that name none.
        labels: in a run on a pool of workers: what a worker must have to run the agent.
    """

    kind: str
    command: tuple[str, ...]
    timeout_s: float | None
    env: Mapping[str, str]
    fallback: tuple[str, ...] = ()
    provider: str | None = None
    model: str | None = None
    args: tuple[str, ...] = ()
    permissive: bool | None = None
    isolated: bool = False
    prompt: str = "stdin"
    events: str = "none"
    conversation: str = "one-shot"
    api: str = "openai"
    base_url: str | None = None
    key: str | None = None
    max_tokens: int | None = None
    history_tokens: int | None = None
    env_pass: tuple[str, ...] = ()
    pool: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """A pool, as this side reaches it.

    Attributes:
        repository: the git repository through which the trees of workers travel; None for a host over ssh.
        ssh: the host, as ssh takes it; None for workers.
        port: its port; None leaves it to the user's configuration of ssh.
        folder: the folder of the project on the host; None for that in which a login begins.
        program: the `aur` of the host.
        concurrency: attempts of one run at the same time on the host.
        give_up_after: seconds without the host after which a run gives its attempts up; None waits without a limit.
    """

    repository: str | None = None
    ssh: str | None = None
    port: int | None = None
    folder: str | None = None
    program: str = "aur"
    concurrency: int = 1
    give_up_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyConfig:
    """A receiver of notifications outside of the terminal; it has one of command, url, bell and desktop.

    Attributes:
        on: the events that it wants.
        command: program and arguments; it gets a JSON document on stdin.
        url: an address for a POST, or `keys:NAME` for one that is a secret itself.
        body: template of what is sent to the address; None for the JSON document.
        headers: of the request; `keys:NAME` at the end of a value stands for a key.
        bell: the bell of the terminal.
        desktop: a notification of the desktop.
    """

    on: tuple[str, ...]
    command: tuple[str, ...] = ()
    url: str | None = None
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    bell: bool = False
    desktop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting with its effective value.

    Attributes:
        tool: the agent of tasks that name none; None for the first CLI found, otherwise the local agent.
        routing: agents among which their results here decide who does tasks that name none; None for `tool`.
        backends: the agents that the user configures, by name.
        max_concurrent: number of agents at once.
        recovery: recovery settings, unchecked: the spawner knows their fields.
        isolation: the place where tasks work: worktree, none, or auto for a worktree where that is possible.
        merge: the treatment of finished work: auto brings it to the branch, ask and never leave it for the user.
        conflicts: who resolves conflicts of finished work: leave, agent for the default one, or the name of one.
        agent_tools: agents whose CLIs take a server of tools (MCP) get ours: board, memory, questions, results.
        check: shell commands that must pass on the work of each task and on the merged work.
        check_rounds: how often failed checks of a task go back to its agent.
        review_rounds: how often a reviewer may send the work on a task back.
        check_timeout_s: time for all checks of one task's work.
        check_protect: patterns of files that checks rest on; a task that changes some is reported.
        notify: receivers of notifications outside of the terminal.
        exclude: patterns of files that are not indexed, as in `.gitignore`.
        activation: preset of activation in searches.
        semantic_model: folder of an embedding model; None for searches by words alone.
        env_pass: names, or patterns of names, of further variables that every agent gets from the user's environment.
        share_answers: True if this project's answers may be found from the user's other projects that share theirs.
        lessons: True if what mended work has shown is kept, and given to agents with like work.
        pools: the pools that the user has described, by name.
        dashboard: who gets into the dashboard; of the user's own file alone.
        keep_days: how long the journal keeps the content of runs that have ended; of the user's own file alone. None
            for as long as nobody cleans up.
        untrusted: settings of the project's file without effect, because the user does not trust them.
        origins: origins of values by dotted key; without keys at their defaults.
    """

    tool: str | None
    backends: Mapping[str, BackendConfig]
    max_concurrent: int
    exclude: tuple[str, ...]
    activation: ActivationPreset = ActivationPreset.DEFAULT
    semantic_model: str | None = None
    share_answers: bool = False
    lessons: bool = False
    isolation: str = "auto"
    merge: str = "ask"
    conflicts: str = "leave"
    agent_tools: bool = False
    check: tuple[str, ...] = ()
    check_rounds: int = 2
    review_rounds: int = 2
    check_timeout_s: float = 1800.0
    check_protect: tuple[str, ...] = ()
    notify: tuple[NotifyConfig, ...] = ()
    env_pass: tuple[str, ...] = ()
    pools: Mapping[str, PoolConfig] = field(default_factory=dict)
    dashboard: DashboardConfig = field(default_factory=DashboardConfig)
    keep_days: int | None = None
    routing: RoutingConfig | None = None
    untrusted: tuple[Claim, ...] = ()
    recovery: Mapping[str, object] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def origin(self, key: str) -> str:
        """Returns the origin of a key's value: a file, `environment AURORA_…`, `flag`, or `default`."""
        return self.origins.get(key, DEFAULT)


_KEYS: Final = (
    "tool",
    "routing",
    "backends",
    "env_pass",
    "isolation",
    "merge",
    "conflicts",
    "agent_tools",
    "check",
    "check_rounds",
    "review_rounds",
    "check_timeout_s",
    "check_protect",
    "notify",
    "pools",
    "spawner.max_concurrent",
    "spawner.recovery",
    "memory.exclude",
    "memory.activation",
    "memory.semantic_model",
    "memory.share_answers",
    "dashboard",
    "audit.keep_days",
    "memory.lessons",
)
_VARIABLES: Final = {each.setting: each.name for each in VARIABLES if each.setting}
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_SWITCHES: Final = frozenset({"memory.share_answers", "memory.lessons"})
_SWITCH: Final[Mapping[str, bool]] = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def load_config(
    project: Project | None, *, environ: Mapping[str, str], overrides: Mapping[str, object] = _NOTHING
) -> Config:
    """Returns every setting with its effective value.

    Args:
        environ: the environment; `AURORA_MEMORY_EXCLUDE` is a comma-separated list.
        overrides: values of flags, by dotted key.

    Raises:
        ConfigError: a file or variable has an invalid setting; names file, line and field.
        TrustStoreError: the user's trust records cannot be read.
    """
    values: _Flat = {}
    origins: dict[str, str] = {}
    user_file = user_config_file(environ)
    if user_file is not None:
        _layer(values, origins, _from_file(user_file), str(user_file))
    trusted, untrusted = _of_project(project, environ) if project else ({}, ())
    _layer(values, origins, trusted, str(project.config_file) if project else "")
    for key, value in _from_environment(environ).items():
        _layer(values, origins, {key: value}, f"environment {_VARIABLES[key]}")
    _layer(values, origins, _known(overrides), "flag")
    return _config(values, origins, untrusted)


def _of_project(project: Project, environ: Mapping[str, str]) -> tuple[_Flat, tuple[Claim, ...]]:
    """Returns the settings of a project's file that take effect, and the untrusted claims."""
    found = _of_others(project.config_file)
    if not found:
        return found, ()
    from aurora_core.settings.config_claims import config_claims, without_claims

    claims = config_claims(found)
    if TrustStore.of(environ).trusts(project, Part.CONFIG, claims):
        return found, ()
    return without_claims(found), claims


def _layer(values: _Flat, origins: dict[str, str], found: Mapping[str, object], origin: str) -> None:
    """Lays the values of one source over the existing ones; agents and pools are merged by name, receivers added.

    A nearer `tool` also replaces a `routing` of the layers below: both say who does tasks that name no agent.
    """
    if "tool" in found:
        values.pop("routing", None)
    for key, value in found.items():
        if key == "backends":
            assert isinstance(value, dict)
            values[key] = {**_backends(values), **value}
            origins.update({f"backends.{name}": origin for name in value})
        elif key == "pools":
            values[key] = {**_pools(values), **_pools(found)}
        elif key == "notify":  # a project adds receivers, and silences none of the user's
            values[key] = [*_receivers(values), *_receivers(found)]
        else:
            values[key] = value
        origins[key] = origin


def _backends(values: _Flat) -> dict[str, BackendFile]:
    found = values.get("backends", {})
    assert isinstance(found, dict)
    return found


def _pools(values: Mapping[str, object]) -> dict[str, PoolFile]:
    found = values.get("pools", {})
    assert isinstance(found, dict)
    return found


def _dashboard(values: Mapping[str, object]) -> DashboardFile | None:
    return cast("DashboardFile | None", values.get("dashboard"))


def _keep_days(values: Mapping[str, object]) -> int | None:
    found = values.get("audit.keep_days")
    assert found is None or isinstance(found, int)
    return found


def _receivers(values: Mapping[str, object]) -> list[NotifyFile]:
    found = values.get("notify", [])
    assert isinstance(found, list)
    return found


def user_config_file(environ: Mapping[str, str]) -> Path | None:
    """Returns the path of the user's own configuration; None without a home folder."""
    folder = user_folder(environ)
    return folder / "config.yaml" if folder else None


def _from_file(path: Path) -> _Flat:
    if not path.exists() and not path.is_symlink():
        return {}
    from aurora_core.settings.yaml_source import read_yaml

    source = read_yaml(path)
    if source is None or not source.value:
        return {}
    from aurora_core.settings.config_file import settings_in

    return settings_in(source)


def _of_others(path: Path) -> _Flat:
    """Returns the settings of a project's file, which somebody else may have written.

    Raises:
        ConfigError: it has a setting that is the user's alone.
    """
    found = _from_file(path)
    section = next((each.partition(".")[0] for each in found if each.partition(".")[0] in USER_ONLY), None)
    if section is None:
        return found
    from aurora_core.settings.yaml_source import read_yaml

    source = read_yaml(path)
    line = None if source is None else source.line_of((section,))
    reason = "belongs in your own configuration (`aur config set --user`), as a project must not decide this"
    raise ConfigError(path, line, section, reason)


def _from_environment(environ: Mapping[str, str]) -> _Flat:
    found: _Flat = {}
    for key, variable in _VARIABLES.items():
        text = environ.get(variable, "")
        if text:
            found[key] = _from_text(key, variable, text)
    return found


def _from_text(key: str, variable: str, text: str) -> object:
    if key == "memory.exclude":
        return [pattern.strip() for pattern in text.split(",") if pattern.strip()]
    if key in _SWITCHES:
        if text.lower() not in _SWITCH:
            raise ConfigError(variable, None, key, f"{text!r} is neither true nor false")
        return _SWITCH[text.lower()]
    if key == "memory.activation" and text not in list(ActivationPreset):
        raise ConfigError(variable, None, key, f"{text!r} is not one of {', '.join(ActivationPreset)}")
    if key != "spawner.max_concurrent":
        return text
    if not text.isdecimal() or not 1 <= int(text) <= MAX_CONCURRENT:
        raise ConfigError(variable, None, key, f"{text!r} is not a whole number from 1 to {MAX_CONCURRENT}")
    return int(text)


def _known(overrides: Mapping[str, object]) -> Mapping[str, object]:
    for key in overrides:
        if key not in _KEYS:
            from aurora_core.settings.config_file import suggestion

            raise ConfigError("flag", None, key, f"is not a setting{suggestion(key, ())}")
    return overrides


def project_claims(project: Project) -> tuple[Claim, ...]:
    """Returns the claims of a project's settings, trusted or not.

    Raises:
        ConfigError: the file has an invalid setting.
    """
    found = _of_others(project.config_file)
    if not found:
        return ()
    from aurora_core.settings.config_claims import config_claims

    return config_claims(found)


def _config(values: _Flat, origins: dict[str, str], untrusted: tuple[Claim, ...]) -> Config:
    limit = values.get("spawner.max_concurrent", DEFAULT_MAX_CONCURRENT)
    exclude = values.get("memory.exclude", ())
    tool = values.get("tool")
    assert isinstance(limit, int)
    passed = values.get("env_pass", ())
    assert isinstance(exclude, (list, tuple))
    assert isinstance(passed, (list, tuple))
    checks, protect = values.get("check", ()), values.get("check_protect", ())
    assert isinstance(checks, (list, tuple))
    assert isinstance(protect, (list, tuple))
    rounds, review_rounds = values.get("check_rounds", 2), values.get("review_rounds", 2)
    assert isinstance(rounds, int)
    assert isinstance(review_rounds, int)
    check_timeout_s = values.get("check_timeout_s", 1800.0)
    assert isinstance(check_timeout_s, (int, float))
    recovery = values.get("spawner.recovery", {})
    assert isinstance(recovery, dict)
    model = values.get("memory.semantic_model")
    return Config(
        tool=None if tool is None else str(tool),
        routing=routing_config(cast("RoutingFile | None", values.get("routing"))),
        backends={
            name: BackendConfig(
                kind=b.kind,
                command=tuple(b.command or ()),
                timeout_s=b.timeout_s,
                env=b.env,
                fallback=tuple(b.fallback),
                provider=b.provider,
                model=b.model,
                args=tuple(b.args),
                permissive=b.permissive,
                isolated=b.isolated,
                prompt=b.prompt,
                events=b.events,
                conversation=b.conversation,
                api=b.api,
                base_url=b.base_url,
                key=b.key,
                max_tokens=b.max_tokens,
                history_tokens=b.history_tokens,
                env_pass=tuple(b.env_pass),
                pool=b.pool,
                labels=tuple(b.labels),
            )
            for name, b in _backends(values).items()
        },
        max_concurrent=limit,
        exclude=tuple(exclude),
        activation=ActivationPreset(str(values.get("memory.activation", ActivationPreset.DEFAULT))),
        semantic_model=None if model is None else str(model),
        share_answers=bool(values.get("memory.share_answers", False)),
        lessons=bool(values.get("memory.lessons", False)),
        isolation=str(values.get("isolation", "auto")),
        merge=str(values.get("merge", "ask")),
        conflicts=str(values.get("conflicts", "leave")),
        agent_tools=bool(values.get("agent_tools", False)),
        check=tuple(checks),
        check_rounds=rounds,
        review_rounds=review_rounds,
        check_timeout_s=float(check_timeout_s),
        check_protect=tuple(protect),
        notify=tuple(
            NotifyConfig(
                on=tuple(each.on),
                command=tuple(each.command or ()),
                url=each.url,
                body=each.body,
                headers=each.headers,
                bell=each.bell,
                desktop=each.desktop,
            )
            for each in _receivers(values)
        ),
        env_pass=tuple(passed),
        pools={name: PoolConfig(**each.model_dump()) for name, each in _pools(values).items()},
        dashboard=dashboard_config(_dashboard(values)),
        keep_days=_keep_days(values),
        untrusted=untrusted,
        recovery=recovery,
        origins=origins,
    )
