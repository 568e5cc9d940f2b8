"""The backend of the known agent CLIs, with the user's settings."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.backends.base import AttemptRequest, Invocation, Reply
from aurora_spawner.backends.command import find_program
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.profiles import (
    INSTRUCTIONS,
    NEW_SESSION,
    PROFILES,
    PROMPT_FILE,
    SESSION,
    Profile,
    maker_env,
)
from aurora_spawner.backends.reply_builder import digest_of
from aurora_spawner.backends.tool_servers import ToolServer
from aurora_spawner.errors import BackendError
from aurora_spawner.gates.wirings import HOME, GateWiring
from aurora_spawner.supervision.programs import find_on_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.gates.hook_command import HookCommand
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.tasks.usage_windows import UsageWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class CliBackend:
    """A CLI of `PROFILES`.

    Raises:
        BackendError: The kind is unknown.
    """

    name: str
    kind: str
    command: tuple[str, ...] = ()
    """The command that replaces the program found on PATH."""
    model: str | None = None
    """The model for tasks that name none; None leaves the choice to the CLI."""
    args: tuple[str, ...] = ()
    """Further arguments, after ours."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables that override ours."""
    permissive: bool | None = None
    """True lets it use every tool without asking, False keeps it in its own safe mode; None lets it where each tool
    call is judged before it happens."""
    isolated: bool = False
    """True gives each task separate configuration and sessions, without the user's instructions and logins."""
    timeout_s: float | None = None
    named_provider: str | None = None
    keep_env: tuple[str, ...] = ()
    """Names or patterns of further variables that it inherits from the user's environment."""
    tools: tuple[str, ...] = ()
    """The command of a server of tools (MCP) that each attempt gets, if the CLI takes one; empty for none."""
    pool: str | None = None
    """In a run on a pool of workers: the pool for tasks that name none."""
    labels: tuple[str, ...] = ()
    """In a run on a pool of workers: labels that a worker must have, beside those of the task."""

    def __post_init__(self) -> None:
        if self.kind not in PROFILES:
            raise BackendError(self.name, f"unknown kind {self.kind}; known kinds: {', '.join(PROFILES)}")

    @property
    def profile(self) -> Profile:
        """The profile of its kind."""
        return PROFILES[self.kind]

    @property
    def program(self) -> str:
        """The program that it starts: a name, or a path."""
        return self.command[0] if self.command else self.profile.program

    @property
    def dialect(self) -> Dialect:
        """The dialect of its stdout."""
        return DIALECTS[self.kind]

    @property
    def cost_flag(self) -> tuple[str, ...]:
        """The option for an attempt's cost limit in US dollars; empty if the CLI has none."""
        return self.profile.cost_limit

    @property
    def resumes(self) -> bool:
        """True if it can resume a session."""
        return self.profile.resumed is not None

    @property
    def gate_problem(self) -> str:
        """The reason why its tool calls cannot be judged before they happen; "" if they can."""
        profile = self.profile
        if profile.gate is None:
            return "Aurora has no hook for it"
        if profile.gate_needs_isolation and not self.isolated:
            return "its hooks need a configuration of its own (`isolated: true`)"
        given = (*self.command[1:], *(word.partition("=")[0] for word in self.args), *self.env)
        off = next((word for word in given if word in profile.gate_offs), None)
        return f"its {off} would turn hooks off" if off else ""

    @property
    def provider(self) -> str:
        """The provider whose rate limits apply."""
        if self.named_provider:
            return self.named_provider
        maker, slash, _rest = (self.model or "").partition("/")
        return maker if slash and self.profile.provider_in_model else self.profile.provider

    def invoke(self, task: SpawnTask) -> Invocation:
        """Returns the invocation without the paths of an attempt."""
        here = Path()
        return self.request(AttemptRequest(task=task, folder=here, prompt_file=here / "prompt", home=here / "home"))

    def request(self, request: AttemptRequest) -> Invocation:
        """Returns the invocation for an attempt."""
        profile = self.profile
        find_program(self.name, self.program, self.env, advice=f"install {profile.package}, set `command:`")
        instructions = (request.task.instructions or "").strip() if profile.instructed else ""
        places = {
            HOME: str(request.home),
            PROMPT_FILE: str(request.prompt_file),
            INSTRUCTIONS: str(request.folder / "instructions.md"),
            SESSION: request.resume or "",
            NEW_SESSION: request.new_session,
        }
        gate, tools = self._gate(request.hook), self._tools(request)
        permissive = self._permissive(request.hook)
        names_session = NEW_SESSION in profile.fresh and not request.resume
        files = {**profile.files, **(profile.isolated_files if self.isolated else {})}
        if instructions:
            files[INSTRUCTIONS] = f"{instructions}\n"
        files |= {**_joined(files, gate), **gate.files}
        arguments = self._arguments(request, (*tools.arguments, *gate.arguments), permissive=permissive)
        return Invocation(
            command=(self.program, *self.command[1:], *(_filled(word, places) for word in arguments)),
            env={
                name: _filled(value, places) for name, value in self._variables(gate, permissive=permissive).items()
            },
            own_env=self.own_env(request.task.model),
            keep_env=self.keep_env,
            files={Path(_filled(path, places)): content for path, content in files.items()},
            instructed=bool(instructions),
            session_id=request.new_session if names_session else None,
            writes=(request.home, *(() if self.isolated else self._state())),
            prompt_last=profile.prompt_last,
            prompt_on_stdin=not profile.prompt_last and not any(PROMPT_FILE in word for word in arguments),
        )

    def opened(self, request: AttemptRequest) -> Invocation:
        """Returns the invocation that opens a session in a terminal, for the user.

        It has the CLI's own default mode, in which it asks the user, and the hook of the request.

        Raises:
            BackendError: It cannot open a session, or its program cannot be found.
        """
        profile = self.profile
        if profile.interactive is None:
            raise BackendError(self.name, f"{self.kind} cannot open a session in a terminal")
        find_program(self.name, self.program, self.env, advice=f"install {profile.package}, set `command:`")
        places = {HOME: str(request.home), SESSION: request.resume or ""}
        gate, model = self._gate(request.hook), request.task.model or self.model
        files = {**profile.files, **(profile.isolated_files if self.isolated else {})}
        files |= {**_joined(files, gate), **gate.files}
        isolated = profile.isolated_env if self.isolated else {}
        arguments = (
            *(profile.isolated if self.isolated else ()),
            *((*profile.model, model) if model else ()),
            *(profile.interactive_asks if self._permissive(request.hook) else ()),
            *(profile.interactive_gated if request.hook and not self.gate_problem else ()),
            *_taken(self.args, profile.interactive_takes),
            *gate.arguments,
            *profile.interactive,
        )
        return Invocation(
            command=(self.program, *self.command[1:], *(_filled(word, places) for word in arguments)),
            env={
                name: _filled(value, places)
                for name, value in {
                    **profile.env,
                    **profile.interactive_env,
                    **isolated,
                    **self.env,
                    **gate.env,
                }.items()
            },
            own_env=self.own_env(request.task.model),
            keep_env=self.keep_env,
            files={Path(_filled(path, places)): content for path, content in files.items()},
        )

    def _state(self) -> Iterator[Path]:
        """Yields the places of the user's that it changes as it works."""
        for each in self.profile.state:
            named, _, usual = each.rpartition("|")
            variable, _, rest = named.removeprefix("$").partition("/")
            folder = self.env.get(variable) or os.environ.get(variable) if variable else None
            yield Path(folder) / rest if folder else Path.home() / usual

    def windows_of(self, home: Path, session_id: str) -> tuple[UsageWindow, ...]:
        """Returns the usage windows of its account, as an ended session has recorded them.

        Args:
            home: The folder of the task's separate configuration, if the agent is isolated.
        """
        profile = self.profile
        if profile.windows is None:
            return ()
        variable, usual = profile.own_home
        named = self.env.get(variable) or os.environ.get(variable)
        return profile.windows(home if self.isolated else Path(named or Path.home() / usual), session_id)

    def _gate(self, hook: HookCommand | None) -> GateWiring:
        wire = self.profile.gate
        return GateWiring() if hook is None or wire is None or self.gate_problem else wire(hook)

    def _tools(self, request: AttemptRequest) -> GateWiring:
        wire = self.profile.tools
        if wire is None or not self.tools or not request.own:
            return GateWiring()
        return wire(ToolServer(command=self.tools, env=request.own))

    def _permissive(self, hook: HookCommand | None) -> bool:
        return hook is not None and not self.gate_problem if self.permissive is None else self.permissive

    def _arguments(self, request: AttemptRequest, wired: tuple[str, ...], *, permissive: bool) -> tuple[str, ...]:
        profile = self.profile
        model = request.task.model or self.model
        ending = profile.resumed if request.resume and profile.resumed is not None else profile.fresh
        return (
            *profile.start,
            *(profile.permissive if permissive else profile.safe),
            *(profile.isolated if self.isolated else ()),
            *((*profile.model, model) if model else ()),
            *(profile.instructed if request.task.instructions else ()),
            *self.args,
            *wired,
            *ending,
        )

    def own_env(self, model: str | None = None) -> tuple[str, ...]:
        """Returns patterns of the inherited variables of this agent and its provider.

        Args:
            model: The task's model, whose name may include the provider.
        """
        profile = self.profile
        asked = [
            more
            for variable, patterns in profile.own_env_with.items()
            if variable in os.environ or variable in self.env
            for more in patterns
        ]
        maker, slash, _rest = (model or self.model or "").partition("/")
        if slash and profile.provider_in_model:
            return (*profile.own_env, *maker_env(maker), *asked)
        return (*profile.own_env, *profile.maker_env, *asked)

    def _variables(self, gate: GateWiring, *, permissive: bool) -> dict[str, str]:
        profile = self.profile
        mode = profile.permissive_env if permissive else profile.safe_env
        root = profile.root_env if permissive and os.geteuid() == 0 else {}
        isolated = profile.isolated_env if self.isolated else {}
        return {**profile.env, **mode, **root, **isolated, **self.env, **gate.env}

    def read(self, stdout: str, stderr: str) -> Reply:  # noqa: ARG002 -- the port's signature
        """Returns the reply that its events report."""
        return self.read_stream([stdout.encode("utf-8", errors="surrogatepass")])

    def read_stream(self, pieces: Iterable[bytes]) -> Reply:
        """Returns the reply that its events report, from the pieces of its output."""
        return digest_of(self.dialect, pieces)


def _joined(files: Mapping[str, str], gate: GateWiring) -> dict[str, str]:
    """Returns the files with the gate's settings, each with the settings that were to be in it anyway."""
    return {
        path: json.dumps({**json.loads(files.get(path, "{}")), **settings})
        for path, settings in gate.settings.items()
    }


def _taken(args: Sequence[str], takes: Mapping[str, bool]) -> Iterator[str]:
    """Yields those of a user's arguments that are among some options, each with its value if it has one."""
    left = iter(args)
    for word in left:
        option, joined, _value = word.partition("=")
        if option in takes:
            yield word
            if takes[option] and not joined:
                yield from islice(left, 1)


def _filled(word: str, places: Mapping[str, str]) -> str:
    for placeholder, value in places.items():
        word = word.replace(placeholder, value)
    return word


def has_gate(backend: Backend) -> bool:
    """Returns True if the tool calls of an agent can be judged before they happen, by its hook."""
    return isinstance(backend, CliBackend) and not backend.gate_problem


def installed_kinds(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the known CLIs whose program is on PATH, the preferred one first."""
    return tuple(kind for kind, profile in PROFILES.items() if find_on_path(profile.program, environ.get("PATH")))
