"""Learn the weights that personas are matched by.

    .venv/bin/python tools/train_matching.py           writes field_weights.json
    .venv/bin/python tools/train_matching.py --check   learns without a third of the subgoals, and asks for them

Reads the fields of work, tools/fields_of_work/*.ini, a file for each discipline. Of a field they say

    does = one sentence
    part of = fields whose people do this too, as generalists
    near = fields whose people can help out
    named = names that are ordinary words as well
    marks = words and phrases that this field, or one near it, is known by
    asks = how people ask for such work in everyday words
    hints = words that speak for this field among others

and benchmarks/matching/examples/*.txt, whose lines under a field's name are subgoals, personas
("name | description") or, after "~", phrases. Neither holds a sentence of the labelled rosters. The model is a
logistic regression over words and pairs of words; a little of each label goes to the fields around it. Of each word
the strongest weights are kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from base64 import b64encode
from collections import Counter
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_soar.personas.fields_of_work import RARITY_STEPS, WEIGHT_BITS, WEIGHT_ZERO, features
from aurora_soar.personas.wording import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Entries = Mapping[str, Mapping[str, str]]

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tools" / "fields_of_work"
EXAMPLES = ROOT / "benchmarks" / "matching" / "examples"
WEIGHTS = ROOT / "packages" / "soar" / "src" / "aurora_soar" / "personas" / "field_weights.json"
COUNTS: Final = {"goal": 1.5, "persona": 1.0, "phrase": 1.0, "does": 1.0, "marks": 1.0, "asks": 0.8, "named": 0.7}
"""How much an example of each kind counts."""
HINT: Final = 0.4
OWN: Final = 0.85
"""Share of a label that stays with its field; the rest goes to those that it is part of, half as much to the near."""
ROUNDS: Final = 5
BATCH: Final = 256
STRENGTH: Final = 6.0
PACE: Final = 0.05
RARE: Final = 8.0
IN_TEXTS: Final = 2
"""A pair of words in fewer texts than this is not learnt."""
KEPT: Final = 24
"""The strongest weights of a word."""
THIRD: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A text of a field; `kind` is a key of `COUNTS`, or "hints"."""

    field: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """The weights before they are rounded: a row for each feature, a column for each field."""

    place: Mapping[str, int]
    rarity: Sequence[float]
    weights: Floats

    def judge(self, text: str) -> Floats:
        """Returns how much a text speaks for each field."""
        values = _values(text, self.place, self.rarity)
        return np.asarray(sum(value * self.weights[place] for place, value in values.items()), dtype=np.float32)


def main() -> None:
    """Writes the weights, or checks the way they are learnt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="hold out a third of the subgoals instead of writing")
    if parser.parse_args().check:
        right, near, count = held_out()
        print(f"of {count} held-out subgoals {right / count:.1%} find their field first, {near / count:.1%} in three")
        return
    WEIGHTS.write_text(compiled(learn(examples(entries()), entries())), encoding="utf-8")


def entries() -> Entries:
    """Returns the fields with what the files say of each."""
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted(SOURCE.glob("*.ini")):
        parser = ConfigParser(interpolation=None, delimiters=("=",))
        parser.read(path, encoding="utf-8")
        found |= {name: dict(parser[name]) for name in parser.sections()}
    return found


def examples(fields: Entries) -> list[Example]:
    """Returns all texts to learn from."""
    found = [each for path in sorted(EXAMPLES.glob("*.txt")) for each in _of_file(path, fields)]
    for name, entry in fields.items():
        found.append(Example(field=name, kind="does", text=entry["does"]))
        for kind in ("named", "marks", "asks", "hints"):
            found += [Example(field=name, kind=kind, text=text) for text in listed(entry.get(kind, ""))]
        names = [f"in {each.title()}" for each in listed(entry.get("named", ""))]
        found += [Example(field=name, kind="marks", text=text) for text in names]
    return found


def _of_file(path: Path, fields: Entries) -> Iterator[Example]:
    field = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            field = line.strip("[]")
            if field not in fields:
                raise ValueError(f"{path.name}:{number}: {line} is no field of {SOURCE.name}; write one that is")
        elif line.startswith("~"):
            yield from (Example(field=field, kind="phrase", text=text) for text in listed(line[1:]))
        elif " | " in line:
            name, goal = line.split(" | ", 1)
            name = name.replace("-", " ").title()
            yield from (Example(field=field, kind="persona", text=text) for text in (name, f"{name}. {goal}"))
        else:
            yield Example(field=field, kind="goal", text=line)


def listed(text: str) -> list[str]:
    """Returns the parts between commas."""
    return list(filter(None, (" ".join(each.split()) for each in text.split(","))))


def fingerprint() -> str:
    """Returns what the weights depend on in short: the examples, and the way that they are learnt from."""
    texts = [[each.field, each.kind, each.text] for each in examples(entries())]
    settings = [COUNTS, HINT, OWN, ROUNDS, BATCH, STRENGTH, PACE, RARE, IN_TEXTS, KEPT]
    return hashlib.sha256(json.dumps([texts, entries(), settings]).encode()).hexdigest()[:16]


def stored_fingerprint() -> str:
    """Returns what the weights that are there were made from."""
    return str(json.loads(WEIGHTS.read_bytes())["made_from"])


def held_out() -> tuple[int, int, int]:
    """Learns without every third subgoal; returns how many of those are right, in the first three, and all."""
    fields = entries()
    order = list(fields)
    every = examples(fields)
    asked = [each for each in every if each.kind == "goal"][::THIRD]
    learnt = learn([each for each in every if each not in set(asked)], fields)
    ranks = [list(np.argsort(-learnt.judge(each.text))).index(order.index(each.field)) for each in asked]
    return sum(rank == 0 for rank in ranks), sum(rank < THIRD for rank in ranks), len(ranks)


def learn(texts: Sequence[Example], fields: Entries) -> Learnt:
    """Learns from examples, by stochastic gradient descent with a step of its own for each feature."""
    place, rarity = _features_of(texts)
    goal = _labels(texts, fields)
    counts = np.array([COUNTS.get(each.kind, HINT) for each in texts], dtype=np.float32)
    rows = [_values(each.text, place, rarity) for each in texts]
    weights = np.zeros((len(place), len(fields)), dtype=np.float32)
    squares = np.full((len(place), 1), 1e-3, dtype=np.float32)
    random = np.random.default_rng(0)
    for _ in range(ROUNDS):
        shuffled = random.permutation(len(texts))
        for first in range(0, len(texts), BATCH):
            batch = shuffled[first : first + BATCH]
            columns, values = _gathered([rows[at] for at in batch])
            sums = np.asarray(STRENGTH * values @ weights[columns], dtype=np.float32)
            missed = (_softmax(sums) - goal[batch]) * counts[batch, None] / 16
            slope = STRENGTH * values.T @ missed
            squares[columns] += (slope**2).mean(axis=1, keepdims=True)
            weights[columns] -= PACE * slope / np.sqrt(squares[columns])
    return Learnt(place=place, rarity=rarity, weights=weights - weights.mean(axis=1, keepdims=True))


def _features_of(texts: Sequence[Example]) -> tuple[dict[str, int], list[float]]:
    within = Counter(feature for each in texts for feature in features(words(each.text)))
    known = sorted(feature for feature, count in within.items() if " " not in feature or count >= IN_TEXTS)
    rarity = [min(RARE, math.log((1 + len(texts)) / (1 + within[feature]))) for feature in known]
    return {feature: at for at, feature in enumerate(known)}, rarity


def _values(text: str, place: Mapping[str, int], rarity: Sequence[float]) -> dict[int, float]:
    """Returns the values of a text's features, as a vector of length 1."""
    shares = features(words(text))
    values = {place[each]: share * rarity[place[each]] for each, share in shares.items() if each in place}
    length = math.hypot(*values.values()) or 1.0
    return {at: value / length for at, value in values.items()}


def _labels(texts: Sequence[Example], fields: Entries) -> Floats:
    at = {name: index for index, name in enumerate(fields)}
    around = np.zeros((len(at), len(at)), dtype=np.float32)
    for name, entry in fields.items():
        for key, share in (("part of", 1.0), ("near", 0.5)):
            for other in listed(entry.get(key, "")):
                around[at[name], at[other]] += share
    around /= np.maximum(around.sum(axis=1, keepdims=True), 1e-9)
    own = OWN * np.eye(len(at), dtype=np.float32) + (1 - OWN) * around
    own /= own.sum(axis=1, keepdims=True)
    return np.asarray(own[[at[each.field] for each in texts]])


def _gathered(rows: Sequence[Mapping[int, float]]) -> tuple[NDArray[np.int64], Floats]:
    """Returns the features that some rows have, and their values with a column for each."""
    columns = np.array(sorted({at for row in rows for at in row}), dtype=np.int64)
    column = {int(at): index for index, at in enumerate(columns)}
    values = np.zeros((len(rows), len(columns)), dtype=np.float32)
    for index, row in enumerate(rows):
        for at, value in row.items():
            values[index, column[at]] = value
    return columns, values


def _softmax(sums: Floats) -> Floats:
    powers = np.exp(sums - sums.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def compiled(learnt: Learnt) -> str:
    """Returns the weights as they should stand in the file, a line for each feature."""
    fields = entries()
    step = float(np.abs(learnt.weights).max()) / (WEIGHT_ZERO - 1)
    lines = {}
    for feature, at in learnt.place.items():
        units = np.rint(learnt.weights[at] / step).astype(int)
        strongest = sorted(np.argsort(-np.abs(learnt.weights[at]), kind="stable")[:KEPT].tolist())
        kept = [(place << WEIGHT_BITS) + int(units[place]) + WEIGHT_ZERO for place in strongest if units[place]]
        if kept:
            numbers = np.array([round(learnt.rarity[at] * RARITY_STEPS), *kept], dtype="<u2")
            lines[feature] = b64encode(numbers.tobytes()).decode()
    does = json.dumps({name: entry["does"] for name, entry in fields.items()}, indent=0)
    weights = json.dumps(lines, ensure_ascii=False, indent=0)
    return f'{{"made_from": "{fingerprint()}",\n"fields": {does},\n"weights": {weights}}}\n'


if __name__ == "__main__":
    main()
