"""The files that `aur init` writes into a project; existing files are never overwritten."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.project_profile.detect import detect_profile
from aurora_core.project_profile.document import as_markdown
from aurora_core.project_profile.listing import list_files
from aurora_policies import default_policies_yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_core import Project

__all__ = [
    "CONFIG_YAML",
    "StartingFile",
    "remove_if_unchanged",
    "remove_unchanged",
    "write_missing",
    "write_new",
    "write_policies",
]

CONFIG_YAML: Final = """\
# Settings of this project. Options of the command line and AURORA_… variables override this file.
# This file overrides ~/.config/aurora/config.yaml. Lines that start with # are examples and defaults.
# Settings that can start a program or loosen a rule take effect once you trust the project: run `aur trust`.

# The agent for tasks that name none. Without it: the first agent CLI found (`aur agents doctor` lists the known),
# else the local agent, which needs no model.
# tool: reviewer

# Options of those agents, and agents of your own: any program that reads a prompt and prints an answer.
# backends:
#   claude: {kind: claude, model: sonnet, fallback: [codex]}
#   reviewer:
#     kind: command
#     command: ["python3", "tools/review.py"]
#     timeout_s: 300
#     env: {REVIEW_STYLE: strict}

# spawner:
#   max_concurrent: 4

# memory:
#   exclude: ["generated/", "*.min.js"]   # not indexed; the syntax is that of .gitignore
#   activation: default                   # weight of earlier use; also aggressive, conservative,
#                                         # bla_focused, context_focused
#   semantic_model: ~/models/potion       # folder of a model2vec model, to search by meaning too
#   share_answers: false                  # true: share answers with your other projects that set this too
#   lessons: false                        # true: keep lessons from corrected work for similar tasks
"""


_SEAL: Final = "\n<!-- as `aur init` wrote it: "


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingFile:
    """A file of a new project; `made` is False if it existed before."""

    path: Path
    made: bool


def write_missing(project: Project) -> tuple[StartingFile, ...]:
    """Writes the configuration, the policies and the project page, unless they exist.

    Raises:
        OSError: the folder is not writable.
    """
    return tuple(write_new(path, text) for path, text in _texts(project).items())


def remove_unchanged(project: Project) -> tuple[StartingFile, ...]:
    """Removes the starting files that are as they were written; `made` is True of those that are gone.

    Raises:
        OSError: the folder is not writable.
    """
    page = _page_of(project)
    texts = _texts(project) | {page: lambda: _sealed(page.read_bytes().decode(errors="replace").rpartition(_SEAL)[0])}
    return tuple(remove_if_unchanged(path, text) for path, text in texts.items() if path.exists())


def remove_if_unchanged(path: Path, text: Callable[[], str]) -> StartingFile:
    """Removes a file that has this text; `made` is True if it is gone.

    Raises:
        OSError: the folder is not writable.
    """
    unchanged = path.read_bytes() == _encoded(text())
    if unchanged:
        path.unlink()
    return StartingFile(path=path, made=unchanged)


def _texts(project: Project) -> dict[Path, Callable[[], str]]:
    return {
        project.config_file: lambda: CONFIG_YAML,
        project.policies_file: default_policies_yaml,
        _page_of(project): lambda: _project_page(project.root),
    }


def _page_of(project: Project) -> Path:
    return project.aurora_dir / "project.md"


def write_policies(project: Project) -> StartingFile:
    """Writes the policies with all defaults, unless the file exists.

    Raises:
        OSError: the folder is not writable.
    """
    return write_new(project.policies_file, default_policies_yaml)


def _project_page(root: Path) -> str:
    return _sealed(as_markdown(detect_profile(root, list_files(root))))


def _sealed(page: str) -> str:
    """Adds a last line by which an unchanged page is known later, when a page made anew would differ."""
    return f"{page}{_SEAL}{hashlib.sha256(_encoded(page)).hexdigest()[:16]} -->\n"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="backslashreplace")


def write_new(path: Path, text: Callable[[], str]) -> StartingFile:
    """Writes a file unless it exists; half a file is removed again.

    Raises:
        OSError: the folder is not writable, or the disk is full.
    """
    if path.exists():
        return StartingFile(path=path, made=False)
    content = _encoded(text())
    try:
        with path.open("xb") as stream:
            stream.write(content)
    except FileExistsError:
        return StartingFile(path=path, made=False)
    except OSError as error:  # the next run would keep half a file
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    return StartingFile(path=path, made=True)
