"""Rehearse a release on a copy of the last commit: version, changelog, build, contents, installation, first use.

    python3 dev.py run python tools/release.py 0.2.0

The copy is thrown away and the work tree stays as it is. `--keep FOLDER` leaves the copy with its `dist/`; nothing is
published and no tag is made. Every Python from 3.11 on that is installed here tries the wheels.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
PACKAGES = ("cli", "core", "policies", "soar", "spawner")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")


class ReleaseError(Exception):
    """Something that would make the release a bad one."""


def main() -> None:
    """Rehearses, step by step; ends with a non-zero status at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", help="of the release, such as 0.2.0")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="a new folder for the copy")
    given = parser.parse_args()
    try:
        if given.keep is not None:
            given.keep.mkdir(parents=True)
            rehearse(given.version, given.keep.resolve())
            return
        with tempfile.TemporaryDirectory(prefix="aurora-release-") as name:
            rehearse(given.version, Path(name))
    except (ReleaseError, OSError) as error:
        sys.exit(f"release: {error}")


def rehearse(version: str, copy: Path) -> None:
    """Makes a release in a copy of the last commit, and installs it."""
    copy_of_head(copy)
    before = set_version(copy, version)
    say(f"version {before} → {version}")
    say(f"changelog: {set_changelog(copy / 'CHANGELOG.md', version)} lines")
    run([UV, "build", "--all-packages", "--quiet", "--out-dir", copy / "dist"], copy)
    for name in PACKAGES:
        say(f"{name}: {check_files(copy, name, version)} files, all in its wheel and its source distribution")
    for python in installed_pythons():
        said = run([sys.executable, copy / "tools" / "try_wheels.py", copy / "dist", python], copy)
        say(f"{python}:\n{said.rstrip()}")


def copy_of_head(copy: Path) -> None:
    """Writes the files of the last commit into a folder."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    place = copy / "head.tar"
    place.write_bytes(archive)
    with tarfile.open(place) as packed:
        packed.extractall(copy, filter="data")
    place.unlink()


def set_version(copy: Path, version: str) -> str:
    """Sets the version of the workspace, of the packages and of what they need of each other; returns the old."""
    if not VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r} is no version such as 0.2.0")
    files = [copy / "pyproject.toml", *(copy / "packages" / name / "pyproject.toml" for name in PACKAGES)]
    found = {re.search(r'^version = "([^"]+)"$', file.read_text(), re.MULTILINE)[1] for file in files}  # type: ignore[index]
    if len(found) != 1:
        raise ReleaseError(f"the packages have several versions: {', '.join(sorted(found))}")
    (before,) = found
    for file in files:
        text = file.read_text()
        text = text.replace(f'version = "{before}"', f'version = "{version}"', 1)
        file.write_text(re.sub(rf'("aurora-[a-z\[\],]+)=={re.escape(before)}"', rf'\1=={version}"', text))
    return before


def set_changelog(file: Path, version: str) -> int:
    """Turns what is unreleased into the section of the version; returns its number of lines."""
    text = file.read_text()
    head, found, rest = text.partition("## Unreleased\n")
    section = rest.partition("\n## ")[0].strip()
    if not found or not section:
        raise ReleaseError("CHANGELOG.md has nothing under `## Unreleased`")
    file.write_text(f"{head}## Unreleased\n\n## {version} ({datetime.now(UTC):%Y-%m-%d})\n{rest}")
    return len(section.splitlines())


def check_files(copy: Path, name: str, version: str) -> int:
    """Compares a package's files with its wheel and its source distribution, and reads the wheel's metadata."""
    source = copy / "packages" / name / "src"
    files = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    files = {each for each in files if "__pycache__" not in each and ".egg-info" not in each}
    project = re.search(r'^name = "([^"]+)"$', (source.parent / "pyproject.toml").read_text(), re.MULTILINE)
    assert project is not None
    stem = f"{project[1].replace('-', '_')}-{version}"
    with zipfile.ZipFile(next((copy / "dist").glob(f"{stem}-*.whl"))) as wheel:
        packed = set(wheel.namelist())
        metadata = wheel.read(f"{stem}.dist-info/METADATA").decode()
    with tarfile.open(copy / "dist" / f"{stem}.tar.gz") as sources:
        unpacked = {member.name.partition("/src/")[2] for member in sources.getmembers()}
    for what, found in (("wheel", packed), ("source distribution", unpacked)):
        if missing := sorted(files - found):
            raise ReleaseError(f"the {what} of {project[1]} lacks {', '.join(missing[:5])}")
    for wanted in (f"Version: {version}", "Requires-Python: >=3.11", "License", "Summary: "):
        if wanted not in metadata:
            raise ReleaseError(f"the metadata of {project[1]} lacks {wanted!r}")
    return len(files)


def installed_pythons() -> list[str]:
    """Returns the interpreters that can try the wheels: this one, then others by their version."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [sys.executable, *(found for each in PYTHONS if each != own and (found := python_of(each)))]


def python_of(version: str) -> str | None:
    """Returns an installed interpreter of a version; None if there is none. A shim of pyenv may name none."""
    program = shutil.which(f"python{version}")
    if program is None:
        return None
    ask = [program, "-c", "import sys; print(sys.executable)"]
    environ = {**os.environ, "PYENV_VERSION": version}
    done = subprocess.run(ask, env=environ, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def run(command: list[str | Path], folder: Path) -> str:
    """Runs a command; returns its output."""
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
