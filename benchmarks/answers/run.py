"""Questions about foreign code bases, answered without a model and held against gold places.

    python benchmarks/answers/run.py [--sources FOLDER] [--only NAME] [--show]

Each file of `questions/` names a code base with its version. Its source package is fetched with pip or npm and
unpacked into FOLDER. Two code bases are fitted on, one only checks. Writes
results.md beside this file, unless --only is given.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from aurora_soar import Aurora
from aurora_soar.evidence.claims import places_in
from aurora_soar.phases.confidence import HIGH_FROM, Level, level_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from aurora_soar.report.result import SoarResult

HERE = Path(__file__).parent
FIRST_SOURCES = 3
RIDGE = 0.3
NEWTON_STEPS = 50
NOTES = "\n## Notes\n"  # what follows is written by hand and kept
BINS = 5
# The ways in which a first line can say that something is not there, whatever the product's own wording.
SAYS_ABSENT = re.compile(
    r"\bnot (?:found|there|in this project|defined)\b|\bno (?:code|file|folder|class|function|definition)\b"
    r"|\bnothing (?:in|is|named|here)\b|\bdoes not (?:exist|occur|appear|mention)\b|\bmentions? none\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question with its gold places, each (file, first line, last line); none if it has no answer."""

    base: str
    half: str
    kind: str
    text: str
    gold: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an answer did.

    Attributes:
        file_found: a gold file is among its first three sources.
        line_found: one of these sources lies in a gold place.
        says_absent: the first line says that something is not in the project.
        cited: the answer has a source.
        citations, missing: places that the answer cites, and those of them that do not exist.
        simple: the question was assessed as simple.
        lines: lines of the response at verbosity `normal`.
    """

    base: str
    half: str
    kind: str
    text: str
    answerable: bool
    file_found: bool
    line_found: bool
    says_absent: bool
    cited: bool
    citations: int
    missing: int
    confidence: float
    simple: bool
    seconds: float
    lines: int
    features: tuple[float, ...]

    @property
    def right(self) -> bool:
        """A place of the answer is right; a question without an answer has no right place."""
        return self.answerable and self.file_found


def read_questions(path: Path) -> tuple[str, list[Question]]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = document["questions"]
    return document["source"], [
        Question(
            base=path.stem,
            half=document["half"],
            kind=row["kind"],
            text=row["question"],
            gold=tuple(_place(place) for place in row["gold"]),
        )
        for row in rows
    ]


def _place(text: str) -> tuple[str, int, int]:
    file, _, lines = text.rpartition(":")
    first, _, last = lines.partition("-")
    return file, int(first), int(last or first)


def unpacked(source: str, folder: Path) -> Path:
    """Returns the folder of a source package, fetched with its own client if it is not there yet."""
    client, package = source.split()
    target = folder / re.sub(r"\W+", "-", package)
    if not target.is_dir():
        with tempfile.TemporaryDirectory() as downloads:
            if client == "pip" or client == "pypi":
                command = [sys.executable, "-m", "pip"] if _has_pip() else ["pip"]
                command += ["download", "-q", "--no-deps", "--no-binary", ":all:", "-d", downloads, package]
            else:
                command = ["npm", "pack", "-s", "--pack-destination", downloads, package]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            (archive,) = Path(downloads).iterdir()
            with tarfile.open(archive) as tar:
                tar.extractall(Path(downloads) / "out", filter="data")
            (top,) = (Path(downloads) / "out").iterdir()
            shutil.copytree(top, target)
    return target


def _has_pip() -> bool:
    return subprocess.run([sys.executable, "-m", "pip", "-V"], capture_output=True, check=False).returncode == 0


def check_gold(questions: Sequence[Question], root: Path) -> None:
    for question in questions:
        for file, first, last in question.gold:
            count = len((root / file).read_text(encoding="utf-8").splitlines())
            if not 1 <= first <= last or first > count:
                raise SystemExit(f"{question.base}: {question.text}: {file} has no lines {first}-{last}")


def judged(question: Question, result: SoarResult, root: Path, seconds: float) -> Outcome:
    sources = result.sources[:FIRST_SOURCES]
    first = result.answer.strip().split("\n")[0]
    cited = [place for place in places_in(result.answer, root) if place.line]
    missing = [place for place in cited if not _exists(root / place.file, place.line or 0)]
    return Outcome(
        base=question.base,
        half=question.half,
        kind=question.kind,
        text=question.text,
        answerable=bool(question.gold),
        file_found=any(source.file == file for source in sources for file, _, _ in question.gold),
        line_found=any(
            source.file == file and start <= source.line <= end
            for source in sources
            for file, start, end in question.gold
        ),
        says_absent=bool(SAYS_ABSENT.search(re.sub(r"“[^”]*”|`[^`]*`", "", first))),
        cited=bool(result.sources),
        citations=len(cited),
        missing=len(missing),
        confidence=result.confidence,
        simple=result.assessment.complexity.value == "SIMPLE",
        seconds=seconds,
        lines=result.response.rstrip("\n").count("\n") + 1,
        features=astuple(result.synthesis.signals),
    )


def _exists(path: Path, line: int) -> bool:
    return path.is_file() and line <= len(path.read_text(encoding="utf-8", errors="replace").splitlines())


def ask_all(questions: Sequence[Question], root: Path, *, show: bool) -> Iterator[Outcome]:
    """Yields the outcome of each question, asked of a project that remembers nothing from the others."""
    check_gold(questions, root)
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / root.name
        shutil.copytree(root, project)
        with Aurora.open(project) as aurora:
            aurora.ask("warm up the caches")
            for question in questions:
                started = time.perf_counter()
                result = aurora.ask(question.text)
                seconds = time.perf_counter() - started
                yield judged(question, result, project, seconds)
                if show:
                    print(f"\n===== {question.kind}: {question.text}\n{result.response}", flush=True)


def auroc(outcomes: Sequence[Outcome], confidences: Sequence[float]) -> float:
    right = [c for o, c in zip(outcomes, confidences, strict=True) if o.right]
    wrong = [c for o, c in zip(outcomes, confidences, strict=True) if not o.right]
    won = sum((a > b) + 0.5 * (a == b) for a in right for b in wrong)
    return won / (len(right) * len(wrong)) if right and wrong else float("nan")


def calibration_error(outcomes: Sequence[Outcome], confidences: Sequence[float]) -> float:
    """The expected calibration error over bins of equal width."""
    total = 0.0
    for at in range(BINS):
        inside = [
            (o.right, c) for o, c in zip(outcomes, confidences, strict=True) if at == min(int(c * BINS), BINS - 1)
        ]
        if inside:
            gap = abs(sum(r for r, _ in inside) - sum(c for _, c in inside)) / len(inside)
            total += gap * len(inside) / len(outcomes)
    return total


COLUMNS = (
    "set", "questions", "gold file in first 3", "gold line in first 3", "absence said", "absence said wrongly",
    "citations that exist", "AUROC", "ECE", "simple p95 s", "others p95 s", "median lines",
)  # fmt: skip


def row(name: str, outcomes: Sequence[Outcome]) -> list[str]:
    answerable = [o for o in outcomes if o.answerable]
    absent = [o for o in outcomes if not o.answerable]
    simple = [o.seconds for o in outcomes if o.simple]
    others = [o.seconds for o in outcomes if not o.simple]
    cited = sum(o.citations for o in outcomes)
    confidences = [o.confidence for o in outcomes]
    return [
        name,
        str(len(outcomes)),
        _share([o.file_found for o in answerable]),
        _share([o.line_found for o in answerable]),
        _share([o.says_absent for o in absent]),
        _share([o.says_absent for o in answerable]),
        f"{cited - sum(o.missing for o in outcomes)} of {cited}",
        f"{auroc(outcomes, confidences):.2f}",
        f"{calibration_error(outcomes, confidences):.2f}",
        f"{_p95(simple):.2f}",
        f"{_p95(others):.2f}",
        f"{statistics.median(o.lines for o in outcomes):.0f}",
    ]


def fitted(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """Returns the intercept and the weights of a logistic regression of right answers on their signals."""
    signals = np.array([(1.0, *o.features) for o in outcomes])
    right = np.array([o.right for o in outcomes], dtype=np.float64)
    ridge = np.diag([0.0, *[RIDGE] * (signals.shape[1] - 1)])
    weights = np.zeros(signals.shape[1])
    for _ in range(NEWTON_STEPS):
        estimate = 1 / (1 + np.exp(-signals @ weights))
        slope = signals.T @ (estimate - right) + ridge @ weights
        weights -= np.linalg.solve(signals.T @ (signals * (estimate * (1 - estimate))[:, None]) + ridge, slope)
    return weights


def estimated(weights: NDArray[np.float64], outcome: Outcome) -> float:
    """Returns the confidence that other weights would give an answer, by the product's rules."""
    if not outcome.cited:
        return 0.0
    estimate = float(1 / (1 + np.exp(-np.array([1.0, *outcome.features]) @ weights)))
    return min(estimate, HIGH_FROM - 0.01) if outcome.features[0] or outcome.features[1] else estimate


def cross_validated(outcomes: Sequence[Outcome]) -> str:
    """Returns AUROC and calibration error where each code base is estimated by a fit on the others."""
    left_out = {
        base: fitted([o for o in outcomes if o.base != base]) for base in dict.fromkeys(o.base for o in outcomes)
    }
    confidences = [estimated(left_out[o.base], o) for o in outcomes]
    area, error = auroc(outcomes, confidences), calibration_error(outcomes, confidences)
    return f"Cross-validated over the code bases: AUROC {area:.2f}, expected calibration error {error:.2f}."


def levels(outcomes: Sequence[Outcome]) -> str:
    rows = ["| level | answers | right |", "|---|---|---|"]
    for level in Level:
        inside = [o.right for o in outcomes if level_of(o.confidence) is level]
        rows.append(f"| {level.value} | {len(inside)} | {sum(inside)} |")
    return "\n".join(rows)


def _share(values: Sequence[bool]) -> str:
    return f"{sum(values)} of {len(values)}" if values else "-"


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))] if values else 0.0


def table(outcomes: Sequence[Outcome]) -> str:
    sets = {base: [o for o in outcomes if o.base == base] for base in dict.fromkeys(o.base for o in outcomes)}
    rows = [row(f"{base} ({found[0].half})", found) for base, found in sets.items()]
    rows.append(row("all", outcomes))
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, help="folder to keep the unpacked packages in")
    parser.add_argument("--only", help="one code base; the results are printed, not written")
    parser.add_argument("--show", action="store_true", help="print each response")
    parser.add_argument("--outcomes", type=Path, help="write each question's outcome to this file, as JSON lines")
    arguments = parser.parse_args()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.sources or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted((HERE / "questions").glob("*.yaml")):
            if arguments.only in (None, path.stem):
                source, questions = read_questions(path)
                outcomes += ask_all(questions, unpacked(source, folder), show=arguments.show)
    text = table(outcomes)
    if arguments.only is None:
        text += f"\n\n{cross_validated(outcomes)}\n\n{levels(outcomes)}"
        fit = ", ".join(f"{weight:.2f}" for weight in fitted([o for o in outcomes if o.half == "fit"]))
        print(f"intercept and weights, fitted on the fitting half: {fit}")
    print(text)
    if arguments.outcomes:
        arguments.outcomes.write_text("".join(json.dumps(asdict(o)) + "\n" for o in outcomes), encoding="utf-8")
    if arguments.only is None:
        _write(text, outcomes)


def _write(text: str, outcomes: Sequence[Outcome]) -> None:
    missed = [o for o in outcomes if o.answerable != o.file_found or o.says_absent == o.answerable]
    listed = "\n".join(f"- {o.base}, {o.kind}: {o.text}" for o in missed) or "- none"
    path = HERE / "results.md"
    _, heading, notes = path.read_text(encoding="utf-8").partition(NOTES) if path.exists() else ("", "", "")
    path.write_text(
        f"# Answers without a model\n\nMade by `python benchmarks/answers/run.py` on {datetime.now(UTC):%Y-%m-%d}, "
        f"Python {platform.python_version()}, {platform.machine()}.\n\n{text}\n\n"
        f"Load of the machine at the end: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores.\n\n"
        f"## Questions that were missed\n\n{listed}\n{heading}{notes}",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
