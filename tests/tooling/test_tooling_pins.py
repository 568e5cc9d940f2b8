"""The pins agree, name no index, and a refresh changes only what it must; the real uv resolves made-up wheels."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tools import lock

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).with_name("uv"))
# Put together here, so that this file does not hold what it looks for.
REGISTRIES = ("py" + "pi.org", "pythonhosted" + ".org", "npm" + "js.org", "npm" + "js.com", "crates" + ".io")
INDEX_ADDRESS = re.compile(rb"(?:index-url|find-links)[ =]+\S*:" + rb"//|:" + rb"//[^\s\"'`)]+/simple\b")


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_tracked_file_names_a_package_registry() -> None:
    names = re.compile(b"|".join(re.escape(name.encode()) for name in REGISTRIES), re.IGNORECASE)
    files = tracked_files()
    found = [
        str(path.relative_to(ROOT))
        for path in files
        if (data := path.read_bytes()) and (names.search(data) or INDEX_ADDRESS.search(data))
    ]
    assert ROOT / "dev.py" in files
    assert found == []


def test_the_generated_lock_is_not_tracked() -> None:
    assert ROOT / "uv.lock" not in tracked_files()
    ignored = subprocess.run(["git", "check-ignore", "--quiet", "uv.lock"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_pins_of_this_repository_agree() -> None:
    assert list(lock.disagreements(ROOT)) == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """This repository's metadata, to be spoilt."""
    lock.copy_metadata(ROOT, tmp_path)
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def pin_of(name: str) -> str:
    pins = lock.exported_pins((ROOT / lock.LOCK).read_text())
    return next(pin for pin in pins if pin.startswith(f"{name}=="))


def problems(root: Path) -> str:
    return "\n".join(lock.disagreements(root))


def test_a_pin_in_one_list_only_is_told_from_both_sides(copy: Path) -> None:
    change(copy / "pyproject.toml", pin_of("click"), "click==0.0.1")
    assert "pyproject.toml pins click==0.0.1, requirements.lock does not" in problems(copy)
    assert f"requirements.lock pins {pin_of('click')}, pyproject.toml does not" in problems(copy)


def test_a_requirement_that_its_pin_does_not_meet_is_told_with_the_file(copy: Path) -> None:
    change(copy / "packages/cli/pyproject.toml", '"rich>=', '"rich>=9999,>')
    assert re.search(r"packages/cli/pyproject.toml asks for rich.*9999.* is \d", problems(copy))


def test_a_requirement_without_a_pin_is_told(copy: Path) -> None:
    change(copy / "packages/core/pyproject.toml", '"pyyaml', '"left-out>=1", "pyyaml')
    assert "packages/core/pyproject.toml asks for left-out>=1, pinned on Python 3.11 for linux 0 times" in problems(
        copy
    )


def test_a_development_requirement_counts_too(copy: Path) -> None:
    change(copy / "pyproject.toml", '"ruff>=', '"ruff>=9999,>')
    assert "pyproject.toml asks for ruff" in problems(copy)


def test_a_fork_must_hold_on_every_python(copy: Path) -> None:
    """A pin for new interpreters only leaves the old ones without."""
    old = next(
        pin for pin in lock.exported_pins((copy / lock.LOCK).read_text()) if pin.startswith("numpy==") and "<" in pin
    )
    change(copy / "pyproject.toml", f'"{old}"', f'"{old.replace("<", ">")}"')
    change(copy / lock.LOCK, old, old.replace("<", ">"))
    assert "packages/core/pyproject.toml asks for numpy>=2.0, pinned on Python 3.11 for linux 0 times" in problems(
        copy
    )


@pytest.mark.parametrize("line", ["--index-url somewhere\n", "thing @ file:///thing.whl\n", "# from ftp://host/\n"])
def test_an_address_or_an_option_in_the_lock_is_told(copy: Path, line: str) -> None:
    path = copy / lock.LOCK
    path.write_text(line + path.read_text())
    assert "names an address or an option" in problems(copy)


def test_a_pin_without_a_hash_is_told(copy: Path) -> None:
    path = copy / lock.LOCK
    path.write_text(re.sub(r"^(rich==\S+) (?:\\\n\s+--hash=\S+ ?)+", r"\1", path.read_text(), flags=re.MULTILINE))
    assert f"requirements.lock has no hash for {pin_of('rich')}" in problems(copy)


def test_the_check_ends_with_one_where_pins_disagree(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock.main(["--check"]) == 0
    change(copy / "pyproject.toml", pin_of("click"), "click==0.0.1")
    monkeypatch.setattr(lock, "ROOT", copy)
    assert lock.main(["--check"]) == 1
    assert capsys.readouterr().err.count("\n") == 2


# Refreshing, in a workspace of one package with an index of made-up wheels.


def wheel(folder: Path, name: str, version: str, *, requires: str = "", python: str = ">=3.11") -> None:
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: {python}\n{requires}"
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{information}/METADATA", metadata)
        file.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{information}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, which the workspace names as its only index; uv may not use a network."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    for version in ("1.0", "1.1"):
        wheel(folder, "upper", version, requires="Requires-Dist: lower\n")
        wheel(folder, "lower", version)
    return folder


@pytest.fixture
def workspace(tmp_path: Path, index: Path) -> Path:
    """A workspace whose lock has not been made yet."""
    root = tmp_path / "workspace"
    (root / "packages/one").mkdir(parents=True)
    (root / "pyproject.toml").write_text(
        '[project]\nname = "all"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["one"]\n'
        "[dependency-groups]\ndev = []\n[tool.uv]\npackage = false\nconstraint-dependencies = []\n"
        f'no-index = true\nfind-links = ["{index.as_posix()}"]\n'
        '[tool.uv.workspace]\nmembers = ["packages/*"]\n[tool.uv.sources]\none = { workspace = true }\n'
    )
    (root / "packages/one/pyproject.toml").write_text(
        '[project]\nname = "one"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["upper"]\n'
    )
    (root / lock.LOCK).write_text("")
    return root


def pins(root: Path) -> list[str]:
    assert list(lock.disagreements(root)) == []
    return lock.exported_pins((root / lock.LOCK).read_text())


def ask_for(root: Path, requirement: str) -> None:
    path = root / "packages/one/pyproject.toml"
    path.write_text(re.sub(r"dependencies = .*", f"dependencies = [{requirement}]", path.read_text()))


def test_a_first_refresh_takes_the_newest_and_leaves_members_and_places_out(workspace: Path, index: Path) -> None:
    lock.refresh(workspace, UV, upgrade=False)
    assert pins(workspace) == ["lower==1.1", "upper==1.1"]
    assert str(index) not in (workspace / lock.LOCK).read_text()
    assert (workspace / "uv.lock").exists()


def test_a_refresh_keeps_pins_that_still_fit(workspace: Path, index: Path) -> None:
    lock.refresh(workspace, UV, upgrade=False)
    for name in ("lower", "upper"):
        wheel(index, name, "2.0", requires="Requires-Dist: lower\n" if name == "upper" else "")
    before = (workspace / lock.LOCK).read_text(), (workspace / "pyproject.toml").read_text()
    lock.refresh(workspace, UV, upgrade=False)
    assert ((workspace / lock.LOCK).read_text(), (workspace / "pyproject.toml").read_text()) == before
    ask_for(workspace, '"upper>=2"')
    lock.refresh(workspace, UV, upgrade=False)
    assert pins(workspace) == ["lower==1.1", "upper==2.0"]


def test_an_upgrade_moves_every_pin(workspace: Path, index: Path) -> None:
    lock.refresh(workspace, UV, upgrade=False)
    for name in ("lower", "upper"):
        wheel(index, name, "2.0", requires="Requires-Dist: lower\n" if name == "upper" else "")
    lock.refresh(workspace, UV, upgrade=True)
    assert pins(workspace) == ["lower==2.0", "upper==2.0"]


def test_a_fork_keeps_its_markers_in_both_lists(workspace: Path, index: Path) -> None:
    wheel(index, "lower", "2.0", python=">=3.13")
    lock.refresh(workspace, UV, upgrade=False)
    assert pins(workspace) == [
        "lower==1.1 ; python_full_version < '3.13'",
        "lower==2.0 ; python_full_version >= '3.13'",
        "upper==1.1",
    ]
    lock.refresh(workspace, UV, upgrade=False)
    assert len(pins(workspace)) == 3


def test_a_refresh_without_a_solution_changes_nothing_and_says_so(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock.refresh(workspace, UV, upgrade=False)
    ask_for(workspace, '"upper>=99"')
    shutil.copytree(workspace, before := workspace.with_name("before"))
    monkeypatch.setattr(lock, "ROOT", workspace)
    assert lock.main([UV]) == 1
    assert "the pins are as they were" in capsys.readouterr().err
    for name in ("pyproject.toml", lock.LOCK, "uv.lock"):
        assert (workspace / name).read_bytes() == (before / name).read_bytes()


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert lock.main([UV, "--upgrad"]) == 2
    assert "--upgrad" in capsys.readouterr().err
