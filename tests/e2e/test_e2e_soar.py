"""The installed `aur` answers a question about real code in a folder that was never set up."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from tests.exhaustive import few

AUR = Path(sys.executable).with_name("aur")
QUESTION = "How does the scheduler decide what runs next?"
SOURCES = Path(__file__).parents[2] / "packages" / "spawner" / "src"
PART, WHOLE = "attempts runs tasks", "."
"""Rooms of the package whose code is asked about."""


def aur(*arguments: str, cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run(
        [AUR, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, timeout=150, check=False
    )


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a copy of real code, never set up."""
    folder = tmp_path / "project"
    rooms = [SOURCES / "aurora_spawner" / room for room in getattr(request, "param", WHOLE).split()]
    for source in sorted(path for room in rooms for path in room.rglob("*.py")):
        target = folder / source.relative_to(SOURCES)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    return folder


def cited(text: str) -> list[tuple[str, int]]:
    return [(file, int(line)) for file, line in re.findall(r"`([^`\s]+):(\d+)`", text)]


@pytest.mark.parametrize("project", few([PART, WHOLE], 1), indirect=True)
def test_the_main_job_with_nothing_configured(project: Path, tmp_path: Path) -> None:
    done = aur("soar", QUESTION, cwd=project, home=tmp_path)
    assert done.returncode == 0, done.stderr
    places = cited(done.stdout)
    assert len(places) >= 3
    for file, line in places:
        assert line <= len((project / file).read_text().splitlines())
    assert ".aurora" in done.stderr, "it says that it set the folder up"
    left = [p for p in psutil.process_iter(["cmdline"]) if str(project) in " ".join(p.info["cmdline"] or ())]
    assert left == [], "its agents are processes of their own"


def test_the_log_holds_the_whole_execution(project: Path, tmp_path: Path) -> None:
    done = aur("soar", QUESTION, "--json", cwd=project, home=tmp_path)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    (log,) = (project / ".aurora" / "logs" / "conversations").rglob("*.md")
    text = log.read_text()
    block = json.loads(text[text.index("```json") + 7 : text.rindex("```")])
    assert block["query_id"] == printed["query_id"]
    assert list(block["phases"]) == [
        "phase1_assess",
        "phase2_retrieve",
        "phase3_decompose",
        "phase4_verify",
        "phase5_collect",
        "phase6_synthesize",
        "phase7_record",
        "phase8_respond",
    ]
    outputs = block["phases"]["phase5_collect"]["agent_outputs"]
    assert len(outputs) >= 3
    assert all(o["success"] and o["execution_metadata"]["spawned"] for o in outputs)
    assert block["total_cost_usd"] == 0.0


def test_the_answer_is_found_again_and_own_logs_are_not(project: Path, tmp_path: Path) -> None:
    assert aur("soar", QUESTION, cwd=project, home=tmp_path).returncode == 0
    second = aur("soar", QUESTION, "--json", cwd=project, home=tmp_path)
    assert second.returncode == 0, second.stderr
    retrieved = json.loads(second.stdout)["phases"]["phase2_retrieve"]
    assert [chunk["metadata"]["type"] for chunk in retrieved["reasoning_chunks"]] == ["reas"]
    assert not any(".aurora" in chunk["metadata"]["file_path"] for chunk in retrieved["code_chunks"])


def test_a_question_about_nothing_here_says_so(project: Path, tmp_path: Path) -> None:
    done = aur("soar", "How does the zeppelin moor its gondola?", cwd=project, home=tmp_path)
    assert done.returncode == 1
    assert "zeppelin" in done.stdout


def test_two_questions_at_once_in_one_folder(project: Path, tmp_path: Path) -> None:
    questions = [QUESTION, "Why does a task fail when its dependency failed?"]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda q: aur("soar", q, cwd=project, home=tmp_path), questions))
    assert [d.returncode for d in done] == [0, 0], [d.stderr for d in done]
    assert len(list((project / ".aurora" / "logs" / "conversations").rglob("*.md"))) == 2


def test_a_broken_policy_file_stops_the_run_with_its_line(project: Path, tmp_path: Path) -> None:
    (project / ".aurora").mkdir()
    (project / ".aurora" / "policies.yaml").write_text("budget:\n  monthly_limit_usd: 100\n  warn_at: 80\n")
    done = aur("soar", QUESTION, cwd=project, home=tmp_path)
    assert done.returncode == 2
    assert "policies.yaml:3" in done.stderr
    assert "warn_at" in done.stderr
    assert done.stdout == ""
