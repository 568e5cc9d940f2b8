"""Checks of everything that Aurora needs: one result per check, with the next step for the user."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_core import AuroraCoreError, Memory, Project, ProjectError, StoreCorruptError, load_config
from aurora_core.git import run_git
from aurora_core.trust import Part, TrustStore
from aurora_policies import PoliciesEngine, PolicyFileError
from aurora_soar.doctor.enforcement import enforcement_of
from aurora_soar.doctor.talking import INSTALL, talking_of
from aurora_soar.taskruns.agents import find_backends
from aurora_soar.taskruns.backends import check_kinds, configured_agents, program_of
from aurora_soar.taskruns.preparation import read_preparation, worktree_claims
from aurora_soar.taskruns.user_policies import load_user_policies
from aurora_spawner import SpawnerError
from aurora_spawner.control.audit import audit_journal
from aurora_spawner.errors import ProviderStateError
from aurora_spawner.rate_limits.gate_store import FILE_NAME, ProviderStore, default_state_dir
from aurora_spawner.runs.leftovers import find_leftovers
from aurora_spawner.sandbox.probe import probe_sandbox
from aurora_spawner.sandbox.settings import SandboxSettings
from aurora_spawner.supervision.cgroups import own_cgroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aurora_core import Config

__all__ = ["CheckResult", "Level", "run_checks"]

PACKAGES: Final = ("aurora-aur", "aurora-core", "aurora-policies", "aurora-soar", "aurora-spawner")
OLDEST_PYTHON: Final = (3, 11)
LOW_DISK_BYTES: Final = 200_000_000
GIT_TIMEOUT_S: Final = 10


class Level(StrEnum):
    """The level of a result; only `fail` keeps Aurora from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of one check.

    Attributes:
        check: short stable name of the check.
        message: what the check found.
        advice: the next step for the user; "" if none is needed.
    """

    check: str
    level: Level
    message: str
    advice: str = ""


def run_checks(start: Path, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Runs every check for the folder `start`; a failed check does not stop the next ones."""
    yield _python()
    yield _packages()
    yield _machine()
    yield _sandbox()
    yield _git(start)
    yield _providers(default_state_dir(), time.time())
    yield from _leftovers(default_state_dir())
    try:
        project = Project.find(start)
    except ProjectError as error:
        yield CheckResult(check="project", level=Level.FAIL, message=str(error), advice="follow the message")
        return
    if project is None:
        yield CheckResult(
            check="project",
            level=Level.WARN,
            message=f"no project in {start} or above it",
            advice="run `aur init` in its folder",
        )
        yield _checked("folder", lambda: _writable(start))
        return
    yield CheckResult(check="project", level=Level.OK, message=str(project.root))
    yield _checked("folder", lambda: _writable(project.aurora_dir))
    yield from _configuration(project, environ)
    policies = _checked("policies", lambda: _policies(project, environ))
    yield policies
    if policies.level is Level.OK:
        yield from _gates(project, environ)
    yield from _talking(project, environ)
    yield from _worktrees(project, environ)
    yield _checked("memory", lambda: _memory(project))
    yield _checked("journal", lambda: _journal(project))


def _leftovers(state_dir: Path) -> Iterator[CheckResult]:
    """Yields a result for each run whose coordinator died while its agents still run."""
    try:
        for left in find_leftovers(state_dir):
            pids = ", ".join(map(str, left.processes))
            message = f"run {left.run_id} ({left.journal}) has no coordinator; still running: {pids}"
            advice = f"in its project, run: aur resume {left.run_id} or aur cancel {left.run_id}"
            yield CheckResult(check="agents", level=Level.WARN, message=message, advice=advice)
    except SpawnerError as error:
        yield CheckResult(check="agents", level=Level.WARN, message=str(error), advice="follow the message")


def _checked(check: str, look: Callable[[], CheckResult]) -> CheckResult:
    """Runs a check; returns a failure if the system prevents it."""
    try:
        return look()
    except OSError as error:
        message = f"{error.filename or check}: {error.strerror or error}"
        return CheckResult(check=check, level=Level.FAIL, message=message, advice="check the permissions of .aurora")


def _python() -> CheckResult:
    message = f"{platform.python_version()} ({sys.executable}), SQLite {sqlite3.sqlite_version}"
    if sys.version_info >= OLDEST_PYTHON:
        return CheckResult(check="python", level=Level.OK, message=message)
    return CheckResult(check="python", level=Level.FAIL, message=message, advice="Aurora needs Python 3.11 or later")


def _packages() -> CheckResult:
    versions = {name: _version(name) for name in PACKAGES}
    message = ", ".join(f"{name} {found or 'missing'}" for name, found in versions.items())
    if None in versions.values():
        return CheckResult(check="packages", level=Level.FAIL, message=message, advice="install aurora-aur again")
    if len(set(versions.values())) > 1:
        return CheckResult(
            check="packages",
            level=Level.FAIL,
            message=message,
            advice="the five belong together: install one version of all",
        )
    return CheckResult(check="packages", level=Level.OK, message=message)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _machine() -> CheckResult:
    return CheckResult(check="machine", level=Level.OK, message=f"{platform.system()}, {os.cpu_count() or 1} CPUs")


def _sandbox() -> CheckResult:
    """Checks what confines agents here: a sandbox whose network is closed, too, and cgroups."""
    finding = probe_sandbox(SandboxSettings(network="none"))
    cgroups = "cgroups: yes" if own_cgroup() is not None else "cgroups: no, so limits on resources are only watched"
    if finding.sandboxed:
        tried = f"tried here, a write outside of it fails ({finding.write_outside})"
        network = f"and so does a closed network ({finding.closed_port})"
        message = f"agents can work in one, made by {finding.mechanism}: {tried}, {network}; {cgroups}"
        return CheckResult(check="sandbox", level=Level.OK, message=message)
    advice = "install bubblewrap, or use a Linux kernel with Landlock (6.7 or later)"
    return CheckResult(check="sandbox", level=Level.WARN, message=f"{finding.words}; {cgroups}", advice=advice)


def _git(start: Path) -> CheckResult:
    """Checks that git is there, and that it reads the repository of a folder, if that is in one."""
    advice = "install git: its history improves ranking"
    answer = run_git(Path.home(), "--version", timeout_s=GIT_TIMEOUT_S)
    if answer is None:
        return CheckResult(
            check="git", level=Level.WARN, message="not found, or `git --version` fails", advice=advice
        )
    version = answer.data.decode("utf-8", "replace").strip()
    top = next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), None)
    if top is not None and run_git(start, "rev-parse", "--git-dir", timeout_s=GIT_TIMEOUT_S) is None:
        return CheckResult(
            check="git",
            level=Level.WARN,
            message=f"{version} cannot read the repository {top}, so agents get no worktrees there",
            advice=(
                f"`git -C {top} status` says why; "
                f"if another user owns it: git config --global --add safe.directory {top}"
            ),
        )
    return CheckResult(check="git", level=Level.OK, message=version)


def _providers(folder: Path, now: float) -> CheckResult:
    """Checks for model providers that are paused or stopped, for all runs of this user."""
    file = folder / FILE_NAME
    try:
        with ProviderStore(folder) as store:
            gates, unread = store.gates(), store.trouble
    except ProviderStateError as error:
        return CheckResult(check="providers", level=Level.WARN, message=str(error), advice=f"move {file} away")
    closed = [line for gate in gates if (line := gate.blocked_reason(now))]
    if unread:
        return CheckResult(
            check="providers", level=Level.WARN, message="; ".join((unread, *closed)), advice=f"move {file} away"
        )
    if not closed:
        return CheckResult(check="providers", level=Level.OK, message="none paused or stopped")
    advice = (
        "a new run, or `aur resume`, tries stopped providers once more, and paused ones after their pause; to reset"
        f" all of them, delete {file} while nothing runs"
    )
    return CheckResult(check="providers", level=Level.WARN, message="; ".join(closed), advice=advice)


def _writable(folder: Path) -> CheckResult:
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK | os.X_OK):
        advice = "make it writable for your user"
        return CheckResult(check="folder", level=Level.FAIL, message=f"{folder} is not writable", advice=advice)
    if free < LOW_DISK_BYTES:
        message = f"{free / 1e6:.0f} MB free at {folder}"
        return CheckResult(check="folder", level=Level.WARN, message=message, advice="free some disk space")
    return CheckResult(check="folder", level=Level.OK, message=f"{folder} is writable, {free / 1e9:.1f} GB free")


def _configuration(project: Project, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    try:
        config = load_config(project, environ=environ)
        check_kinds(config)
    except (AuroraCoreError, OSError) as error:
        yield CheckResult(
            check="config", level=Level.FAIL, message=str(error), advice=f"correct {project.config_file}"
        )
        return
    there = project.config_file.exists()
    yield CheckResult(
        check="config", level=Level.OK, message=str(project.config_file) if there else "none, all defaults"
    )
    if config.untrusted:
        message = f"ignored until you trust this project: {', '.join(claim.name for claim in config.untrusted)}"
        yield CheckResult(
            check="trust", level=Level.WARN, message=message, advice="run `aur trust` to review and trust it"
        )
    yield _agents(project, config, environ)


def _agents(project: Project, config: Config, environ: Mapping[str, str]) -> CheckResult:
    """Checks that the programs of the configured agents exist; starts none of them."""
    programs = {name: each for name, each in config.backends.items() if each.kind != "model"}
    agents = configured_agents(replace(config, backends=programs), str)  # only models look for keys
    missing = [name for name, each in agents.items() if not program_of(each, environ, project.root)]
    if missing:
        message = f"program not found for: {', '.join(missing)}"
        return CheckResult(
            check="agents", level=Level.WARN, message=message, advice="install it, or correct its `command:`"
        )
    return CheckResult(check="agents", level=Level.OK, message=", ".join(sorted({"local", *config.backends})))


def _policies(project: Project, environ: Mapping[str, str]) -> CheckResult:
    try:
        engine = PoliciesEngine.load(project.policies_file).beside(load_user_policies(environ))
    except PolicyFileError as error:
        return CheckResult(check="policies", level=Level.FAIL, message=str(error), advice=f"correct {error.path}")
    files = [str(each) for each in (engine.source, engine.user_source) if each]
    return CheckResult(check="policies", level=Level.OK, message=" and ".join(files) or "none, all defaults")


def _gates(project: Project, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Yields a result on what the policies enforce for which agent; none if the configuration is not valid."""
    try:
        config = load_config(project, environ=environ)
        check_kinds(config)
        engine = PoliciesEngine.load(project.policies_file).beside(load_user_policies(environ))
        found = enforcement_of(find_backends(project, config, str), engine)
    except (AuroraCoreError, SpawnerError, OSError):
        return  # the check of the configuration says it
    if found.problem:
        advice = "until it works, run tasks that change files only in worktrees"
        yield CheckResult(check="gates", level=Level.WARN, message=f"no hook works: {found.problem}", advice=advice)
        return
    message = "; ".join(found.sentences) or "no agent that acts is installed; the local agent only looks things up"
    yield CheckResult(check="gates", level=Level.OK, message=message)


def _talking(project: Project, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Yields a result on how `aur interact` talks with which agent; none if the configuration is not valid."""
    try:
        config = load_config(project, environ=environ)
        check_kinds(config)
        found = talking_of(find_backends(project, config, str))
    except (AuroraCoreError, SpawnerError, OSError):
        return  # the check of the configuration says it
    if found.lacking:
        message = f"{', '.join(found.lacking)} cannot be talked with: the extra `acp` is not installed"
        yield CheckResult(check="interact", level=Level.WARN, message=message, advice=INSTALL)
        return
    yield CheckResult(check="interact", level=Level.OK, message=found.sentence)


def _worktrees(project: Project, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Yields a result for `worktree.yaml`, if the project has one."""
    file = project.worktree_file
    if not os.path.lexists(file):
        return
    try:
        preparation = read_preparation(project)
        claims = worktree_claims(preparation)
        trusted = TrustStore.of(environ).trusts(project, Part.WORKTREES, claims)
    except (AuroraCoreError, SpawnerError) as error:
        yield CheckResult(check="worktrees", level=Level.FAIL, message=str(error), advice=f"correct {file}")
        return
    if not trusted:
        message = f"ignored until you trust this project: {', '.join(claim.name for claim in claims)} in {file}"
        advice = "run `aur trust` to review and trust it"
        yield CheckResult(check="worktrees", level=Level.WARN, message=message, advice=advice)
        return
    yield CheckResult(check="worktrees", level=Level.OK, message=str(file))


def _memory(project: Project) -> CheckResult:
    if not project.memory_db.exists():
        return CheckResult(check="memory", level=Level.WARN, message="not indexed yet", advice="run `aur mem index`")
    try:
        with Memory.open(project.root) as memory:
            stats = memory.stats()
        _check_pages(project.memory_db)
    except StoreCorruptError as error:
        advice = "run `aur mem rebuild`; it keeps the earlier answers that can still be read"
        return CheckResult(check="memory", level=Level.FAIL, message=str(error), advice=advice)
    except AuroraCoreError as error:
        advice = "check that .aurora is writable and that the disk has free space"
        return CheckResult(check="memory", level=Level.FAIL, message=str(error), advice=advice)
    return CheckResult(
        check="memory",
        level=Level.OK,
        message=f"{stats.files:,} files in {stats.chunks:,} chunks, all pages whole",
    )


def _check_pages(database: Path) -> None:
    """Checks every page of an SQLite file.

    Raises:
        StoreCorruptError: a page is damaged.
    """
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise StoreCorruptError(database, f"is damaged ({error})") from error
    if answer != "ok":
        raise StoreCorruptError(database, f"is damaged ({answer})")


def _journal(project: Project) -> CheckResult:
    try:
        report = audit_journal(project.runs_db)
    except SpawnerError as error:
        advice = "move it away to start a new journal; its record of earlier runs cannot be trusted"
        return CheckResult(check="journal", level=Level.FAIL, message=str(error), advice=advice)
    if not report.ok:
        advice = "the journal was changed outside Aurora; `aur audit verify` shows where"
        return CheckResult(
            check="journal", level=Level.FAIL, message=f"{project.runs_db}: {report.problem}", advice=advice
        )
    message = f"{report.events:,} events, hash chain intact" if report.events else "nothing has run yet"
    return CheckResult(check="journal", level=Level.OK, message=message)
