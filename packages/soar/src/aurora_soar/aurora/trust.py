"""Trust in a project: claims of its settings, policies, personas and keys, and what has no effect without trust."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from aurora_core import AuroraCoreError, TrustStore, TrustStoreError
from aurora_core.settings.config import project_claims
from aurora_core.trust import Claim, Part
from aurora_soar.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from aurora_core import Project
    from aurora_policies import Loosening, PoliciesEngine
    from aurora_soar.notices import Notify
    from aurora_soar.personas import Roster

__all__ = [
    "all_claims",
    "ask_for_trust",
    "key_claims",
    "loosened_by",
    "persona_claims",
    "policy_claims",
    "trust_created_project",
    "trust_store",
    "untrusted_in",
    "untrusted_notice",
    "untrusted_of",
]

_NAMED = 5
"""Number of claims that the one-line notice names."""
_SET_BY_THE_USER = {
    "budget.monthly_limit_usd": "monthly_usd",
    "budget.warn_at_percent": "warn_at_percent",
    "budget.hard_limit_action": "hard_action",
}


def trust_store() -> TrustStore:
    """Returns the store of the projects that this user trusts."""
    return TrustStore.of(os.environ)


def all_claims(project: Project, roster: Roster) -> tuple[Claim, ...]:
    """Returns every claim of a project.

    Raises:
        ConfigError, PolicyFileError, PreparationError: a file is invalid.
    """
    from aurora_soar.taskruns.preparation import read_preparation, worktree_claims

    return (
        *project_claims(project),
        *_claims_of_policies(project),
        *persona_claims(project, roster),
        *key_claims(project),
        *worktree_claims(read_preparation(project)),
    )


def ask_for_trust(project: Project, roster: Roster, ask: Callable[[Sequence[Claim]], bool]) -> None:
    """Asks about what the user does not trust of a project yet, and remembers a yes.

    Args:
        ask: receives the claims that are not trusted; called only if there are some.

    Raises:
        ConfigError, PolicyFileError, PreparationError: a file is invalid.
        TrustStoreError: the answer cannot be kept.
    """
    claims = all_claims(project, roster)
    untrusted = untrusted_of(project, claims)
    if untrusted and ask(untrusted):
        trust_store().remember(project.root, claims)


def untrusted_of(project: Project, claims: Sequence[Claim]) -> list[Claim]:
    """Returns the claims of a project, of all parts, that have no effect.

    Raises:
        TrustStoreError: a record of trust cannot be read.
    """
    store = trust_store()
    by_part = {part: tuple(claim for claim in claims if claim.part is part) for part in Part}
    return [claim for part, found in by_part.items() if not store.trusts(project, part, found) for claim in found]


def loosened_by(policies: PoliciesEngine) -> tuple[Loosening, ...]:
    """Returns the settings that allow more than the defaults, except limits that the user's own override."""
    found = policies.loosenings()
    if not any(each.field in _SET_BY_THE_USER for each in found):
        return found
    from aurora_soar.taskruns.ledger import user_limits

    own = user_limits()
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
    """Returns a fingerprint that differs between values and does not reveal them."""
    return hashlib.sha256(os.fsencode(root) + b"\0" + value.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def untrusted_in(project: Project, part: Part, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Returns the claims of a part that have no effect: all of them, or none if the user trusts the part.

    Raises:
        TrustStoreError: a record of trust cannot be read.
    """
    return () if trust_store().trusts(project, part, claims) else claims


def untrusted_notice(project: Project, untrusted: Iterable[Callable[[], Sequence[Claim]]]) -> Notice:
    """Returns a one-line notice of the settings that are ignored until the user trusts the project.

    Args:
        untrusted: for each part, returns its claims that are not trusted.
    """
    from aurora_policies import PoliciesError
    from aurora_spawner.errors import SpawnerError

    names: list[str] = []
    for claims_of_part in untrusted:
        try:
            names += [claim.name for claim in claims_of_part()]
        except (AuroraCoreError, PoliciesError, SpawnerError):
            continue  # the reader that needs that file reports its error
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    listed = " ".join(", ".join(names[:_NAMED]).split())
    return Notice(
        message=f"ignored until you trust this project: {listed}{more}; run `aur trust` to review it ({project.root})"
    )


def trust_created_project(project: Project, notify: Notify) -> None:
    """Records that a project which this process has just created is trusted."""
    store = trust_store()
    if store.folder is None:
        return
    try:
        store.remember(project.root, (), parts=(Part.CONFIG, Part.POLICIES))
    except TrustStoreError as error:
        notify(Notice(message=str(error), warning=True))
