"""The parts of a project that take effect only once its user trusts it, and the record of that trust.

A cloned project brings settings that can start programs or loosen rules. Each is a `Claim`; claims that are not
trusted have no effect. Trust is recorded in the user's own folder, by the project's path and the claims' content, so
that a change asks again.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from aurora_core.bounded import read_regular
from aurora_core.checkouts import linked_worktree
from aurora_core.errors import ConfigError, TrustStoreError
from aurora_core.private_files import private_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aurora_core.project import Project

__all__ = ["Change", "Claim", "Part", "TrustStore", "TrustedProject", "changes", "digest_of"]

VARIABLE: Final = "AURORA_TRUST"
"""The environment variable that trusts every project; for CI."""
MAX_BYTES: Final = 4_000_000
_VERSION: Final = 1
_YES: Final = frozenset({"1", "true", "yes"})
_NO: Final = frozenset({"", "0", "false", "no"})


class Part(StrEnum):
    """The part of a project that a claim is in; each part is trusted separately."""

    CONFIG = "config"
    POLICIES = "policies"
    PERSONAS = "personas"
    KEYS = "keys"
    WORKTREES = "worktrees"
    TASK_FILES = "task_files"


WHOLE_PROJECT: Final = tuple(part for part in Part if part is not Part.TASK_FILES)
"""The parts that are trusted together; each task file is trusted by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A setting that takes effect only once it is trusted.

    Attributes:
        name: such as "backends.reviewer".
        says: the whole content of the claim, one fact a line: what is shown is what is hashed.
    """

    part: Part
    name: str
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A line that was added or removed since the project was trusted."""

    kind: Literal["added", "removed"]
    claim: Claim
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedProject:
    """A project that was trusted.

    Attributes:
        trusted_at: as ISO 8601, UTC.
        claims: the claims that were shown when it was trusted.
    """

    root: Path
    trusted_at: str
    claims: tuple[Claim, ...]


def digest_of(claims: Iterable[Claim]) -> str:
    """Returns the hash of claims in any order."""
    content = sorted((claim.part, claim.name, *claim.says) for claim in claims)
    return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()


def changes(before: Iterable[Claim], now: Iterable[Claim]) -> tuple[Change, ...]:
    """Returns the differences between the trusted claims and the current ones, claim by claim."""
    old = {(claim.part, claim.name): claim for claim in before}
    new = {(claim.part, claim.name): claim for claim in now}
    found: list[Change] = []
    for key in dict.fromkeys((*new, *old)):
        was, is_now = old.get(key), new.get(key)
        gone, here = (was.says or ("",) if was else ()), (is_now.says or ("",) if is_now else ())
        found += [Change(kind="removed", claim=was, line=line) for line in gone if was and line not in here]
        found += [Change(kind="added", claim=is_now, line=line) for line in here if is_now and line not in gone]
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """The projects that a user trusts: one file each, so that two processes cannot harm each other's.

    Attributes:
        folder: None without a home folder; then nothing can be recorded.
        everything: True if the environment trusts every project.
    """

    folder: Path | None
    everything: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> TrustStore:
        """Returns the trust store of the user of this environment.

        Raises:
            ConfigError: the value of AURORA_TRUST means neither yes nor no.
        """
        said = environ.get(VARIABLE, "").strip().lower()
        if said not in _YES | _NO:
            raise ConfigError(VARIABLE, None, "", f"{said!r} is neither 1 (trust every project) nor 0")
        home = environ.get("HOME", "")
        return cls(folder=Path(home) / ".aurora" / "trust" if home else None, everything=said in _YES)

    def trusts(self, project: Project, part: Part, claims: Iterable[Claim]) -> bool:
        """Returns True if a part of a project may take effect; a part without claims always may.

        A linked git worktree is trusted like its main checkout, as long as its claims are equal.

        Raises:
            TrustStoreError: a record cannot be read.
        """
        claims = tuple(claims)
        if not claims or self.everything:
            return True
        wanted = digest_of(claims)
        return any(
            wanted == digest_of(each for each in known.claims if each.part is part) for known in self._about(project)
        )

    def trusts_claim(self, project: Project, claim: Claim) -> bool:
        """Returns True if the user has trusted a claim that said at least as much.

        Raises:
            TrustStoreError: a record cannot be read.
        """
        return self.everything or any(
            (each.part, each.name) == (claim.part, claim.name) and set(claim.says) <= set(each.says)
            for known in self._about(project)
            for each in known.claims
        )

    def remember_claim(self, root: Path, claim: Claim) -> None:
        """Records that one claim is trusted, in place of an earlier one of its name.

        Raises:
            TrustStoreError: the record cannot be written.
        """
        known = self.known(root)
        kept = [
            each for each in (known.claims if known else ()) if each.part is claim.part and each.name != claim.name
        ]
        self.remember(root, (*kept, claim), parts=(claim.part,))

    def _about(self, project: Project) -> Iterator[TrustedProject]:
        linked = linked_worktree(project.root)
        main = linked.main_checkout if linked and linked.confirmed else None
        for root in (project.root, main):
            known = self.known(root) if root else None
            if known:
                yield known

    def known(self, root: Path) -> TrustedProject | None:
        """Returns the record of a project; None if it is not trusted.

        Raises:
            TrustStoreError: the record cannot be read.
        """
        path = self._file(root)
        found = _read(path) if path is not None else None
        if path is not None and found is not None and found.root != root:
            raise TrustStoreError(path, f"is about {found.root}, not about {root}; remove it and run `aur trust`")
        return found

    def projects(self) -> tuple[TrustedProject, ...]:
        """Returns every trusted project, by path.

        Raises:
            TrustStoreError: a record cannot be read.
        """
        files = sorted(self.folder.glob("*.json")) if self.folder else []
        return tuple(sorted(filter(None, map(_read, files)), key=lambda found: found.root))

    def remember(self, root: Path, claims: Iterable[Claim], *, parts: Iterable[Part] = WHOLE_PROJECT) -> None:
        """Records that parts of a project are trusted as they are; the record of other parts is kept.

        Raises:
            TrustStoreError: the record cannot be written.
        """
        path = self._file(root)
        if path is None:
            raise TrustStoreError(Path("~/.aurora/trust"), "cannot be written: HOME is not set")
        about = frozenset(parts)
        before = self.known(root)
        kept = [claim for claim in (before.claims if before else ()) if claim.part not in about]
        document = {
            "version": _VERSION,
            "project": os.fspath(root),
            "trusted_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "claims": [
                {"part": claim.part, "name": claim.name, "says": claim.says}
                for claim in (*kept, *(claim for claim in claims if claim.part in about))
            ],
        }
        try:
            private_folder(path.parent.parent)
            private_folder(path.parent)
            write_private(path, json.dumps(document, indent=1).encode("ascii"))
        except OSError as error:
            raise TrustStoreError(path, f"cannot be written: {error.strerror}") from error

    def forget(self, root: Path) -> bool:
        """Removes the record of a project; returns False if there was none.

        Raises:
            TrustStoreError: the record cannot be removed.
        """
        path = self._file(root)
        try:
            if path is not None:
                path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise TrustStoreError(path or root, f"cannot be removed: {error.strerror}") from error
        return path is not None

    def _file(self, root: Path) -> Path | None:
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
        return self.folder / f"{name}.json" if self.folder else None


def _read(path: Path) -> TrustedProject | None:
    try:
        return _understood(json.loads(read_regular(path, MAX_BYTES)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TrustStoreError(path, f"cannot be read: {error.strerror}; remove it and run `aur trust`") from error
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise TrustStoreError(path, "is damaged; remove it and run `aur trust` in its project") from error


def _understood(document: Any) -> TrustedProject:
    """Returns a strictly read document; raises if anything is missing or of another type."""
    if document["version"] != _VERSION:
        raise ValueError("of another version")
    return TrustedProject(
        root=Path(_text(document["project"])),
        trusted_at=_text(document["trusted_at"]),
        claims=tuple(
            Claim(part=Part(each["part"]), name=_text(each["name"]), says=tuple(map(_text, each["says"])))
            for each in document["claims"]
        ),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
