"""Agents of the user's own, as docs/agents.md shows them, through `aur spawn`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

from aurora_core import Project
from aurora_soar import Aurora
from aurora_spawner import CliBackend, CommandBackend
from aurora_spawner.backends.profiles import PROFILES

Aur = Callable[..., CompletedProcess[str]]
PAGE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

MYCLI = """\
#!/bin/sh
[ "$1 $2 $3" = "run --json --task" ] || exit 64
echo '{"type":"system","subtype":"init","session_id":"s-1","model":"own"}'
if grep -q fail "$4"; then
    echo '{"type":"result","subtype":"success","is_error":true,"api_error_status":400,"result":"no such thing"}'
    exit 0
fi
echo '{"type":"result","subtype":"success","is_error":false,"result":"did it",\
"usage":{"input_tokens":3,"output_tokens":2},"total_cost_usd":0.5}'
"""


@pytest.fixture
def mine(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose configuration is the page's six lines, and the program that they speak of."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "mycli").write_text(MYCLI)
    (folder / "mycli").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    project = Project.init(shop)
    project.config_file.write_text(SNIPPETS[1])
    return shop


def test_the_pages_six_lines_make_a_cli_an_agent(aur: Aur, mine: Path) -> None:
    assert len(SNIPPETS[1].strip().splitlines()) == 6
    (mine / "tasks.md").write_text("- [ ] 1 Please\n  - Agent: mine\n")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == 0, outcome.stderr
    (task,) = json.loads(outcome.stdout)["tasks"]
    assert (task["output"], task["session_id"], task["model"]) == ("did it", "s-1", "own")
    assert task["usage"] == {
        "input_tokens": 3,
        "output_tokens": 2,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "cost_usd": 0.5,
    }


def test_what_it_reports_as_failed_is_failed_whatever_its_exit_code(aur: Aur, mine: Path) -> None:
    (mine / "tasks.md").write_text("- [ ] 1 Please fail\n  - Agent: mine\n")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == 1
    (task,) = json.loads(outcome.stdout)["tasks"]
    assert (task["state"], task["exit_code"], task["retry_count"]) == ("failed", 0, 0)
    assert "it reports: no such thing (status 400)" in task["error"]


def test_the_pages_configuration_is_read(shop: Path) -> None:
    project = Project.init(shop)
    project.config_file.write_text(SNIPPETS[0])
    backends = Aurora(project).agents
    bold = backends["bold"]
    assert isinstance(bold, CliBackend)
    assert (bold.kind, bold.permissive) == ("codex", True)
    assert not isinstance(backends["careful"], CommandBackend)
    assert set(yaml.safe_load(SNIPPETS[0])["backends"]) <= set(backends)


def test_the_pages_table_of_the_eight_is_the_codes_own() -> None:
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    shown = {kind: cells for kind, *cells in rows if kind in PROFILES}
    assert list(shown) == list(PROFILES)
    for kind, profile in PROFILES.items():
        provider, safe, adds, session = shown[kind]
        assert safe == profile.safe_mode
        assert provider.startswith("of its model") if profile.provider_in_model else provider == profile.provider
        if profile.permissive:
            assert f"`{' '.join(profile.permissive)}`" in adds
        ending = [word for word in profile.resumed or () if word != "-"]
        wanted = " ".join(ending).replace("{session}", "ID")
        assert wanted in session if ending else session.startswith("no: ")
