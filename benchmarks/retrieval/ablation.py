"""What each part of the ranking earns: the benchmark's queries with one part left out, or tried in addition.

    python benchmarks/retrieval/ablation.py BENCH --repos REPOS [--functions DIR] [--out results.md]

BENCH is a folder of *.jsonl files whose rows are {repo, index_commit, title, body, gold: [path, …]}; REPOS holds git
repositories as OWNER+NAME/repo. Each repository is checked out at the row's commit, with only that commit's ancestors
reachable, indexed once, and asked every query of its rows. DIR is a package whose docstrings were taken out, for the
rows of func_*.jsonl, whose gold is "package/path:Qualified.name:line".
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import latent
import numpy as np
from quality import DEPTH, Quality, Query, judged, mean

from aurora_core import Memory, kin_words, name_match, path_mentions, ranking, search
from aurora_core.index import bm25, compounds, history
from aurora_core.index.bm25 import FieldWeights
from aurora_core.ranking import WEIGHTS, PartWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# More queries of one repository than this with one and the same answer are one edit, made again and again.
MAX_SAME = 40


def main() -> None:
    parser = argparse.ArgumentParser(description="What each part of the ranking earns.")
    parser.add_argument("bench", type=Path)
    parser.add_argument("--repos", type=Path, required=True)
    parser.add_argument("--functions", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.md"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aurora-ablation-") as folder:
        sets = {
            name: prepared(sorted(arguments.bench.glob(pattern)), arguments.repos, Path(folder))
            for name, pattern in {"commits": "commits_*.jsonl", "issues": "issues_*.jsonl"}.items()
        }
        functions = prepared_functions(arguments.bench, arguments.functions, Path(folder))
        rows = [row(label, sets, functions, weights) for label, weights in variants()]
        for label, changes in CONSTANTS.items():
            with changed(changes):
                rows.append(row(label, sets, functions, WEIGHTS))
        with latent.added(weight=0.1, dimensions=64):
            rows.append(row("with latent semantic analysis of files (64 dimensions, 0.1)", sets, None, WEIGHTS))
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    count = {name: sum(len(queries) for _, queries in groups) for name, groups in sets.items()}
    table = "".join(rows)
    arguments.out.write_text(
        "# What each part of the ranking earns\n\n"
        f"{count['commits']} commits and {count['issues']} issues, macro over repositories, and "
        f"{len(functions[1]) if functions else 0} functions by their docstrings; {machine}, "
        f"{datetime.now(UTC):%Y-%m-%d}. Each cell is MRR / R@10 / nDCG@10. Made by "
        "`python benchmarks/retrieval/ablation.py`.\n\n"
        "| ranking | commits | issues | functions |\n"
        "|---|---|---|---|\n" + table
    )
    sys.stdout.write(table)


# What is set otherwise for a row: (module, constant, value).
CONSTANTS: dict[str, list[tuple[object, str, object]]] = {
    "tests count in full": [(search, "TEST_WEIGHT", 1.0)],
    "documents count in full": [(search, "DOCUMENT_WEIGHT", 1.0)],
    "without short forms of words": [(bm25, "RELATED", {})],
    "without names that words spell apart": [
        (compounds, weight, 0.0) for weight in ("HYPHENATED_WEIGHT", "ADJACENT_WEIGHT")
    ],
    "title counts as the body": [(bm25, "TITLE_WEIGHT", 1)],
    "40 query terms": [(bm25, "MAX_QUERY_TERMS", 40)],
    "old commits count in full": [(history, "NEIGHBOUR_HALF_LIFE_S", math.inf)],
    "without the scopes of titles": [(path_mentions, "SCOPE_WEIGHT", 0.0)],
    "what is left of files and types counts in full": [(search, "REST_WEIGHTS", np.ones(16, dtype=np.float32))],
    "files of many chunks count in full": [(search, "SIZE_POWER", 0.0)],
    "without the agreement of names in chunks": [(ranking, "NAME_WEIGHT", 0.0)],
    "the agreement of own names alone": [
        (name_match, share, value) for share, value in (("OWN_SHARE", 1), ("FULL_SHARE", 0), ("SIGNATURE_SHARE", 0))
    ],
    "without words of like meaning in names": [(kin_words, "KIN", 0.0)],
    "all words of a query count the same in names": [(name_match, "HALVED_AFTER", math.inf)],
    "without the file's share in chunks": [(search, "FILE_WEIGHT", 0.0)],
    "names and paths count as the body": [
        (search, field, FieldWeights(path=1, name=1, b=b))
        for field, b in (("CHUNK", 0.75), ("BALANCED", 0.5), ("SINGLE", 0.75))
    ],
}


def variants() -> Iterator[tuple[str, PartWeights]]:
    yield "**all parts**", WEIGHTS
    for part in fields(WEIGHTS):
        if part.name != "ranked":
            yield f"without {part.name}", replace(WEIGHTS, **{part.name: 0.0})
    yield "chunks alone", PartWeights(best=0, history=0, recency=0, symbol=0, name=0, path=0)


Groups = list[tuple[Memory, list[Query]]]


def prepared(files: Sequence[Path], repositories: Path, work: Path) -> Groups:
    """Indexed memories with their queries, one for each repository and commit."""
    grouped: dict[tuple[str, str], list[Query]] = defaultdict(list)
    for file in files:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        same = Counter(tuple(data["gold"]) for data in rows)
        for data in rows:
            if same[tuple(data["gold"])] > MAX_SAME:
                continue
            text = f"{data['title']}\n{data['body']}".strip()
            grouped[data["repo"], data["index_commit"]].append(Query(text, tuple(data["gold"])))
    groups: Groups = []
    for (name, commit), queries in grouped.items():
        target = work / f"{name.replace('/', '+')}-{commit[:12]}"
        checkout(repositories / name.replace("/", "+") / "repo", commit, target)
        memory = Memory.open(target)
        memory.index()
        groups.append((memory, queries))
    return groups


def checkout(source: Path, commit: str, target: Path) -> None:
    git = ("git", "-C", str(target))
    subprocess.run(["git", "clone", "-q", "--shared", "--no-checkout", source, target], check=True)
    subprocess.run([*git, "checkout", "-q", "--detach", commit], check=True)
    refs = subprocess.run([*git, "for-each-ref", "--format=%(refname)"], check=True, capture_output=True, text=True)
    for ref in refs.stdout.split():
        subprocess.run([*git, "update-ref", "-d", ref], check=True)


Functions = tuple[Memory, list[Query]]


def prepared_functions(bench: Path, package: Path | None, work: Path) -> Functions | None:
    """A package's memory with the docstrings of its functions as queries."""
    if package is None:
        return None
    rows = [json.loads(line) for file in bench.glob("func_*.jsonl") for line in file.read_text().splitlines()]
    target = work / package.name
    shutil.copytree(package, target, ignore=shutil.ignore_patterns(".aurora"))
    memory = Memory.open(target)
    memory.index()
    return memory, [
        Query(f"{r['title']}\n{r['body']}".strip(), tuple(g.partition("/")[2].rpartition(":")[0] for g in r["gold"]))
        for r in rows
    ]


@contextmanager
def changed(constants: list[tuple[object, str, object]]) -> Iterator[None]:
    """Constants of the ranking have other values while the block runs."""
    before = [(module, name, getattr(module, name)) for module, name, _ in constants]
    for module, name, value in constants:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def row(label: str, sets: Mapping[str, Groups], functions: Functions | None, weights: PartWeights) -> str:
    cells = [str(measured(groups, weights)) for groups in sets.values()]
    cells.append(str(measured_functions(*functions)) if functions and weights is WEIGHTS else "")
    line = f"| {label} | {' | '.join(cells)} |\n"
    sys.stderr.write(line)
    return line


def measured_functions(memory: Memory, queries: list[Query]) -> Quality:
    found = [(query, memory.search(query.text, DEPTH, record=False)) for query in queries]
    # A long function is found in several pieces; it counts once.
    ranked = [(query, list(dict.fromkeys(f"{hit.file}:{hit.name}" for hit in hits))) for query, hits in found]
    return mean([judged(names, query.gold) for query, names in ranked])


def measured(groups: Groups, weights: PartWeights) -> Quality:
    scores: dict[str, list[Quality]] = defaultdict(list)
    for memory, queries in groups:
        name = Path(memory.root).name.rpartition("-")[0]
        for query in queries:
            scores[name].append(
                judged([file for file, _ in memory.ranked_files(query.text, DEPTH, weights)], query.gold)
            )
    means = [mean(values) for values in scores.values()]
    return mean(means)


if __name__ == "__main__":
    main()
