"""The manifests that a profile is read from, in the order in which their commands are offered."""

from __future__ import annotations

import configparser
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_core.bounded import read_start
from aurora_core.project_profile.other_projects import fixed_commands, read_cargo, read_package_json
from aurora_core.project_profile.profile import EntryPoint, ManifestFacts, Reader
from aurora_core.project_profile.python_project import read_manage_py, read_pyproject, read_setup_cfg, read_setup_py
from aurora_core.project_profile.recipes import read_justfile, read_makefile, read_noxfile, read_tox

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

__all__ = ["entry_files", "read_manifests"]

MAX_MANIFEST_BYTES: Final = 1_000_000


def read_manifests(root: Path, files: Collection[str]) -> tuple[tuple[ManifestFacts, ...], tuple[str, ...]]:
    """Reads the manifests at the top of the project.

    Returns:
        The facts of each manifest that could be read, and a line "name: reason" for each that could not.
    """
    findings, unread = [], []
    for name, reader in _readers(files).items():
        if name not in files:
            continue
        try:
            findings.append(reader(_text(root / name), name))
        except (OSError, ValueError, RecursionError, configparser.Error) as error:
            unread.append(f"{name}: {(str(error) or type(error).__name__).splitlines()[0]}")
    return tuple(findings), tuple(unread)


def entry_files(files: Collection[str]) -> Iterator[EntryPoint]:
    """Yields the files that start a program by convention."""
    for file in sorted(files):
        folder, _, name = file.rpartition("/")
        if name == "__main__.py" and folder and not _is_for_tests(folder):
            package = folder.removeprefix("src/").rpartition("/src/")[2].replace("/", ".")
            yield EntryPoint(name=f"python -m {package}", target=file, source=file)
        elif file == "main.go" or (name == "main.go" and folder.startswith("cmd/")):
            yield EntryPoint(name=f"go run ./{folder}", target=file, source=file)
        elif file == "src/main.rs":
            yield EntryPoint(name="cargo run", target=file, source=file)


def _is_for_tests(folder: str) -> bool:
    return any(part.startswith("test") for part in folder.split("/"))


def _readers(files: Collection[str]) -> Mapping[str, Reader]:
    gradle = "./gradlew" if "gradlew" in files else "gradle"
    gradle_commands = fixed_commands(test=f"{gradle} test", build=f"{gradle} build")
    return {
        "justfile": read_justfile,
        "Justfile": read_justfile,
        "Makefile": read_makefile,
        "GNUmakefile": read_makefile,
        "tox.ini": read_tox,
        "noxfile.py": read_noxfile,
        "pyproject.toml": read_pyproject,
        "setup.cfg": read_setup_cfg,
        "setup.py": read_setup_py,
        "manage.py": read_manage_py,
        "package.json": partial(read_package_json, files=files),
        "Cargo.toml": read_cargo,
        "go.mod": fixed_commands(test="go test ./...", lint="go vet ./...", build="go build ./..."),
        "pom.xml": fixed_commands(test="mvn test", build="mvn package"),
        "build.gradle": gradle_commands,
        "build.gradle.kts": gradle_commands,
        "CMakeLists.txt": fixed_commands(
            test="ctest --test-dir build", build="cmake -B build && cmake --build build"
        ),
    }


def _text(path: Path) -> str:
    return read_start(path, MAX_MANIFEST_BYTES).decode("utf-8", errors="replace")
