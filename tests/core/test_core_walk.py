"""Only files worth reading are read, as git would have it, and whatever else lies there does no harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aurora_core import SkippedFile
from aurora_core.indexing.walk import FoundFile, walk
from aurora_core.report import CONFIDENTIAL, LeftOut


def make(root: Path, *files: str) -> None:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")


def found(root: Path, below: str = "", exclude: tuple[str, ...] = ()) -> list[str]:
    return [
        entry.path
        for entry in walk(root, below, exclude)
        if isinstance(entry, FoundFile) and not entry.path.endswith(".gitignore")
    ]


def test_every_file_is_found_in_a_stable_order(tmp_path: Path) -> None:
    make(tmp_path, "b.py", "a.py", "docs/guide.md", "README", "odd.kind", "data.json", "src/x.rs")
    assert found(tmp_path) == ["README", "a.py", "b.py", "data.json", "odd.kind", "docs/guide.md", "src/x.rs"]


def test_gitignore_files_hold_for_their_own_folder(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "out/a.py", "lib/a.py", "lib/gen/a.py", "lib/gen/keep.py", "gen/a.py", "deep/x/skip.py")
    (tmp_path / ".gitignore").write_text("/out/\nskip.py\n")
    (tmp_path / "lib" / ".gitignore").write_text("gen/*\n!gen/keep.py\n")
    assert found(tmp_path) == ["a.py", "gen/a.py", "lib/a.py", "lib/gen/keep.py"]


def test_an_inner_rule_overrules_an_outer_one(tmp_path: Path) -> None:
    make(tmp_path, "a/skip.py", "b/skip.py")
    (tmp_path / ".gitignore").write_text("skip.py\n")
    (tmp_path / "b" / ".gitignore").write_text("!skip.py\n")
    assert found(tmp_path) == ["b/skip.py"]


def test_the_repository_s_own_excludes_are_honoured(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "private.py", ".git/info/x.py")
    (tmp_path / ".git" / "info" / "exclude").write_text("private.py\n")
    assert found(tmp_path) == ["a.py"]


def test_generated_and_fetched_folders_are_left_out(tmp_path: Path) -> None:
    make(
        tmp_path,
        "a.py",
        "node_modules/x.js",
        ".venv/y.py",
        "vendor/z.go",
        ".aurora/logs/q.md",
        "a.min.js",
        "m_pb2.py",
    )
    assert found(tmp_path) == ["a.py"]


def test_excludes_of_the_configuration_are_honoured(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "legacy/b.py", "c_test.py")
    assert found(tmp_path, exclude=("legacy/", "*_test.py")) == ["a.py"]


def test_a_sub_folder_or_a_single_file_can_be_asked_for(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "lib/a.py", "lib/b/c.py", "library/a.py")
    (tmp_path / ".gitignore").write_text("c.py\n")
    assert found(tmp_path, "lib") == ["lib/a.py"]
    assert found(tmp_path, "lib/a.py") == ["lib/a.py"]
    assert found(tmp_path, "nowhere") == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "project"
    make(tmp_path, "outside/secret.py", "project/a.py")
    (inside / "loop").symlink_to(inside)
    (inside / "out").symlink_to(tmp_path / "outside")
    (inside / "linked.py").symlink_to(tmp_path / "outside" / "secret.py")
    (inside / "dangling.py").symlink_to(tmp_path / "nowhere.py")
    assert found(inside) == ["a.py"]


@pytest.mark.parametrize(
    "name", ["with space.py", "with\nnewline.py", "naïve-日本.py", "x" * 252 + ".py", "-rf.py", "'\".py"]
)
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    assert found(tmp_path) == [name]


def test_a_name_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.py")).write_text("x = 1\n")
    (entry,) = walk(tmp_path)
    assert isinstance(entry, SkippedFile)
    assert "not UTF-8" in entry.reason


def test_no_file_is_opened_to_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("big.py", "picture.png", "rows.csv"):
        (tmp_path / name).write_text("#" * 600_001)
    opened: list[str] = []
    real = os.open

    def watched(path: str, flags: int) -> int:
        opened.append(Path(path).name)
        return real(path, flags)

    monkeypatch.setattr(os, "open", watched)
    assert [(entry.path, isinstance(entry, FoundFile)) for entry in walk(tmp_path)] == [
        ("big.py", True),
        ("picture.png", True),
        ("rows.csv", False),
    ]
    assert ".git" in opened
    assert not {"big.py", "picture.png", "rows.csv"} & set(opened)


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    make(tmp_path, "a.py")
    assert found(tmp_path) == ["a.py"]


def test_a_folder_called_like_a_source_is_a_folder(tmp_path: Path) -> None:
    make(tmp_path, "odd.py/inner.py")
    assert found(tmp_path) == ["odd.py/inner.py"]


@pytest.mark.parametrize(
    "file",
    [
        *(".env", ".env.local", "deep/.env.production", "prod.env", ".envrc", "id_rsa", "server.pem", "auth.p8"),
        *("terraform.tfstate", "terraform.tfstate.backup", "prod.tfvars", "prod.auto.tfvars", "a.tfvars.json"),
        *("credentials.json", ".aws/credentials", "home/.aws/credentials", ".dockercfg", ".docker/config.json"),
        *(".kube/config", "kubeconfig", ".s3cfg", ".my.cnf", "_netrc", ".NETRC"),
    ],
)
def test_files_that_hold_secrets_by_their_names_are_left_out(tmp_path: Path, file: str) -> None:
    make(tmp_path, file)
    assert list(walk(tmp_path)) == [LeftOut(path=file, reason=CONFIDENTIAL)]


@pytest.mark.parametrize(
    "file",
    [
        *(".env.example", ".env.local.example", ".env.sample", "example.env", ".envrc.template", "env.py"),
        *("terraform.tfvars.example", "example.tfvars", "variables.tf", "credentials.py", "credentials"),
        *("config.json", "docker/config.json", ".kube/config.md", "kube/config", "my.cnf", "tfstate.go"),
    ],
)
def test_examples_and_names_that_sound_like_secrets_are_found(tmp_path: Path, file: str) -> None:
    make(tmp_path, file)
    assert found(tmp_path) == [file]
