"""Writes a project's profile as the Markdown of `.aurora/project.md`, for its user to edit and agents to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aurora_core.project_profile.profile import ProjectProfile

__all__ = ["as_markdown"]

MAX_ROWS: Final = 12


def as_markdown(profile: ProjectProfile) -> str:
    """Returns the profile as a short page."""
    return "\n".join(_lines(profile)) + "\n"


def _lines(profile: ProjectProfile) -> Iterator[str]:
    yield f"# {_plain(profile.name)}"
    yield ""
    yield "Detected by `aur init`, which never overwrites this page. Edit it: agents get it as context."
    yield from _section(
        "Languages", (f"{language.name}: {_files(language.files)}" for language in profile.languages[:MAX_ROWS])
    )
    yield from _section(
        "Layout",
        (
            f"{_code(folder.name + '/')} {_files(folder.files)}" + (f", {folder.holds}" if folder.holds else "")
            for folder in profile.layout
        ),
    )
    yield from _section(
        "Entry points",
        (f"{_code(point.name)} → {_code(point.target)} ({point.source})" for point in profile.entry_points),
    )
    yield from _section(
        "Commands",
        (f"{command.purpose}: {_code(command.line)} ({command.source})" for command in profile.commands),
    )
    yield from _section("Not understood", map(_plain, profile.unread))


def _section(title: str, rows: Iterable[str]) -> Iterator[str]:
    listed = list(rows)
    if not listed:
        return
    yield ""
    yield f"## {title}"
    yield ""
    yield from (f"- {row}" for row in listed[:MAX_ROWS])
    if len(listed) > MAX_ROWS:
        yield f"- … and {len(listed) - MAX_ROWS} more"


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _code(text: str) -> str:
    return f"`{_plain(text).replace('`', '')}`"


def _plain(text: str) -> str:
    return " ".join(text.split())
