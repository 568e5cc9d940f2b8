"""The release rehearsal: what it changes is in a copy, and what would make a bad release stops it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.tooling.programs import ROOT, program

release = program("release")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    release.copy_of_head(tmp_path)
    return tmp_path


def test_the_version_is_set_everywhere_in_the_copy_and_nowhere_else(copy: Path) -> None:
    before = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True).stdout
    old = release.set_version(copy, "9.8.7rc1")
    texts = [path.read_text() for path in copy.glob("packages/*/pyproject.toml")]
    assert len(texts) == 5
    for text in (*texts, (copy / "pyproject.toml").read_text()):
        assert 'version = "9.8.7rc1"' in text
        assert f"=={old}" not in "".join(line for line in text.splitlines() if "aurora-" in line)
    assert sum(text.count("==9.8.7rc1") for text in texts) == 7
    assert (
        subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True).stdout == before
    )


def test_the_changelog_gets_a_section_and_a_new_unreleased_one(copy: Path) -> None:
    log = copy / "CHANGELOG.md"
    assert release.set_changelog(log, "9.8.7") > 5
    assert "## Unreleased\n\n## 9.8.7 (20" in log.read_text()
    with pytest.raises(release.ReleaseError, match="nothing under"):
        release.set_changelog(log, "9.8.8")


@pytest.mark.parametrize("version", ["next", "1.2", "1.2.3; rm", ""])
def test_what_is_no_version_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(release.ReleaseError, match="is no version"):
        release.set_version(tmp_path, version)
