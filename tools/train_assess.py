"""Learn the weights that the first phase sizes requests with.

    .venv/bin/python tools/train_assess.py           writes complexity_weights.tsv
    .venv/bin/python tools/train_assess.py --check   holds out each training file in turn and prints what is right

Reads the labelled prompts of benchmarks/assess/ and benchmarks/assess/training/, but not the exams. The model is a
logistic regression over four levels with an L2 penalty, solved over the prompts instead of the features: there are
fewer of them. Features with little weight are dropped, the rest is learnt again, and the weights are rounded to 255
steps.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_soar.phases.complexity_model import (
    IDF_STEPS,
    LEVELS,
    Table,
    Weights,
    features,
    judge,
    read_weights,
    scaled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Rarities = Mapping[str, float]
    Rows = Sequence[tuple[str, str]]

ROOT = Path(__file__).resolve().parent.parent
PROMPTS = ROOT / "benchmarks" / "assess"
WEIGHTS = ROOT / "packages" / "soar" / "src" / "aurora_soar" / "phases" / "complexity_weights.tsv"
LOSS: Final = 10.0
"""How much a wrong prompt costs, against the square of the weights."""
DROPPED_BELOW: Final = 0.1
IN_PROMPTS: Final = 2
"""A feature of fewer prompts than this is not learnt."""
LIMIT: Final = 127
ROUNDS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """A solution before it is rounded.

    Attributes:
        rarity: of words and of letter groups: how rare each is in the prompts.
        names: the features in the order of the weights; 0 for a word, 1 for a letter group.
        weights: a row for each feature, a column for each level.
    """

    rarity: tuple[Rarities, Rarities]
    names: Sequence[tuple[int, str]]
    weights: NDArray[np.float64]


def main() -> None:
    """Writes the weights, or checks the way they are learnt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="hold out each file in turn instead of writing")
    if parser.parse_args().check:
        for name, right, count in held_out():
            print(f"{name:20} {right:4} of {count:4}  {right / count:.1%}", flush=True)
        return
    rows = [row for _, rows in training() for row in rows]
    WEIGHTS.write_text(compiled(rounded(learn(rows))), encoding="utf-8", newline="")


def training() -> list[tuple[str, Rows]]:
    """Returns the training files by name, each with its labels and prompts."""
    paths = [path for path in sorted(PROMPTS.glob("*.txt")) if not path.stem.startswith("exam_")]
    return [(path.stem, labelled(path)) for path in (*paths, *sorted((PROMPTS / "training").glob("*.txt")))]


def labelled(path: Path) -> Rows:
    """Returns the labels and prompts of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(label, prompt) for label, _, prompt in (line.partition(": ") for line in lines) if label in LEVELS]


def fingerprint() -> str:
    """Returns what the weights depend on in short: the prompts, and the way that they are learnt from."""
    settings = [LOSS, DROPPED_BELOW, IN_PROMPTS, ROUNDS]
    return hashlib.sha256(json.dumps([training(), settings]).encode()).hexdigest()[:16]


def stored_fingerprint() -> str:
    """Returns what the weights that are there were made from."""
    return read_weights(WEIGHTS.read_bytes().decode()).made_from


def held_out() -> Iterator[tuple[str, int, int]]:
    """Yields each training file with how many of its prompts are right for a model learnt from all others."""
    files = training()
    for name, rows in files:
        weights = rounded(learn([row for other, others in files if other != name for row in others]))
        right = sum(LEVELS[judge(prompt, weights).level] == label for label, prompt in rows)
        yield name, right, len(rows)


def learn(rows: Rows) -> Learnt:
    """Learns from all features, then again from those whose weight counts."""
    counts = [features(prompt) for _, prompt in rows]
    goal = np.array([[float(label == level) for level in LEVELS] for label, _ in rows])
    rarity = (_rarity([each[0] for each in counts]), _rarity([each[1] for each in counts]))
    first = _solved(counts, goal, rarity)
    heavy = np.abs(first.weights).max(axis=1) >= DROPPED_BELOW
    kept = {name for name, is_heavy in zip(first.names, heavy, strict=True) if is_heavy}
    words, letters = ({name: each[name] for name in each if (kind, name) in kept} for kind, each in enumerate(rarity))
    return _solved(counts, goal, (words, letters))


def _rarity(counts: Sequence[Counter[str]]) -> Rarities:
    within = Counter(name for each in counts for name in each)
    found = {
        name: math.log((1 + len(counts)) / (1 + held)) + 1 for name, held in within.items() if held >= IN_PROMPTS
    }
    return {name: round(each * IDF_STEPS) / IDF_STEPS for name, each in sorted(found.items())}


def _solved(
    counts: Sequence[tuple[Counter[str], Counter[str]]], goal: NDArray[np.float64], rarity: tuple[Rarities, Rarities]
) -> Learnt:
    names = [(kind, name) for kind, table in enumerate(rarity) for name in table]
    place = {name: index for index, name in enumerate(names)}
    values = np.zeros((len(counts), len(names)), dtype=np.float32)
    for row, pair in enumerate(counts):
        for kind, each in enumerate(pair):
            for name, value in scaled(each, rarity[kind]).items():
                values[row, place[kind, name]] = value
    shares = _shares((values @ values.T).astype(np.float64), goal)
    return Learnt(rarity=rarity, names=names, weights=(values.T @ shares.astype(np.float32)).astype(np.float64))


def _shares(likeness: NDArray[np.float64], goal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns how much each prompt adds to the weights of each level, by Nesterov's accelerated gradient."""
    step = 1.0 / (1.0 + 0.5 * LOSS * float(np.linalg.eigvalsh(likeness)[-1]))
    momentum = (1 - math.sqrt(step)) / (1 + math.sqrt(step))
    shares = ahead = np.zeros_like(goal)
    for _ in range(ROUNDS):
        sums = likeness @ ahead
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        chances = powers / powers.sum(axis=1, keepdims=True)
        moved = ahead - step * (ahead - LOSS * (goal - chances))
        shares, ahead = moved, moved + momentum * (moved - shares)
    return shares


def rounded(learnt: Learnt) -> Weights:
    """Returns the weights in 255 steps."""
    step = float(np.abs(learnt.weights).max()) / LIMIT
    units = np.rint(learnt.weights / step).astype(int).tolist()
    lines: tuple[list[str], list[str]] = ([], [])
    for (kind, name), row in zip(learnt.names, units, strict=True):
        rarity = round(learnt.rarity[kind][name] * IDF_STEPS)
        lines[kind].append(f"{name}\t{' '.join(map(str, (rarity, *row)))}")
    words, letters = (Table(sorted(each)) for each in lines)
    return Weights(step=step, tables=(words, letters))


def compiled(weights: Weights) -> str:
    """Returns the weights as they should stand in the file, a line for each feature."""
    fields = f"made_from\t{fingerprint()}\nstep\t{round(weights.step, 6)}"
    return "\n\n".join([fields, *("\n".join(table.lines) for table in weights.tables)]) + "\n"


if __name__ == "__main__":
    main()
