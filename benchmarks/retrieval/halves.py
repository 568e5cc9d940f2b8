"""Asks the queries of both halves of the ruler, and reports each half and each repository.

    python benchmarks/retrieval/halves.py QUERIES --repos REPOS --work WORK [--weights WEIGHTS] [--out halves.md]

QUERIES is what make_queries.py wrote, REPOS what it read. WORK keeps the checked-out trees and their memories, so
that a second run only asks. Weights are fitted on the half of that name; the other one is only reported.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from context import PIECES, Answer, Context, Piece, context_of, files_of, mean_context
from doc_comments import without_comments
from peers import all_chunks, peers
from quality import DEPTH, Quality, Query, judged, mean

from aurora_core import Memory
from aurora_core.file_kinds import is_source
from aurora_core.static_model.distill import distil
from aurora_core.static_model.model import StaticModel
from aurora_core.static_model.weights import read_teacher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aurora_core.static_model.weights import FoundTeacher

REPOSITORIES = Path(__file__).with_name("repositories.json")


@dataclass(frozen=True)
class Ruler:
    """A repository's queries of one sort, with the folder to search.

    Attributes:
        sort: "commits" or "functions".
    """

    half: str
    repository: str
    language: str
    sort: str
    tree: Path
    queries: tuple[Query, ...]


def rulers(queries: Path, repositories: Path, work: Path) -> Iterator[Ruler]:
    """Yields all parts of the ruler, their trees checked out."""
    halves = json.loads(REPOSITORIES.read_text(encoding="utf-8"))
    for half, named in halves.items():
        for name, details in named.items():
            for sort in ("commits", "functions"):
                rows = read_rows(queries / f"{sort}_{name.partition('/')[2]}.jsonl")
                tree = work / f"{name.replace('/', '+')}-{sort}"
                if not tree.exists():
                    source = repositories / name.replace("/", "+") / "repo"
                    checked_out(source, rows[0]["index_commit"], tree, sort)
                asked = tuple(query_of(row, sort) for row in rows)
                yield Ruler(half, name, details["language"], sort, tree, asked)


def read_rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def query_of(row: dict[str, str], sort: str) -> Query:
    gold = row["gold"] if sort == "commits" else [place.rpartition(":")[0] for place in row["gold"]]
    return Query(f"{row['title']}\n{row['body']}".strip(), tuple(gold))


def checked_out(source: Path, commit: str, target: Path, sort: str) -> None:
    """Makes a tree: for commits with the history before it, for functions with neither history nor comments."""
    half_made = target.with_name(f"{target.name}.new")
    shutil.rmtree(half_made, ignore_errors=True)
    git = ("git", "-C", str(half_made))
    subprocess.run(["git", "clone", "-q", "--shared", "--no-checkout", source, half_made], check=True)
    subprocess.run([*git, "checkout", "-q", "--detach", commit], check=True)
    refs = subprocess.run([*git, "for-each-ref", "--format=%(refname)"], check=True, capture_output=True, text=True)
    for ref in refs.stdout.split():
        subprocess.run([*git, "update-ref", "-d", ref], check=True)
    if sort == "functions":
        shutil.rmtree(half_made / ".git")
        for path in half_made.rglob("*"):
            name = path.relative_to(half_made).as_posix()
            if path.is_file() and not path.is_symlink() and is_source(name):
                take_comments_out(path, name)
    half_made.rename(target)


def take_comments_out(path: Path, name: str) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    path.write_text(without_comments(name, text), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Asks the queries of both halves.")
    parser.add_argument("queries", type=Path)
    parser.add_argument("--repos", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="a teacher's: searches by meaning are measured too")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("halves.md"))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    teacher = read_teacher(arguments.weights) if arguments.weights else None
    table: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for ruler in rulers(arguments.queries, arguments.repos, arguments.work):
        row = measured(ruler, teacher, arguments.work)
        table[ruler.half, ruler.sort].append(row)
        sys.stderr.write(as_line(ruler.repository, row.results))
    arguments.out.write_text(as_text(table), encoding="utf-8")


@dataclass(frozen=True)
class Row:
    """What was measured for one part: the answers' quality and context by system."""

    ruler: Ruler
    results: Mapping[str, Quality]
    context: Mapping[str, Context]


def measured(ruler: Ruler, teacher: FoundTeacher | None, work: Path) -> Row:
    results: dict[str, Quality] = {}
    context: dict[str, Context] = {}
    with Memory.open(ruler.tree) as memory:
        memory.index()
        answers = {"words": from_memory(ruler, memory)}
        words = memory.word_counts()
        chunks = all_chunks(memory)
    # The ranking of files is by words alone.
    if teacher and ruler.sort == "functions":
        model = work / f"{ruler.tree.name}.npz"
        if not model.exists():
            distil(teacher, words.containing, words.documents, model, on_progress=lambda _done, _all: None)
        with Memory.open(ruler.tree, embedder=StaticModel.load(model)) as memory:
            memory.encode()
            answers["words and meaning"] = from_memory(ruler, memory)
    answers |= {name: [peer(query.text) for query in ruler.queries] for name, peer in peers(chunks).items()}
    for name, found in answers.items():
        results[name], context[name] = scored(ruler, found)
    return Row(ruler, results, context)


def from_memory(ruler: Ruler, memory: Memory) -> list[Answer]:
    """Returns the answers; the ranking of files is asked for where files are wanted."""
    found = []
    for query in ruler.queries:
        hits = [
            Piece(h.file, h.name, h.line_start, h.content) for h in memory.search(query.text, PIECES, record=False)
        ]
        files = [hit.file for hit in memory.search_files(query.text, DEPTH)] if ruler.sort == "commits" else []
        found.append(Answer(pieces=hits, files=files))
    return found


def scored(ruler: Ruler, answers: Sequence[Answer]) -> tuple[Quality, Context]:
    pairs = list(zip(ruler.queries, answers, strict=True))
    if ruler.sort == "commits":
        ranked = [(query, answer.files or files_of(answer.pieces)) for query, answer in pairs]
    else:
        ranked = [(q, list(dict.fromkeys(f"{piece.file}:{piece.name}" for piece in a.pieces))) for q, a in pairs]
    contexts = [context_of(answer.pieces, query.gold) for query, answer in pairs]
    return mean([judged(names, query.gold) for query, names in ranked]), mean_context(contexts)


def as_line(name: str, results: Mapping[str, Quality | Context]) -> str:
    return f"| {name} | {' | '.join(map(str, results.values()))} |\n"


def headed(first: str, systems: Iterable[str]) -> str:
    names = list(systems)
    return f"| {first} | {' | '.join(names)} |\n|---|{'---|' * len(names)}\n"


def as_text(table: Mapping[tuple[str, str], Sequence[Row]]) -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    text = (
        "# Both halves of the ruler\n\n"
        f"{machine}, {datetime.now(UTC):%Y-%m-%d}. Each cell is MRR / R@10 / nDCG@10; a half's is the mean over its "
        "repositories. Made by `python benchmarks/retrieval/halves.py`.\n"
    )
    ordered = sorted(table.items(), key=lambda pair: (pair[0][1], pair[0][0] != "fitting"))
    for (half, sort), rows in ordered:
        count = sum(len(row.ruler.queries) for row in rows)
        text += f"\n## {sort.capitalize()}, {half} half ({count} queries)\n\n"
        text += headed("repository", rows[0].results)
        for row in rows:
            text += as_line(f"{row.ruler.repository} ({row.ruler.language})", row.results)
        text += as_line("**mean**", {name: mean([row.results[name] for row in rows]) for name in rows[0].results})
    text += (
        "\n## What fits into a context\n\n"
        "The share of what is sought among the first hits that fit into 2,000 / 8,000 tokens of four characters: the "
        "files of commits, and functions, which are runs of lines.\n"
    )
    for (half, sort), rows in ordered:
        text += f"\n{headed(f'{sort}, {half}', rows[0].context)}"
        text += as_line("mean", {name: mean_context([row.context[name] for row in rows]) for name in rows[0].context})
    return text


if __name__ == "__main__":
    main()
