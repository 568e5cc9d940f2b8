"""What each part of the ranking earns: the benchmark's queries with one part left out at a time.

    python benchmarks/retrieval/ablation.py BENCH --repos REPOS [--out docs/memory-ablation.md]

BENCH is a folder of *.jsonl files whose rows are {repo, index_commit, title, body, gold: [path, …]}; REPOS holds git
repositories as OWNER+NAME/repo. Each repository is checked out at the row's commit, with only that commit's ancestors
reachable, indexed once, and asked every query of its rows.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_core import Memory, search
from aurora_core.ranking import WEIGHTS, PartWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEPTH = 10


@dataclass(frozen=True)
class Query:
    text: str
    gold: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """Means over repositories: reciprocal rank, recall and discounted gain, all at 10."""

    mrr: float
    recall: float
    ndcg: float


def main() -> None:
    parser = argparse.ArgumentParser(description="What each part of the ranking earns.")
    parser.add_argument("bench", type=Path)
    parser.add_argument("--repos", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.md"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aurora-ablation-") as folder:
        sets = {
            name: prepared(sorted(arguments.bench.glob(pattern)), arguments.repos, Path(folder))
            for name, pattern in {"commits": "commits_*.jsonl", "issues": "issues_*.jsonl"}.items()
        }
        rows = [row(label, sets, weights) for label, weights in variants()]
        rows += [standing_row(label, sets, **factors) for label, factors in STANDINGS.items()]
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    count = {name: sum(len(queries) for _, queries in groups) for name, groups in sets.items()}
    table = "".join(rows)
    arguments.out.write_text(
        "# What each part of the ranking earns\n\n"
        f"{count['commits']} commits and {count['issues']} issues, macro over repositories; {machine}, "
        f"{datetime.now(UTC):%Y-%m-%d}. Made by `python benchmarks/retrieval/ablation.py`.\n\n"
        "| ranking | commits: MRR / R@10 / nDCG@10 | issues: MRR / R@10 / nDCG@10 |\n|---|---|---|\n" + table
    )
    sys.stdout.write(table)


STANDINGS = {
    "tests count in full": {"TEST_WEIGHT": 1.0},
    "documents count in full": {"DOCUMENT_WEIGHT": 1.0},
}


def variants() -> Iterator[tuple[str, PartWeights]]:
    yield "**all parts**", WEIGHTS
    for part in fields(WEIGHTS):
        if part.name != "ranked":
            yield f"without {part.name}", replace(WEIGHTS, **{part.name: 0.0})
    yield "chunks alone", PartWeights(best=0, history=0, recency=0, symbol=0, path=0)


Groups = list[tuple[Memory, list[Query]]]


def prepared(files: Sequence[Path], repositories: Path, work: Path) -> Groups:
    """Indexed memories with their queries, one for each repository and commit."""
    grouped: dict[tuple[str, str], list[Query]] = defaultdict(list)
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            data = json.loads(line)
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


def row(label: str, sets: Mapping[str, Groups], weights: PartWeights) -> str:
    cells = [cell(measured(groups, weights)) for groups in sets.values()]
    return f"| {label} | {' | '.join(cells)} |\n"


def standing_row(label: str, sets: Mapping[str, Groups], **factors: float) -> str:
    """A row with constants of the ranking changed for as long as it is measured."""
    before = {name: getattr(search, name) for name in factors}
    for name, value in factors.items():
        setattr(search, name, value)
    try:
        return row(label, sets, WEIGHTS)
    finally:
        for name, value in before.items():
            setattr(search, name, value)


def cell(quality: Quality) -> str:
    return f"{quality.mrr:.3f} / {quality.recall:.3f} / {quality.ndcg:.3f}"


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


def judged(ranked: Sequence[str], gold: Sequence[str]) -> Quality:
    hits = [file in gold for file in ranked]
    first = next((1 / place for place, hit in enumerate(hits, start=1) if hit), 0.0)
    gain = sum(hit / math.log2(place + 1) for place, hit in enumerate(hits, start=1))
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(len(gold), DEPTH) + 1))
    return Quality(first, sum(hits) / len(gold), gain / ideal)


def mean(values: Sequence[Quality]) -> Quality:
    count = len(values)
    return Quality(
        sum(v.mrr for v in values) / count, sum(v.recall for v in values) / count, sum(v.ndcg for v in values) / count
    )


if __name__ == "__main__":
    main()
