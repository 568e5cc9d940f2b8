"""What programs read: the shape of every `--json` document is held by the files in `shapes/`.

After a wanted change: `UPDATE_GOLDEN=1 pytest tests/cli/test_cli_documents.py`. Keys are added, never renamed.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Aur = Callable[..., subprocess.CompletedProcess[str]]
SHAPES = Path(__file__).parent / "shapes"

COMMANDS = {
    "init": ["init", "--json"],
    "mem_index": ["mem", "index", "--json"],
    "mem_search": ["mem", "search", "price", "--limit", "2", "--json"],
    "mem_show": ["mem", "show", "price_of", "--json"],
    "mem_forget": ["mem", "forget", "1", "--json"],
    "mem_rebuild": ["mem", "rebuild", "--json"],
    "mem_stats": ["mem", "stats", "--json"],
    "spawn": ["spawn", "tasks.md", "--json"],
    "spawn_dry_run": ["spawn", "tasks.md", "--dry-run", "--json"],
    "spawn_nothing": ["spawn", "done.md", "--json"],
    "spawn_list_checkpoints": ["spawn", "--list-checkpoints", "--json"],
    "spawn_clean_checkpoints": ["spawn", "--clean-checkpoints", "0", "--json"],
    "runs_list": ["runs", "list", "--json"],
    "runs_show": ["runs", "show", "RUN", "--json"],
    "runs_result": ["runs", "result", "RUN/2", "--json"],
    "exec": ["exec", "Say it", "--agent", "echo", "--json"],
    "exec_dry_run": ["exec", "Say it", "--agent", "echo", "--dry-run", "--json"],
    "runs_clean": ["runs", "clean", "--older-than", "9", "--json"],
    "logs": ["logs", "RUN", "--json"],
    "cancel": ["cancel", "RUN", "--json"],
    "checkpoint_export": ["checkpoint", "export", "RUN", "--json"],
    "status": ["status", "RUN", "--json"],
    "audit_verify": ["audit", "verify", "--json"],
    "doctor": ["doctor", "--json"],
    "agents_list": ["agents", "list", "--json"],
    "agents_show": ["agents", "show", "tester", "--json"],
    "agents_search": ["agents", "search", "write a test", "--json"],
    "agents_doctor": ["agents", "doctor", "--json"],
    "agents_stats": ["agents", "stats", "--json"],
    "budget_show": ["budget", "show", "--json"],
    "budget_set": ["budget", "set", "--monthly", "9", "--json"],
    "budget_reset": ["budget", "reset", "--yes", "--json"],
    "budget_history": ["budget", "history", "--json"],
    "config_get": ["config", "get", "tool", "--json"],
    "config_set": ["config", "set", "merge", "never", "--json"],
    "config_list": ["config", "list", "--json"],
    "config_path": ["config", "path", "--json"],
    "keys_list": ["keys", "list", "--json"],
    "agents_refresh": ["agents", "refresh", "--json"],
    "policies_init": ["policies", "init", "--json"],
    "policies_show": ["policies", "show", "--json"],
    "policies_check": ["policies", "check", "--command", "rm -rf x", "--json"],
    "trust": ["trust", "--yes", "--json"],
    "trust_list": ["trust", "--list", "--json"],
    "trust_remove": ["trust", "--remove", "--json"],
}


def shape(value: object) -> object:
    """The keys and types of a document; a list has the shape of its first member."""
    if isinstance(value, dict):
        return {key: shape(member) for key, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.fixture
def run_before(aur: Aur, shop: Path) -> str:
    """A project with a run that did not reach its goal; returns the run's name."""
    (shop / ".aurora").mkdir()
    config = 'backends:\n  echo: {kind: command, command: ["cat"]}\n  bad: {kind: command, command: ["false"]}\n'
    config += "spawner: {recovery: {base_delay: 0.01}}\n"
    (shop / ".aurora" / "config.yaml").write_text(config, encoding="utf-8")
    tasks = "- [x] 1 Done\n- [ ] 2 Say it\n  - Agent: echo\n  - Depends: 1\n- [ ] 3 Fail\n  - Agent: bad\n"
    (shop / "tasks.md").write_text(tasks, encoding="utf-8")
    (shop / "done.md").write_text("- [x] 1 Done\n", encoding="utf-8")
    (shop / ".aurora" / "agents").mkdir()
    persona = "---\nid: tester\ngoal: Test\nskills: [a]\nexamples: {a: b}\n---\n"
    (shop / ".aurora" / "agents" / "tester.md").write_text(persona, encoding="utf-8")
    aur("mem", "index")
    run_id = json.loads(aur("spawn", "tasks.md", "--json").stdout)["run_id"]
    (shop / "tasks.md").write_text(tasks, encoding="utf-8")
    assert isinstance(run_id, str)
    return run_id


@pytest.mark.parametrize("name", COMMANDS)
def test_the_shape_of_a_document_is_stable(name: str, run_before: str, aur: Aur) -> None:
    words = [word.replace("RUN", run_before) for word in COMMANDS[name]]
    found = shape(json.loads(aur(*words).stdout))
    file = SHAPES / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    assert found == json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_document_is_all_there_is_on_standard_output(name: str, run_before: str, aur: Aur) -> None:
    words = [word.replace("RUN", run_before) for word in COMMANDS[name]]
    outcome = aur(*words)
    assert outcome.stdout.startswith("{\n")
    assert outcome.stdout.endswith("}\n")
    json.loads(outcome.stdout)
