"""Checks of the agent CLIs: program, version, and login if files or variables show one."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_soar.doctor.accounts import account_of
from aurora_soar.doctor.talking import talking_of
from aurora_soar.taskruns.backends import program_of
from aurora_soar.taskruns.confinement import AgentConfinement
from aurora_soar.taskruns.gate import PolicyGate, how_gated
from aurora_soar.taskruns.logins import SignedIn, signed_in
from aurora_spawner import CliBackend
from aurora_spawner.backends.model.apis import APIS
from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.errors import BackendError
from aurora_spawner.gates.probe import probe_gate
from aurora_spawner.supervision.environment import agent_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_policies import PoliciesEngine
    from aurora_soar.doctor.talking import Talking
    from aurora_spawner import Backend

__all__ = ["AgentCheck", "InstalledAgent", "check_agents", "installed_agents"]

VERSION_LIMIT_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCheck:
    """The result of checking one agent.

    Attributes:
        kind: kind of its backend.
        program: full path of its program, or a model's address; None if the program was not found.
        version: first line of `--version`, or the name of the model; None if the program does not report it.
        signed_in_by: the variable or file that shows the login; "" if none does.
        spends: the account that it spends, in words.
        pool: the provider whose limits it shares with all agents of that provider; None if it meets none.
        gate: says if its tool calls are judged before they happen, or why not.
        sandbox: says if it is sandboxed, as a probe has shown, and its limits on resources; "" for a model.
        talks: says how `aur interact` talks with it; "" if it cannot.
        advice: the next step for the user; "" if none is needed.
    """

    name: str
    kind: str
    program: str | None
    version: str | None
    signed_in: SignedIn
    signed_in_by: str
    spends: str
    pool: str | None
    gate: str
    sandbox: str
    talks: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledAgent:
    """An agent whose program is on this machine.

    Attributes:
        kind: `command`, or the kind of its CLI.
        version: first line of `--version`; "" if it does not report it.
    """

    name: str
    kind: str
    version: str
    signed_in: SignedIn


def check_agents(
    backends: Mapping[str, Backend],
    environ: Mapping[str, str],
    *,
    home: Path,
    folder: Path,
    policies: PoliciesEngine,
) -> tuple[AgentCheck, ...]:
    """Checks the known CLIs, then the configured agents; the programs report their versions concurrently.

    The hook of the policy gate is tried with a harmless and a dangerous call.

    Args:
        folder: the folder in which the agents work.
        policies: those that the gate asks.
    """
    known: dict[str, Backend] = {kind: CliBackend(name=kind, kind=kind) for kind in PROFILES}
    checked = {**known, **backends}
    programs = {name: program_of(backend, environ, folder) for name, backend in checked.items()}
    versions = _versions(checked, programs, environ, home)
    problem = probe_gate(PolicyGate(policies=policies))
    sandboxes = AgentConfinement(policies=policies, backends=checked).words(checked)
    talking = talking_of(checked)
    return tuple(
        _check(
            name,
            each,
            program=programs[name],
            version=versions.get(name),
            environ=environ,
            home=home,
            gate=how_gated(each, problem=problem),
            sandbox=sandboxes[name],
            talking=talking,
        )
        for name, each in checked.items()
    )


def installed_agents(
    backends: Mapping[str, Backend], environ: Mapping[str, str], *, home: Path, folder: Path
) -> tuple[InstalledAgent, ...]:
    """Returns the known CLIs and the configured agents whose program is on this machine; models are left out.

    Args:
        folder: the folder in which the agents work.
    """
    known: dict[str, Backend] = {kind: CliBackend(name=kind, kind=kind) for kind in PROFILES}
    checked = {name: each for name, each in {**known, **backends}.items() if not isinstance(each, ModelBackend)}
    programs = {name: program_of(backend, environ, folder) for name, backend in checked.items()}
    versions = _versions(checked, programs, environ, home)
    return tuple(
        InstalledAgent(
            name=name,
            kind=each.kind if isinstance(each, CliBackend) else "command",
            version=versions.get(name) or "",
            signed_in=signed_in(each, environ, home)[0],
        )
        for name, each in checked.items()
        if programs[name]
    )


def _versions(
    backends: Mapping[str, Backend], programs: Mapping[str, str | None], environ: Mapping[str, str], home: Path
) -> dict[str, str | None]:
    """Asks the programs of CLIs for their versions, several at a time."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        asked = {
            name: pool.submit(
                _version, program, agent_environment(environ, keep=each.keep_env, own=each.own_env()), home
            )
            for name, each in backends.items()
            if isinstance(each, CliBackend) and (program := programs[name])
        }
        return {name: answer.result() for name, answer in asked.items()}


def _check(
    name: str,
    backend: Backend,
    *,
    program: str | None,
    version: str | None,
    environ: Mapping[str, str],
    home: Path,
    gate: str,
    sandbox: str,
    talking: Talking,
) -> AgentCheck:
    if isinstance(backend, ModelBackend):
        return _check_model(name, backend, environ, talks=talking.ways[name])
    kind = backend.kind if isinstance(backend, CliBackend) else "command"
    login, by = signed_in(backend, environ, home)
    return AgentCheck(
        name=name,
        kind=kind,
        program=program,
        version=version,
        signed_in=login,
        signed_in_by=by,
        spends=account_of(name, backend, by, environ),
        pool=backend.provider if isinstance(backend, CliBackend) else None,
        gate=gate,
        sandbox=sandbox,
        talks=talking.ways[name],
        advice=_advice(backend, program, version, login) or talking.advice(name),
    )


def _check_model(name: str, backend: ModelBackend, environ: Mapping[str, str], *, talks: str) -> AgentCheck:
    """Checks a model backend by its key alone: it has no program, and the check makes no call."""
    advice, signed_in = "", SignedIn.UNKNOWN
    if backend.key is not None:
        try:
            signed_in = SignedIn.YES if backend.key() else SignedIn.NO
        except BackendError as error:
            advice, signed_in = str(error), SignedIn.NO
    return AgentCheck(
        name=name,
        kind="model",
        program=backend.base_url or APIS[backend.api].base_url,
        version=f"{backend.api}: {backend.model}",
        signed_in=signed_in,
        signed_in_by="a key" if signed_in is SignedIn.YES else "",
        spends=account_of(name, backend, "", environ),
        pool=backend.provider,
        gate="has no tools",
        sandbox="",
        talks=talks,
        advice=advice,
    )


def _installed_by(package: str) -> str:
    """Returns the command that installs an agent CLI."""
    name = package.removeprefix("pip:")
    return f"npm install -g {name}" if name == package else f"pip install {name}"


def _advice(backend: Backend, program: str | None, version: str | None, signed_in: SignedIn) -> str:
    if not isinstance(backend, CliBackend):
        return "" if program else "correct its `command:`"
    if program is None:
        return f"install it: {_installed_by(backend.profile.package)}"
    if version is None:
        return (
            f"`{backend.profile.program} --version` fails; install it again: {_installed_by(backend.profile.package)}"
        )
    return "sign in, or set its key" if signed_in is SignedIn.NO else ""


def _version(program: str, environ: Mapping[str, str], home: Path) -> str | None:
    """Returns the first line of a program's `--version`; None if it fails or takes too long.

    The program runs in the home folder: some programs read settings from their working folder.
    """
    try:
        process = subprocess.Popen(
            [str(Path(program).absolute()), "--version"],
            cwd=home if home.is_dir() else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environ, "DISABLE_AUTOUPDATER": "1", "COPILOT_AUTO_UPDATE": "false", "NO_COLOR": "1"},
            start_new_session=True,
        )
    except OSError:
        return None
    with process:
        try:
            output, _ = process.communicate(timeout=VERSION_LIMIT_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return None
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[0] if lines and process.returncode == 0 else None
