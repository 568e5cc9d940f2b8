"""A repository's own configuration starts nothing and fetches nothing, whatever Aurora asks of git there.

Every trap leaves a marker when it is sprung. Plain git springs each of them, so that a marker that is missing means
that Aurora asked in a safer way, and not that the trap was dull.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.exhaustive import few

from aurora_core import Memory
from aurora_core.git import run_git
from aurora_core.project_profile.listing import list_files

SIGNED = (
    "tree {tree}\nauthor a <a@example.invalid> 1700000000 +0000\ncommitter a <a@example.invalid> 1700000000 +0000\n"
    "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n\nSigned\n"
)


def git(folder: Path, *arguments: str, given: str | None = None) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environ,
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return done.stdout.strip()


class Trap:
    """A repository with one file, one commit, and a program that notes that it was started."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "clone"
        self.marker = folder / "sprung"
        self.program = folder / "spring"
        self.program.write_text(f"#!/bin/sh\ntouch {self.marker}\n")
        self.program.chmod(0o755)
        self.root.mkdir()
        git(self.root, "init", "-q")
        (self.root / "a.py").write_text("def alpha():\n    return 1\n")
        git(self.root, "add", "-A")
        git(self.root, "commit", "-qm", "Start")

    def set(self, name: str, value: str) -> None:
        git(self.root, "config", name, value)

    def sprung(self) -> bool:
        return self.marker.exists()


def monitor(trap: Trap) -> None:
    trap.set("core.fsmonitor", str(trap.program))


def hooks(trap: Trap) -> None:
    hook = trap.root / ".git" / "hooks" / "post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(trap.program.read_text())
    hook.chmod(0o755)
    later = time.time() + 10
    os.utime(trap.root / "a.py", (later, later))


def hooks_elsewhere(trap: Trap) -> None:
    hooks(trap)
    (trap.root / ".git" / "hooks").rename(trap.root / "tools")
    trap.set("core.hooksPath", "tools")


def external_difference(trap: Trap) -> None:
    trap.set("diff.external", str(trap.program))
    (trap.root / "a.py").write_text("def alpha():\n    return 2\n")


def text_conversion(trap: Trap) -> None:
    trap.set("diff.py.textconv", str(trap.program))
    (trap.root / ".gitattributes").write_text("*.py diff=py\n")


def clean_filter(trap: Trap) -> None:
    trap.set("filter.py.clean", str(trap.program))
    (trap.root / ".gitattributes").write_text("*.py filter=py\n")
    (trap.root / "a.py").write_text("def alpha():\n    return 3\n")


def signature_checker(trap: Trap) -> None:
    signed = SIGNED.format(tree=git(trap.root, "rev-parse", "HEAD^{tree}"))
    made = git(trap.root, "hash-object", "-t", "commit", "-w", "--stdin", given=signed)
    git(trap.root, "reset", "-q", made)
    trap.set("log.showSignature", "true")
    trap.set("gpg.program", str(trap.program))


def without_trees(trap: Trap) -> None:
    """Makes the repository one whose trees have to be fetched before its history can be read."""
    (trap.root / "a.py").write_text("def alpha():\n    return 4\n")
    git(trap.root, "commit", "-qam", "Second")
    for place in (trap.root / ".git" / "objects").glob("??/*"):
        if git(trap.root, "cat-file", "-t", place.parent.name + place.name) == "tree":
            place.unlink()
    trap.set("core.repositoryFormatVersion", "1")
    trap.set("extensions.partialClone", "origin")
    trap.set("remote.origin.promisor", "true")


def lazy_fetch_by_ssh(trap: Trap) -> None:
    without_trees(trap)
    trap.set("remote.origin.url", "ssh://host.invalid/repository")
    trap.set("core.sshCommand", str(trap.program))


def lazy_fetch_by_command(trap: Trap) -> None:
    without_trees(trap)
    trap.set("protocol.ext.allow", "always")
    trap.set("remote.origin.url", f"ext::{trap.program}")


def lazy_fetch_by_upload_program(trap: Trap) -> None:
    without_trees(trap)
    trap.set("remote.origin.url", str(trap.root.parent / "clone"))
    trap.set("remote.origin.uploadpack", str(trap.program))


TRAPS: dict[Callable[[Trap], None], tuple[str, ...]] = {
    monitor: ("status",),
    hooks: ("status",),
    hooks_elsewhere: ("status",),
    external_difference: ("diff",),
    text_conversion: ("log", "-p"),
    clean_filter: ("status",),
    signature_checker: ("log",),
    lazy_fetch_by_ssh: ("log", "--name-only"),
    lazy_fetch_by_command: ("log", "--name-only"),
    lazy_fetch_by_upload_program: ("log", "--name-only"),
}


def named(setting: Callable[[Trap], None]) -> str:
    return setting.__name__


@pytest.mark.parametrize("setting", few(TRAPS, 3), ids=named)
def test_indexing_springs_no_trap_of_a_repository(tmp_path: Path, setting: Callable[[Trap], None]) -> None:
    trap = Trap(tmp_path)
    setting(trap)
    with Memory.open(trap.root) as memory:
        memory.index()
        assert memory.search("alpha")[0].file == "a.py"
        memory.index()
    assert "a.py" in list_files(trap.root)
    assert not trap.sprung()
    git(trap.root, *TRAPS[setting])
    assert trap.sprung(), "plain git springs it"


@pytest.mark.parametrize("setting", few(TRAPS, 3), ids=named)
def test_the_commands_that_spring_a_trap_do_not_where_they_are_run_hardened(
    tmp_path: Path, setting: Callable[[Trap], None]
) -> None:
    trap = Trap(tmp_path)
    setting(trap)
    if TRAPS[setting] == ("status",) and setting is clean_filter:
        pytest.skip("only commands that compare contents convert them, and none of ours does")
    safe = () if TRAPS[setting][0] == "status" else ("--no-ext-diff", "--no-textconv")
    answer = run_git(trap.root, *TRAPS[setting], *safe)
    assert not trap.sprung()
    without_an_answer = TRAPS[setting] == ("log", "--name-only")  # the trees are missing
    assert (answer is None) is without_an_answer, "git was asked"


@pytest.mark.parametrize("setting", [monitor, lazy_fetch_by_ssh, lazy_fetch_by_command], ids=named)
def test_a_bare_repository_inside_a_project_springs_nothing(tmp_path: Path, setting: Callable[[Trap], None]) -> None:
    """Committed as a sub-folder, it looks like the repository of whoever stands in it."""
    trap = Trap(tmp_path)
    setting(trap)
    bare = tmp_path / "project" / "parts" / "thing"
    bare.parent.mkdir(parents=True)
    (trap.root / ".git").rename(bare)
    git(bare, "config", "core.bare", "true")
    (bare / "note.py").write_text("def beta():\n    return 1\n")
    for folder in (bare, tmp_path / "project"):
        with Memory.open(folder) as memory:
            memory.index()
            assert memory.search("beta")
    list_files(bare)
    assert run_git(bare, "rev-parse", "HEAD") is None, "it is no repository of ours"
    assert not trap.sprung()
    if setting is not monitor:
        git(bare, "log", "--name-only")
        assert trap.sprung(), "plain git springs it"


def test_variables_for_another_repository_are_not_for_git_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook and an editor set them; they would lead git elsewhere and count more than our settings."""
    (tmp_path / "other").mkdir()
    trap, other = Trap(tmp_path), Trap(tmp_path / "other")
    for name, value in {
        "GIT_DIR": str(other.root / ".git"),
        "GIT_WORK_TREE": str(other.root),
        "GIT_EXTERNAL_DIFF": str(trap.program),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "from.elsewhere",
        "GIT_CONFIG_VALUE_0": "yes",
    }.items():
        monkeypatch.setenv(name, value)
    (trap.root / "a.py").write_text("def alpha():\n    return 5\n")
    shown = run_git(trap.root, "rev-parse", "--show-toplevel", "--absolute-git-dir")
    assert shown is not None
    assert shown.data.splitlines() == [os.fsencode(path) for path in (trap.root, trap.root / ".git")]
    assert run_git(trap.root, "config", "from.elsewhere") is None
    run_git(trap.root, "diff")
    assert not trap.sprung()


def test_git_that_hangs_or_floods_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\ncase $* in *hang*) exec sleep 60;; *) exec yes;; esac\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    assert run_git(tmp_path, "hang", timeout_s=0.2) is None
    flood = run_git(tmp_path, "flood", max_bytes=1000)
    assert flood is not None
    assert (len(flood.data), flood.complete) == (1000, False)


def test_a_folder_that_is_gone_and_a_git_that_fails_are_no_answer(tmp_path: Path) -> None:
    assert run_git(tmp_path / "gone", "--version") is None
    assert run_git(tmp_path, "rev-parse", "HEAD") is None
    assert run_git(tmp_path, "--version") is not None


@pytest.mark.parametrize("stamp", ["99999999999999999999", "-5", "18446744073709551615", "4102444800", "0"])
def test_a_commit_of_an_odd_date_counts_as_undated(tmp_path: Path, stamp: str) -> None:
    trap = Trap(tmp_path)
    tree, parent = (git(trap.root, "rev-parse", name) for name in ("HEAD^{tree}", "HEAD"))
    (trap.root / "b.py").write_text("def beta():\n    return 1\n")
    git(trap.root, "add", "-A")
    tree = git(trap.root, "write-tree")
    odd = (
        f"tree {tree}\nparent {parent}\nauthor a <a@b> {stamp} +0000\ncommitter a <a@b> {stamp} +0000\n\nZeppelins\n"
    )
    made = git(trap.root, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", given=odd)
    git(trap.root, "reset", "-q", made)
    with Memory.open(trap.root) as memory:
        memory.index()
        assert [hit.file for hit in memory.search_files("zeppelins")] == ["b.py"]
