"""The settings of a project's config.yaml that take effect only once the user trusts the project."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final, cast

from aurora_core.trust import Claim, Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_core.settings.config_file import BackendFile, NotifyFile, PoolFile, RoutingFile

__all__ = ["config_claims", "without_claims"]

LOCAL_AGENT: Final = "local"
"""The agent that changes nothing and sends nothing anywhere; a project may choose it without trust."""
_BACKEND: Final = "backends."


def config_claims(found: Mapping[str, object]) -> tuple[Claim, ...]:
    """Returns the claims among the settings of a project's file, given by dotted key."""
    return tuple(_claims(found))


def without_claims(found: Mapping[str, object]) -> dict[str, object]:
    """Returns the settings that take effect without trust."""
    claimed = {claim.name for claim in config_claims(found)}
    return {key: value for key, value in found.items() if key not in claimed and key != "backends"}


def _claims(found: Mapping[str, object]) -> Iterator[Claim]:
    yield from _about_agents(found)
    yield from _about_work(found)
    receivers = found.get("notify")
    if isinstance(receivers, list) and (says := [each for one in receivers for each in _about_receiver(one)]):
        yield _claim("notify", *says)
    pools = found.get("pools")
    if isinstance(pools, dict) and pools:
        yield _claim("pools", *(each for name, pool in pools.items() for each in _about_pool(name, pool)))
    if found.get("memory.share_answers"):
        yield _claim("memory.share_answers", "answers of your other projects are found here, and this one's there")
    if found.get("memory.lessons"):
        yield _claim("memory.lessons", "agents get lessons from earlier work here")


def _about_agents(found: Mapping[str, object]) -> Iterator[Claim]:
    if found.get("tool") not in (None, LOCAL_AGENT):
        yield _claim("tool", str(found["tool"]))
    routing = cast("RoutingFile | None", found.get("routing"))
    if routing is not None:
        yield _claim("routing", f"tasks that name no agent go to one of {', '.join(routing.among)}, by their results")
    backends = found.get("backends", {})
    assert isinstance(backends, dict)
    for name, backend in backends.items():
        yield _claim(f"{_BACKEND}{name}", *_about_backend(backend))
    recovery = found.get("spawner.recovery")
    if isinstance(recovery, dict) and recovery:
        yield _claim("spawner.recovery", *(f"{key}: {_json(value)}" for key, value in recovery.items()))
    passed = found.get("env_pass")
    if isinstance(passed, list) and passed:
        yield _claim("env_pass", *(f"agents see {name}" for name in passed))


def _about_work(found: Mapping[str, object]) -> Iterator[Claim]:
    if found.get("isolation") == "none":
        yield _claim("isolation", "agents work in your checkout itself")
    if found.get("merge") == "auto":
        yield _claim("merge", "finished work is merged into your branch without a question")
    resolver = found.get("conflicts", "leave")
    if resolver != "leave":
        yield _claim("conflicts", f"conflicts of finished work are resolved by {resolver}, at your cost")
    checks = found.get("check")
    if isinstance(checks, list) and checks:
        yield _claim("check", *(f"runs {command}" for command in checks))


def _claim(name: str, *says: str) -> Claim:
    return Claim(part=Part.CONFIG, name=name, says=says)


def _about_backend(backend: BackendFile) -> Iterator[str]:
    """Yields all facts about an agent, one a line, most important first."""
    given = backend.model_dump(exclude_unset=True)
    yield f"kind: {given.pop('kind')}"
    if command := given.pop("command", None):
        yield f"command: {shlex.join(command)}"
    for name, value in (given.pop("env", None) or {}).items():
        yield f"env: {name}={_json(value)}"
    for name in given.pop("env_pass", None) or ():
        yield f"sees {name} from your environment"
    for name, value in given.items():
        yield f"{name}: {_json(value)}"
    if backend.kind == "model":
        where = backend.base_url or f"the provider's own address ({backend.api})"
        what = f"your key {backend.key.removeprefix('keys:')}, and each prompt," if backend.key else "each prompt"
        yield f"sends {what} to {where}"


def _about_receiver(receiver: NotifyFile) -> Iterator[str]:
    """Yields what a receiver of notifications does beside ringing a bell."""
    events = ", ".join(receiver.on)
    if receiver.command:
        yield f"runs {shlex.join(receiver.command)} ({events})"
    if receiver.url:
        yield f"sends notifications to {receiver.url} ({events})"
        yield from (f"with {name}: {value}" for name, value in receiver.headers.items())


def _about_pool(name: str, pool: PoolFile) -> Iterator[str]:
    """Yields where the files of a pool's tasks go, and what runs there."""
    if pool.repository is not None:
        yield f"files of tasks on pool {name} go to {pool.repository}"
        return
    port = f", port {pool.port}" if pool.port else ""
    where = f" in {pool.folder}" if pool.folder else ""
    yield f"files of tasks on pool {name} go to {pool.ssh} over ssh{port}; {pool.program} is started there{where}"


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
