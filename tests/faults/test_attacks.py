"""The harness of random kills, signals and damaged journals, a few of each; the command does it at scale."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).parents[2] / "benchmarks" / "attacks" / "run.py"


@pytest.mark.timeout(300)
def test_a_few_attacks_of_each_kind_are_withstood() -> None:
    command = [sys.executable, str(HARNESS), "--kills", "2", "--signals", "2", "--damage", "2", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)["figures"]
    assert (figures["kills"], figures["faults"]) == (2, 0)
    assert sum(figures["damaged journals"].values()) == 2
