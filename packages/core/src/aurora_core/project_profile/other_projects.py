"""Reads the manifests of JavaScript, Rust, Go, the JVM and CMake."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from aurora_core.project_profile.profile import EntryPoint, ManifestFacts, ProjectCommand, Purpose, Reader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["fixed_commands", "read_cargo", "read_package_json"]

_LOCK_FILES: Final = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lock": "bun", "bun.lockb": "bun"}
_NO_TESTS: Final = re.compile(r"no test specified")


def fixed_commands(**lines: str) -> Reader:
    """Returns a reader for a manifest whose presence implies the commands, keyed by purpose."""

    def read(_: str, source: str) -> ManifestFacts:
        return ManifestFacts(
            commands=tuple(
                ProjectCommand(purpose=Purpose(purpose), line=line, source=source) for purpose, line in lines.items()
            )
        )

    return read


def read_package_json(text: str, source: str, *, files: Collection[str] = ()) -> ManifestFacts:
    """Reads scripts and entry points; lock files among `files` name the package manager.

    Raises:
        ValueError: the text is not a JSON object.
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the file is wrong, not the program
    runner = next((manager for lock, manager in _LOCK_FILES.items() if lock in files), "npm")
    scripts = _mapping(document.get("scripts"))
    return ManifestFacts(
        entry_points=tuple(_package_entry_points(document, source)),
        commands=tuple(
            ProjectCommand(purpose=purpose, line=f"{runner} run {purpose}", source=source)
            for purpose in Purpose
            if purpose in scripts and not _NO_TESTS.search(str(scripts[purpose]))
        ),
    )


def read_cargo(text: str, source: str) -> ManifestFacts:
    """Reads binaries, and adds cargo's usual commands.

    Raises:
        ValueError: the text is not TOML.
    """
    document = tomllib.loads(text)
    binaries = document.get("bin")
    usual = fixed_commands(test="cargo test", lint="cargo clippy", build="cargo build")(text, source)
    return ManifestFacts(
        entry_points=tuple(
            EntryPoint(name=str(binary["name"]), target=str(binary.get("path", "src/main.rs")), source=source)
            for binary in (binaries if isinstance(binaries, list) else ())
            if isinstance(binary, dict) and "name" in binary
        ),
        commands=usual.commands,
    )


def _package_entry_points(document: Mapping[str, Any], source: str) -> Iterator[EntryPoint]:
    name, binaries = str(document.get("name", "")), document.get("bin")
    if isinstance(binaries, str):
        yield EntryPoint(name=name, target=binaries, source=source)
    for command, target in _mapping(binaries).items():
        yield EntryPoint(name=command, target=str(target), source=source)
    if isinstance(document.get("main"), str):
        yield EntryPoint(name=f"import {name}".strip(), target=document["main"], source=source)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
