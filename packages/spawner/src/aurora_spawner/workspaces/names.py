"""Names of ours in a repository: branches, refs, and the folders of worktrees."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.workspaces.git import Git

BASES: Final = "refs/aurora/bases"
"""Refs that remember what each task started from."""
INTEGRATION: Final = "integration"
"""Last part of the name of a run's integration branch; no task's branch is called so."""
CHECK: Final = ".check"
"""Begins the name of the folder of a commit that is only looked at; no task's slug begins with a dot."""
OUR_LOCK: Final = "aurora: "
"""Begins the lock reason of each worktree of ours."""
_SLUG_LENGTH: Final = 48
_HASH_LENGTH: Final = 12
_HASHED: Final = re.compile(rf"-[0-9a-f]{{{_HASH_LENGTH}}}\Z")


def slug(name: str) -> str:
    """Returns a name that can stand in a branch and a path; different names give different slugs."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_SLUG_LENGTH].rstrip("-")
    # A name that looks like a slug with a hash could be the slug of another name.
    is_own = plain == name and plain not in ("", INTEGRATION) and not _HASHED.search(plain)
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return plain if is_own else f"{plain or 'task'}-{digest[:_HASH_LENGTH]}"


def branch_of(beginning: str, run_id: str, task_slug: str) -> str:
    """Returns the branch of a task, or with `INTEGRATION` that of the run, without `refs/heads/`.

    Args:
        beginning: Of all branches of the run; ends with a slash.
    """
    return f"{beginning}{run_id}/{task_slug}"


def base_ref_of(run_id: str, task_slug: str) -> str:
    """Returns the ref that remembers the base of a task."""
    return f"{BASES}/{run_id}/{task_slug}"


def held_refs_of(run_id: str) -> str:
    """Returns the beginning of the refs that keep commits of a run which no branch has; a commit follows."""
    return f"{base_ref_of(run_id, INTEGRATION)}."


def is_check(name: str) -> bool:
    """Returns True for the name of a folder of a commit that is only looked at."""
    return name == CHECK or name.startswith(f"{CHECK}.")


def folder_of(common: Path) -> str:
    """Returns the name of a repository's folder of worktrees: readable, and another for each repository.

    Args:
        common: the repository itself, its `.git`.
    """
    place = common.resolve()
    return f"{slug(place.parent.name)}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:12]}"


def checked_run_id(git: Git, run_id: str) -> str:
    """Returns the name of a run, which stands in the names of its branches.

    Raises:
        WorkspaceError: It cannot be a part of a branch's name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", run_id) or not git.succeeds(
        "check-ref-format", f"refs/heads/{run_id}"
    ):
        raise WorkspaceError(git.folder, f"{run_id!r} cannot be part of a branch's name")
    return run_id
