"""The preparation of the worktrees of a project's tasks, and what of it needs the user's trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_core.trust import Claim, Part
from aurora_spawner.workspaces import preparation_file

if TYPE_CHECKING:
    from aurora_core import Project
    from aurora_spawner.workspaces.preparation import Preparation

__all__ = ["read_preparation", "worktree_claims"]


def read_preparation(project: Project) -> Preparation:
    """Reads a project's `worktree.yaml`; without one the defaults hold.

    Raises:
        PreparationError: the file is not valid; names line and field.
    """
    return preparation_file.read_preparation(project.worktree_file)


def worktree_claims(preparation: Preparation) -> tuple[Claim, ...]:
    """Returns the claims of a project's `worktree.yaml`: commands, variables, and files that agents can write to."""
    says = {
        "setup": [f"runs {command}" for command in preparation.setup],
        "env": [f"sets {name}={value}" for name, value in preparation.env.items()],
        "regenerate": [f"runs {command}" for command in preparation.regenerate.values()],
        "link": [f"agents can write to your {name}" for name in preparation.link],
    }
    return tuple(Claim(part=Part.WORKTREES, name=name, says=tuple(lines)) for name, lines in says.items() if lines)
