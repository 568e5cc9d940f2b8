"""Reads pyproject.toml, setup.cfg, setup.py and manage.py."""

from __future__ import annotations

import tomllib
from configparser import ConfigParser
from typing import TYPE_CHECKING, Any, Final

from aurora_core.project_profile.profile import EntryPoint, ManifestFacts, ProjectCommand, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["read_manage_py", "read_pyproject", "read_setup_cfg", "read_setup_py"]

_BUILD: Final = "python -m build"
_LINTERS: Final = {"ruff": "ruff check .", "black": "black --check .", "flake8": "flake8", "mypy": "mypy ."}


def read_pyproject(text: str, source: str) -> ManifestFacts:
    """Reads scripts, and the tools that have a section or are among the dependencies.

    Raises:
        ValueError: the text is not TOML.
    """
    document = tomllib.loads(text)
    project, tool = _table(document, "project"), _table(document, "tool")
    scripts = [_table(project, "scripts"), _table(project, "gui-scripts"), _table(_table(tool, "poetry"), "scripts")]
    return ManifestFacts(
        entry_points=tuple(
            EntryPoint(name=name, target=str(target), source=source)
            for table in scripts
            for name, target in table.items()
        ),
        commands=tuple(_tool_commands(document, tool, text, source)),
    )


def read_setup_cfg(text: str, source: str) -> ManifestFacts:
    """Reads console scripts and the test tool's section.

    Raises:
        configparser.Error: the text is not an ini file.
    """
    parser = ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    lines = parser.get("options.entry_points", "console_scripts", fallback="").splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line]
    return ManifestFacts(
        entry_points=tuple(
            EntryPoint(name=name.strip(), target=target.strip(), source=source) for name, target in pairs
        ),
        commands=_one(Purpose.TEST, "pytest", source) if parser.has_section("tool:pytest") else (),
    )


def read_setup_py(_: str, source: str) -> ManifestFacts:
    """Returns the usual build command; the file itself is never run."""
    return ManifestFacts(commands=_one(Purpose.BUILD, _BUILD, source))


def read_manage_py(_: str, source: str) -> ManifestFacts:
    """Returns the usual commands that start and test a Django site."""
    return ManifestFacts(
        entry_points=(EntryPoint(name="python manage.py", target=source, source=source),),
        commands=_one(Purpose.TEST, "python manage.py test", source),
    )


def _tool_commands(
    document: Mapping[str, Any], tool: Mapping[str, Any], text: str, source: str
) -> Iterator[ProjectCommand]:
    if "pytest" in tool or "pytest" in text:
        yield ProjectCommand(purpose=Purpose.TEST, line="pytest", source=source)
    for name, line in _LINTERS.items():
        if name in tool:
            yield ProjectCommand(purpose=Purpose.LINT, line=line, source=source)
    if "build-system" in document:
        yield ProjectCommand(purpose=Purpose.BUILD, line=_BUILD, source=source)


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _one(purpose: Purpose, line: str, source: str) -> tuple[ProjectCommand, ...]:
    return (ProjectCommand(purpose=purpose, line=line, source=source),)
