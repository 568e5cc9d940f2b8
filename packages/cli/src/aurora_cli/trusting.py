"""What in a project needs the user's trust: its settings, policies, personas and keys, gathered as claims."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from aurora_cli.escapes import printable
from aurora_cli.output import note, note_once
from aurora_core import AuroraCoreError, TrustStore, TrustStoreError
from aurora_core.settings.config import project_claims
from aurora_core.trust import Claim, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from aurora_core import Project
    from aurora_policies import Loosening, PoliciesEngine
    from aurora_soar.personas import Roster

__all__ = [
    "all_claims",
    "key_claims",
    "loosened_by",
    "own_store",
    "persona_claims",
    "policy_claims",
    "remember_made",
    "tell_left_aside",
]

_NAMED = 5
"""Claims that the one line about them names."""
_SET_BY_THE_USER = {
    "budget.monthly_limit_usd": "monthly_usd",
    "budget.warn_at_percent": "warn_at_percent",
    "budget.hard_limit_action": "hard_action",
}


def own_store() -> TrustStore:
    """Returns what this user has trusted."""
    return TrustStore.of(os.environ)


def all_claims(project: Project, roster: Roster) -> tuple[Claim, ...]:
    """Gathers everything in a project that needs trust.

    Raises:
        ConfigError, PolicyFileError: a file says something that cannot be meant.
    """
    return (
        *project_claims(project),
        *_claims_of_policies(project),
        *persona_claims(project, roster),
        *key_claims(project),
    )


def loosened_by(engine: PoliciesEngine) -> tuple[Loosening, ...]:
    """Returns the settings that allow more than the defaults, but for limits that the user's own come before."""
    found = engine.loosenings()
    if not any(each.field in _SET_BY_THE_USER for each in found):
        return found
    from aurora_cli.money import own_limits

    own = own_limits()
    return tuple(
        each
        for each in found
        if each.field not in _SET_BY_THE_USER or getattr(own, _SET_BY_THE_USER[each.field]) is None
    )


def _claims_of_policies(project: Project) -> tuple[Claim, ...]:
    from aurora_policies import PoliciesEngine

    return policy_claims(loosened_by(PoliciesEngine.load(project.policies_file)))


def policy_claims(loosened: Iterable[Loosening]) -> tuple[Claim, ...]:
    """Returns the claims of policies."""
    return tuple(
        Claim(part=Part.POLICIES, name=each.field, says=(f"{each.value} (the default: {each.default})",))
        for each in loosened
    )


def persona_claims(project: Project, roster: Roster) -> tuple[Claim, ...]:
    """Returns the claims of a project's personas: the models that they name, which reach an agent's command line."""
    from aurora_soar.personas import Scope

    return tuple(
        Claim(
            part=Part.PERSONAS,
            name=os.path.relpath(each.source_file, project.root),
            says=(f"model: {each.model} (for {each.tool})",),
        )
        for each in roster
        if each.scope is Scope.PROJECT and each.model
    )


def key_claims(project: Project) -> tuple[Claim, ...]:
    """Returns the claims of a project's `.env`: keys that would be used instead of the environment's."""
    from aurora_core.settings.keys import keys_in_file

    return tuple(
        Claim(part=Part.KEYS, name=name, says=(f"a key in .env ({_fingerprint(project.root, value)})",))
        for name, value in sorted(keys_in_file(project.root / ".env").items())
    )


def _fingerprint(root: Path, value: str) -> str:
    """Tells two values apart and neither of them."""
    return hashlib.sha256(os.fsencode(root) + b"\0" + value.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def tell_left_aside(project: Project, roster: Callable[[], Roster]) -> None:
    """Says in one line, once a command, what of a project has no effect."""
    from aurora_policies import PoliciesError

    store = own_store()
    readers: tuple[tuple[Part, Callable[[], tuple[Claim, ...]]], ...] = (
        (Part.CONFIG, lambda: project_claims(project)),
        (Part.POLICIES, lambda: _claims_of_policies(project)),
        (Part.PERSONAS, lambda: persona_claims(project, roster())),
        (Part.KEYS, lambda: key_claims(project)),
    )
    names: list[str] = []
    for part, read in readers:
        try:
            claims = read()
            names += [] if store.trusts(project, part, claims) else [claim.name for claim in claims]
        except (AuroraCoreError, PoliciesError):
            continue  # the command that needs that file says what is wrong with it
    note_once(f"trust {project.root}", _line(project, names))


def _line(project: Project, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    listed = printable(" ".join(", ".join(names[:_NAMED]).split()))
    return (
        f"not trusted, so left aside: {listed}{more}; `aur trust` shows it and asks ({printable(str(project.root))})"
    )


def remember_made(project: Project) -> None:
    """Keeps that a project is trusted as we have just made it."""
    store = own_store()
    if store.folder is None:
        return
    try:
        store.remember(project.root, (), parts=(Part.CONFIG, Part.POLICIES))
    except TrustStoreError as error:
        note(f"warning: {error}")
