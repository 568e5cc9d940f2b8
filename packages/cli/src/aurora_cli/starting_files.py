"""The files that `aur init` gives a project; none is ever overwritten."""

from __future__ import annotations

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

__all__ = ["CONFIG_YAML", "StartingFile", "write_missing"]

CONFIG_YAML: Final = """\
# Settings of this project. Options of the command line and AURORA_… variables come before this file,
# ~/.config/aurora/config.yaml comes after it. Lines that begin with # are examples and defaults.
# What can start a program or loosen a rule takes effect once you trust the project: `aur trust` shows it and asks.

# The agent for tasks that name none. Without it: the first agent CLI found of claude, codex, gemini, opencode, qwen,
# copilot, aider, cline; else the local agent, which needs no model.
# tool: reviewer

# Your choices for those agents; and agents of your own: any program that reads its prompt and prints its answer.
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
#   exclude: ["generated/", "*.min.js"]   # left out, as lines of a .gitignore
#   activation: default                   # how much earlier use counts: also aggressive, conservative,
#                                         # bla_focused, context_focused
#   semantic_model: ~/models/potion       # folder of a model2vec model: also finds by meaning
#   share_answers: false                  # true: my other projects that say so find this one's answers
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingFile:
    """A file that belongs into a new project; `made` is false where it was there before."""

    path: Path
    made: bool


def write_missing(project: Project) -> tuple[StartingFile, ...]:
    """Writes configuration, policies and the page about the project where they are not there yet.

    Raises:
        OSError: the folder cannot be written to.
    """
    return (
        _write_new(project.config_file, lambda: CONFIG_YAML),
        _write_new(project.policies_file, default_policies_yaml),
        _write_new(project.aurora_dir / "project.md", lambda: _project_page(project.root)),
    )


def _project_page(root: Path) -> str:
    return as_markdown(detect_profile(root, list_files(root)))


def _write_new(path: Path, text: Callable[[], str]) -> StartingFile:
    if path.exists():
        return StartingFile(path=path, made=False)
    content = text().encode("utf-8", errors="backslashreplace")
    try:
        with path.open("xb") as stream:
            stream.write(content)
    except FileExistsError:
        return StartingFile(path=path, made=False)
    except OSError as error:  # half a file would be kept by the next run
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    return StartingFile(path=path, made=True)
