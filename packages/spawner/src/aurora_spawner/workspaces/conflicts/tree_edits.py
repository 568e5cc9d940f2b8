"""Trees with other entries, made without a checkout."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aurora_spawner.workspaces.git import Git


def entries_of(git: Git, tree: str, names: Collection[str]) -> dict[str, str]:
    """Returns the entries of files in a tree, each as mode and object, such as `100644 <blob>`; others are missing.

    Raises:
        GitError: There is no such tree.
    """
    found: dict[str, str] = {}
    if names:
        for line in git.run("ls-tree", "-r", "-z", "--full-tree", tree, "--", *names).fields:
            about, _, name = line.partition("\t")
            mode, _kind, blob = about.split()
            found[name] = f"{mode} {blob}"
    return found


def with_entries(git: Git, tree: str, entries: Mapping[str, str | None]) -> str:
    """Returns a tree in which these files have these entries; None removes a file.

    Raises:
        GitError: Git failed.
    """
    gone = "0 " + "0" * len(git.text("rev-parse", "--verify", f"{tree}^{{tree}}"))
    lines = "".join(f"{entry or gone}\t{name}\0" for name, entry in entries.items())
    with tempfile.TemporaryDirectory(prefix="aurora-index-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.run("read-tree", tree, environment=index)
        git.run(
            "update-index",
            "-z",
            "--index-info",
            stdin=lines.encode(errors="surrogateescape"),
            environment=index,
        )
        return git.text("write-tree", environment=index)
