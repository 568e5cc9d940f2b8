"""Where a project keeps what Aurora knows: the `.aurora` folder at its root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_core.errors import ProjectError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Project", "shared_answers_folder"]

FOLDER: Final = ".aurora"
# What is made here stays here; config.yaml, policies.yaml and project.md may be shared through version control.
_IGNORED: Final = (
    "# What Aurora keeps for itself on this machine.\nmemory.db*\nruns.db*\nruns/\nlogs/\ncheckpoints/\ncache/\n"
)


def shared_answers_folder(environ: Mapping[str, str]) -> Path | None:
    """The folder of the memory that a user's projects share answers in; None where the user has no home."""
    base = environ.get("XDG_DATA_HOME") or (f"{environ['HOME']}/.local/share" if environ.get("HOME") else "")
    return Path(base) / "aurora" / "shared" if base else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with its `.aurora`.

    Attributes:
        root: absolute, links resolved.
    """

    root: Path

    @classmethod
    def find(cls, start: Path) -> Project | None:
        """The innermost project that holds a path, or None.

        `~/.aurora` belongs to the user, not to a project, so the home folder is only a project for itself.
        """
        start = start.resolve()
        home = Path.home().resolve()
        for folder in (start, *start.parents):
            if (folder / FOLDER).is_dir() and (folder != home or start == home):
                return cls(root=folder)
        return None

    @classmethod
    def init(cls, root: Path) -> Project:
        """Make a folder a project; doing it again changes nothing.

        Raises:
            ProjectError: it is not a folder, or `.aurora` cannot be made in it.
        """
        root = root.resolve()
        if not root.is_dir():
            raise ProjectError(root, "is not a folder; name one that exists")
        project = cls(root=root)
        ignore = project.aurora_dir / ".gitignore"
        try:
            project.aurora_dir.mkdir(exist_ok=True)
            # An empty one is what a full disk left of an earlier try.
            if not ignore.exists() or ignore.stat().st_size == 0:
                ignore.write_text(_IGNORED, encoding="utf-8")
        except OSError as error:
            raise ProjectError(project.aurora_dir, f"cannot be made: {error.strerror}") from error
        return project

    @property
    def aurora_dir(self) -> Path:
        """The folder that holds everything else named here."""
        return self.root / FOLDER

    @property
    def memory_db(self) -> Path:
        """The memory."""
        return self.aurora_dir / "memory.db"

    @property
    def runs_db(self) -> Path:
        """The journal of runs."""
        return self.aurora_dir / "runs.db"

    @property
    def config_file(self) -> Path:
        """The project's settings."""
        return self.aurora_dir / "config.yaml"

    @property
    def policies_file(self) -> Path:
        """The project's policies."""
        return self.aurora_dir / "policies.yaml"

    @property
    def conversation_logs(self) -> Path:
        """The folder of conversation logs."""
        return self.aurora_dir / "logs" / "conversations"
