"""Makes queries out of the history and the comments of repositories that were cloned before.

    python benchmarks/retrieval/make_queries.py REPOS OUT

REPOS holds git repositories as OWNER+NAME/repo; `repositories.json` names them, each with its last commit and the
half that it belongs to. For each repository OUT gets commits_NAME.jsonl (subject and body of a commit → the one to
three sources that it changed, in the tree as it was before all of them) and functions_NAME.jsonl (the comment of a
function → that function, searched in a tree without such comments).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import secrets
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from doc_comments import documented

from aurora_core.file_kinds import is_source, is_test_file

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERIES = 60
MAX_GOLD = 3
# One file that every change touches (a table of versions, a list of types) would be the answer to every query.
MAX_SAME = 3
# Of all commits, so many of the newest are looked through.
LOOKED_THROUGH = 3000
MIN_WORDS = 3
MAX_BODY = 4000
_MECHANICAL = re.compile(
    r"bump|release|merge|revert|version|changelog|typo|lint|format|prepare|update dependenc|\[?automat|fixup|"
    r"chore\(deps|v?\d+\.\d+|update (?:history|docs|copyright)",
    re.IGNORECASE,
)
# Trailers and identifiers of tools say nothing about the change.
_TRAILER = re.compile(r"^(?:[A-Z][\w-]+-by|Change-Id|git-svn-id|PiperOrigin-RevId): .*$", re.MULTILINE)


@dataclass(frozen=True)
class Candidate:
    """A commit that changed few files."""

    id: str
    at: int
    title: str
    body: str
    gold: tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes queries out of repositories.")
    parser.add_argument("repos", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    halves = json.loads(Path(__file__).with_name("repositories.json").read_text(encoding="utf-8"))
    for name, details in (pair for half in halves.values() for pair in half.items()):
        repository = arguments.repos / name.replace("/", "+") / "repo"
        base, commits = chosen(repository, details["commit"])
        rows = [
            {"id": f"{name}-{c.id[:10]}", "repo": name, "index_commit": base, "source_commit": c.id, "date": c.at,
             "title": c.title, "body": c.body, "gold": list(c.gold)}
            for c in commits
        ]  # fmt: skip
        short = name.partition("/")[2]
        written(arguments.out / f"commits_{short}.jsonl", rows)
        functions = list(function_rows(name, repository, base))
        written(arguments.out / f"functions_{short}.jsonl", functions)
        print(f"{name}: {len(rows)} commits, {len(functions)} functions at {base[:10]}", flush=True)


def written(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout.decode("utf-8", "replace")


def chosen(repository: Path, newest: str) -> tuple[str, list[Candidate]]:
    """Returns the commit to index and the commits after it that are asked for, oldest first.

    The tree must be older than all queries, and as young as possible: files that it does not have are no answers.
    """
    taken: list[Candidate] = []
    same: Counter[tuple[str, ...]] = Counter()
    oldest = newest
    for candidate in candidates(repository, newest):
        if same[candidate.gold] < MAX_SAME:
            same[candidate.gold] += 1
            taken.append(candidate)
            oldest = candidate.id
            # Some will fall away, because they change files that are younger than the tree.
            if len(taken) >= 2 * QUERIES:
                break
    base = git(repository, "rev-parse", f"{oldest}^").strip()
    there = set(git(repository, "ls-tree", "-r", "--name-only", "-z", base).split("\0"))
    usable = [each for each in reversed(taken) if there.issuperset(each.gold)]
    return base, usable[:QUERIES]


def candidates(repository: Path, newest: str) -> Iterator[Candidate]:
    """Yields commits from the newest, whose subject says something and that changed one to three sources."""
    mark = secrets.token_hex(8)
    how = (
        "--first-parent",
        "-m",
        "--no-renames",
        "--name-status",
        "-z",
        f"--format=%x00{mark}%H%x00%ct%x00%s%x00%b%x00",
    )
    for record in git(repository, "log", f"-n{LOOKED_THROUGH}", *how, newest).split(f"\0{mark}")[1:]:
        yield from read_record(record)


def read_record(record: str) -> Iterator[Candidate]:
    commit, at, title, body, *names = record.split("\0")
    names = [name.lstrip("\n") for name in names if name.strip()]
    changes = list(zip(names[::2], names[1::2], strict=True))
    sources = [(kind, path) for kind, path in changes if is_source(path) and not is_test_file(path)]
    gold = tuple(sorted(path for kind, path in sources if kind == "M"))
    if not 1 <= len(gold) <= MAX_GOLD or len(sources) != len(gold):
        return
    if len(re.findall(r"\w+", title)) < MIN_WORDS or _MECHANICAL.search(title):
        return
    yield Candidate(commit, int(at), title, _TRAILER.sub("", body).strip()[:MAX_BODY], gold)


def function_rows(name: str, repository: Path, base: str) -> Iterator[dict[str, object]]:
    """Yields the queries of functions, an even draw by the hash of their places."""
    found: list[tuple[str, str, str, int]] = []
    asked: Counter[str] = Counter()
    for entry in git(repository, "ls-tree", "-r", "-z", base).split("\0"):
        kind, _, path = entry.partition("\t")
        if " blob " in kind and is_source(path) and not is_test_file(path):
            text = git(repository, "show", f"{base}:{path}")
            for function in documented(path, text):
                found.append((function.comment, path, function.name, function.line))
                asked[function.comment] += 1
    # A comment that several functions have has no one answer.
    found = [each for each in found if asked[each[0]] == 1]
    found.sort(key=lambda each: hashlib.sha256(f"{each[1]}:{each[2]}".encode()).digest())
    for comment, path, function_name, line in found[:QUERIES]:
        yield {
            "id": f"{name}-{path}:{function_name}", "repo": name, "index_commit": base, "title": comment, "body": "",
            "gold": [f"{path}:{function_name}:{line}"],
        }  # fmt: skip


if __name__ == "__main__":
    main()
