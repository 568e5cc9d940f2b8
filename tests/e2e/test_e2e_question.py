"""`aur soar --tool` with real agents: one of them plans, looks, and writes the answer, cut off from the network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.e2e.stage import AUR
from tests.e2e.wirings import KEY, address
from tests.exhaustive import few

from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.stage import Stage

pytestmark = pytest.mark.slow

QUESTION = "Explain how the till adds up prices, and why a negative price is refused"
TILL = '''"""The till."""


def total(prices):
    """Add up prices, one by one."""
    result = sum(check(price) for price in prices)
    if result < 0:
        raise ValueError("a negative price")
    return result


def check(price):
    return price
'''


def let_think(stage: Stage, kind: str, play: str, *, key: str = "") -> str:
    """An agent of that kind called "thinker"; returns the name of its performance, which no other test shares."""
    key = key or f"thinker-{kind}-{play}"
    stage.add_agent(kind, play, key)
    stage.backends["thinker"] = stage.backends.pop(key)
    return key


def ask(
    stage: Stage, *arguments: str, environ: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """`aur soar` in a folder with one file."""
    (stage.project / ".aurora").mkdir(parents=True, exist_ok=True)
    (stage.project / "till.py").write_text(TILL)
    config = {"backends": stage.backends, "spawner": {"recovery": stage.recovery}}
    (stage.project / ".aurora" / "config.yaml").write_text(yaml.safe_dump(config))
    return subprocess.run(
        stage.cell.inside(str(AUR), "soar", QUESTION, "--tool", "thinker", *arguments),
        cwd=stage.project,
        env={**stage.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def runs_of(document: dict[str, Any]) -> str:
    found = document["phases"]["phase5_collect"]["execution_metadata"]["run_id"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("kind", ["claude", "codex", "gemini", "opencode"])
def test_an_agent_plans_looks_and_writes(kind: str, stage: Stage, need: Callable[[str], None]) -> None:
    need(kind)
    key = let_think(stage, kind, "question")
    done = ask(stage, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    phases = document["phases"]
    planned = phases["phase4_verify"]["subgoals_detailed"]
    assert [each["agent"] for each in planned] == ["thinker", "thinker"]
    assert [each["is_spawn"] for each in planned] == [False, True], "the second one's ideal agent is not there: a gap"
    assert [output["success"] for output in phases["phase5_collect"]["agent_outputs"]] == [True, True]
    written = phases["phase6_synthesize"]
    assert written["answer"].startswith("Prices are added up one by one")
    assert written["sources"] == [{"file": "till.py", "line": 6}, {"file": "till.py", "line": 8}]
    assert (written["metadata"]["written_by"], written["metadata"]["factuality"]) == ("thinker", 1.0)
    # Each answer of the stand-in counts 100 tokens read and 20 written: two plans, three for looking, one answer.
    assert document["tokens_used"]["output"] == 120
    assert len(stage.cell.asked(key)) == 6
    assert processes_of_run(runs_of(document), within_s=5.0) == []


@pytest.mark.parametrize(
    ("api", "path"),
    few([("openai", "/v1"), ("openai-responses", "/v1"), ("anthropic", ""), ("gemini", "/v1beta")], 1),
)
def test_a_model_without_an_agent_plans_looks_and_writes(api: str, path: str, stage: Stage) -> None:
    key = f"model-{api}"
    stage.home.mkdir()
    model = {
        "kind": "model",
        "api": api,
        "base_url": address("words!", key) + path,
        "model": "m",
        "key": "keys:openai",
    }
    stage.backends["thinker"] = model
    done = ask(stage, "--json", environ={"OPENAI_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    written = document["phases"]["phase6_synthesize"]
    assert (written["metadata"]["written_by"], written["metadata"]["factuality"]) == ("thinker", 1.0)
    assert document["tokens_used"] == {"input": 400, "output": 80}
    assert len(stage.cell.asked(key)) == 4
    kept = b"".join(path.read_bytes() for path in stage.project.rglob("*") if path.is_file())
    assert KEY.encode() not in kept, "a key stands in no journal, spool or log"
    assert processes_of_run(runs_of(document), within_s=5.0) == []


def test_an_agent_that_is_not_signed_in_leaves_the_answer_from_memory(
    stage: Stage, need: Callable[[str], None]
) -> None:
    need("claude")
    let_think(stage, "claude", "r401")
    done = ask(stage)
    assert done.returncode == 0, done.stderr
    assert "thinker gave no usable plan" in done.stderr
    assert "`till.py:" in done.stdout


TRANSCRIPTS = Path(__file__).parents[2] / "docs" / "transcripts"
TORN = ", which first gives a plan with a part that says nothing"
REFUSED = "the plan that is refused and asked for again, "
INTRODUCTIONS = {
    "model": ("a model", "A model without an agent plans, looks and writes, through its API", "", ""),
    "claude": ("Claude Code", "The real Claude Code plans, looks and writes", TORN, REFUSED),
    "codex": ("Codex", "The real Codex plans, looks and writes", TORN, REFUSED),
}


@pytest.mark.parametrize("kind", few(INTRODUCTIONS, 1))
def test_the_transcript_tells_what_is_seen(kind: str, stage: Stage, need: Callable[[str], None]) -> None:
    """With UPDATE_TRANSCRIPTS=1 it is written again; else all but its figures must be as it is now."""
    if kind == "model":
        stage.home.mkdir()
        url = address("words!", "seen-model")
        model = {
            "kind": "model",
            "api": "anthropic",
            "base_url": url,
            "model": "claude-sonnet-5",
            "key": "keys:anthropic",
        }
        stage.backends["thinker"] = model
    else:
        need(kind)
        let_think(stage, kind, "question", key=f"seen-{kind}")
    done = ask(stage, "--verbosity", "verbose", environ={"ANTHROPIC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    path = TRANSCRIPTS / f"{kind}.md"
    text = transcript(kind, done)
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        path.write_text(text, encoding="utf-8")
    assert without_figures(path.read_text(encoding="utf-8")) == without_figures(text)


def transcript(kind: str, done: subprocess.CompletedProcess[str]) -> str:
    name, works, torn, refused = INTRODUCTIONS[kind]
    words = (
        f"Written by `UPDATE_TRANSCRIPTS=1 pytest --all tests/e2e/test_e2e_question.py`. {works}, as the backend "
        "`thinker` of `.aurora/config.yaml`; what its model says comes from the tests' stand-in for the API"
        f"{torn}. So the words are played, and the rest is real: the processes, their events, "
        f"{refused}the tokens, the citations that are checked."
    )
    begins = textwrap.fill(words, width=118, break_on_hyphens=False)
    return f"""# A question to {name}

{begins}

```
$ aur soar "{QUESTION}" --tool thinker --verbosity verbose
{done.stderr.strip()}

{done.stdout.strip()}
```
"""


def without_figures(text: str) -> list[str]:
    """Its lines with every number the same; agents that end at once may come in any order."""
    lines = re.sub(r"\bkey [0-9a-f]{12}\b", "key #", text).splitlines()
    return sorted(re.sub(r"\d+(?:[.,]\d+)*", "#", line) for line in lines)
