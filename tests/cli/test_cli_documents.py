"""What programs read: the schema and the shape of every `--json` document, held by the files in `shapes/`.

After a wanted change: `UPDATE_GOLDEN=1 pytest -n 0 tests/cli/test_cli_documents.py`, and `tools/reference.py` with
`--write`, which makes docs/reference/documents.md of them. Members are added, never renamed.
"""

import ast
import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import aurora_cli
from aurora_cli.documents import Schema

Aur = Callable[..., subprocess.CompletedProcess[str]]
SHAPES = Path(__file__).parent / "shapes"

COMMANDS = {
    "init": ["init", "--json"],
    "mem_index": ["mem", "index", "--json"],
    "mem_search": ["mem", "search", "price", "--limit", "2", "--json"],
    "mem_show": ["mem", "show", "price_of", "--json"],
    "mem_graph": ["mem", "graph", "src/shop/till.py", "--json"],
    "mem_stats": ["mem", "stats", "--json"],
    "spawn": ["spawn", "tasks.md", "--json"],
    "spawn_dry_run": ["spawn", "tasks.md", "--dry-run", "--json"],
    "spawn_nothing": ["spawn", "done.md", "--json"],
    "spawn_list_checkpoints": ["spawn", "--list-checkpoints", "--json"],
    "runs_list": ["runs", "list", "--json"],
    "runs_show": ["runs", "show", "RUN", "--json"],
    "runs_result": ["runs", "result", "RUN/2", "--json"],
    "exec": ["exec", "Say it", "--agent", "echo", "--json"],
    "exec_dry_run": ["exec", "Say it", "--dry-run", "--json"],
    "logs": ["logs", "RUN", "--json"],
    "checkpoint_export": ["checkpoint", "export", "RUN", "--json"],
    "status": ["status", "RUN", "--json"],
    "audit_verify": ["audit", "verify", "--json"],
    "audit_verify_file": ["audit", "verify", ".aurora/audit.jsonl", "--json"],
    "doctor": ["doctor", "--json"],
    "agents_list": ["agents", "list", "--json"],
    "agents_show": ["agents", "show", "tester", "--json"],
    "agents_search": ["agents", "search", "write a test", "--json"],
    "agents_doctor": ["agents", "doctor", "--json"],
    "agents_stats": ["agents", "stats", "--json"],
    "budget_show": ["budget", "show", "--json"],
    "budget_set": ["budget", "set", "--monthly", "9", "--json"],
    "budget_history": ["budget", "history", "--json"],
    "config_get": ["config", "get", "tool", "--json"],
    "config_set": ["config", "set", "merge", "never", "--json"],
    "config_list": ["config", "list", "--json"],
    "config_path": ["config", "path", "--json"],
    "goals": ["goals", "explain how prices add up", "--yes", "--json"],
    "plan_list": ["plan", "list", "--json"],
    "plan_show": ["plan", "show", "1", "--json"],
    "keys_list": ["keys", "list", "--json"],
    "agents_refresh": ["agents", "refresh", "--json"],
    "policies_init": ["policies", "init", "--json"],
    "policies_show": ["policies", "show", "--json"],
    "policies_check": ["policies", "check", "--command", "rm -rf x", "--json"],
    "trust": ["trust", "--yes", "--json"],
    "workspace_add": ["workspace", "add", "--name", "here", "--json"],
    "workspace_list": ["workspace", "list", "--json"],
    "workspace_status": ["workspace", "status", "--json"],
    "status_all": ["status", "--all", "--json"],
    "runs_list_all": ["runs", "list", "--all", "--json"],
    "workspace_remove": ["workspace", "remove", "here", "--json"],
    "trust_list": ["trust", "--list", "--json"],
    "soar": ["soar", "Where is the price of an article?", "--json"],
    "soar_sessions": ["soar", "--sessions", "--json"],
    "runs_show_soar": ["runs", "show", "QUESTION", "--json"],
    "runs_show_recovery": ["runs", "show", "RUN", "--recovery", "--json"],
    "runs_trace": ["runs", "trace", "RUN", "--json"],
    "comm": ["comm", "RUN", "--json"],
    "interact_list": ["interact", "--list", "--json"],
    "runs_replay": ["runs", "replay", "RUN", "--json"],
    "runs_replay_what_if": ["runs", "replay", "RUN", "--what-if", "max_concurrent=2", "--json"],
    "runs_diff": ["runs", "diff", "RUN", "RUN", "--json"],
    "approvals": ["approvals", "--all", "--json"],
    "worktrees_list": ["worktrees", "list", "--json"],
    "worktrees_clean": ["worktrees", "clean", "--dry-run", "--json"],
    "policies_test": ["policies", "test", "examples.yaml", "--json"],
    "policies_rehearse": ["policies", "rehearse", "--json"],
    "policies_grants": ["policies", "grants", "--json"],
    "mem_semantic_status": ["mem", "semantic", "status", "--json"],
    "mem_semantic_off": ["mem", "semantic", "off", "--json"],
    "budget_reset": ["budget", "reset", "--yes", "--json"],
    "plan_archive": ["plan", "archive", "1", "--json"],
    "cancel": ["cancel", "RUN", "--json"],
    "mem_forget": ["mem", "forget", "1", "--json"],
    "mem_lessons": ["mem", "lessons", "--json"],
    "mem_forget_lesson": ["mem", "forget", "--lesson", "no-lesson", "--json"],
    "mem_rebuild": ["mem", "rebuild", "--json"],
    "runs_clean": ["runs", "clean", "--older-than", "9", "--json"],
    "spawn_clean_checkpoints": ["spawn", "--clean-checkpoints", "0", "--json"],
    "init_undo": ["init", "--undo", "--json"],
    "trust_remove": ["trust", "--remove", "--json"],
    "mem_forget_session": ["mem", "forget", "--session", "SESSION", "--json"],
}


WITHOUT_SHAPE = {
    *(
        Schema.ATTACH_EVENT,
        Schema.APPROVAL_ANSWER,
        Schema.CANDIDATES,
        Schema.DISCARD,
        Schema.INDEX_CHANGE,
        Schema.MERGE,
        Schema.PICK,
    ),
    *(Schema.PULL_REQUEST, Schema.QUESTION_ANSWER, Schema.RUN_CONTINUED, Schema.RUN_NOT_STARTED, Schema.RUN_PAUSED),
    *(Schema.RUN_STARTED, Schema.SEMANTIC_ON, Schema.REPLAN),
    *(
        Schema.INTERACT_SESSION,
        Schema.INTERACT_EVENT,
        Schema.POST,
        Schema.POSTED,
        Schema.WORKERS,
        Schema.WORKER_LIMITS,
        Schema.WORKER_BUDGETS,
        Schema.WORKER_ADVICE,
    ),
    *(Schema.WORKER_ROLES, Schema.WORKER_TOKENS, Schema.WORKER_TOKENS_REVOKED, Schema.WORKER_TOKEN_ADDED),
}
"""Documents of commands that need worktrees, a background, a database or a model; the tests of each read them."""
PLACE = re.compile("RUN|QUESTION|SESSION")
TYPES = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "NoneType": "null"}


def shape(value: object) -> object:
    """The members and types of a document; that of a list is what all its members have together."""
    if isinstance(value, dict):
        return {key: shape(member) for key, member in value.items()}
    if isinstance(value, list):
        found: object = None
        for member in value:
            found = shape(member) if found is None else either(found, shape(member))
        return [] if found is None else [found]
    return TYPES[type(value).__name__]


def either(one: object, other: object) -> object:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: either(one.get(key), other.get(key)) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [either(one[0], other[0])] if one and other else one or other
    if one is None or other is None or one == other:
        return other if one is None else one
    if isinstance(one, str) and isinstance(other, str):
        return " or ".join(sorted({*one.split(" or "), *other.split(" or ")}))
    return other if one == TYPES["NoneType"] else one


def start(aur: Aur, shop: Path) -> dict[str, str]:
    """Makes a project with a run that did not reach its goal and a question; returns the names in COMMANDS."""
    subprocess.run(["git", "init", "-q", shop], check=True)  # the list of worktrees is that of a repository
    (shop / ".aurora").mkdir()
    config = 'backends:\n  echo: {kind: command, command: ["cat"]}\n  bad: {kind: command, command: ["false"]}\n'
    config += "spawner: {recovery: {base_delay: 0.01}}\nrouting: {among: [echo, bad]}\n"
    (shop / ".aurora" / "config.yaml").write_text(config, encoding="utf-8")
    tasks = "- [x] 1 Done\n- [ ] 2 Say it\n  - Agent: echo\n  - Depends: 1\n- [ ] 3 Fail\n  - Agent: bad\n"
    (shop / "tasks.md").write_text(tasks, encoding="utf-8")
    (shop / "done.md").write_text("- [x] 1 Done\n", encoding="utf-8")
    (shop / "examples.yaml").write_text("- {command: ls, expect: allow}\n", encoding="utf-8")
    (shop / ".aurora" / "agents").mkdir()
    persona = "---\nid: tester\ngoal: Test\nskills: [a]\nexamples: {a: b}\n---\n"
    (shop / ".aurora" / "agents" / "tester.md").write_text(persona, encoding="utf-8")
    aur("mem", "index")
    aur("goals", "explain how prices add up", "--yes")
    run = json.loads(aur("spawn", "tasks.md", "--json").stdout)
    (shop / "tasks.md").write_text(tasks, encoding="utf-8")
    (shop / ".aurora" / "audit.jsonl").write_text(aur("audit", "export").stdout, encoding="utf-8")
    question = json.loads(aur("soar", "Where is the price of an article?", "--json").stdout)
    return {"RUN": run["run_id"], "QUESTION": question["query_id"], "SESSION": question["session"]["id"]}


def test_every_document_has_its_schema_and_its_shape(aur: Aur, shop: Path) -> None:
    names = start(aur, shop)
    wrong = {}
    for name, given in COMMANDS.items():
        words = [PLACE.sub(lambda found: names[found[0]], word) for word in given]
        printed = aur(*words).stdout
        assert printed.startswith('{\n  "schema": "aur.'), (name, printed)
        assert printed.endswith("\n}\n"), name
        document = json.loads(printed)
        found = {"command": f"aur {shlex.join(given)}", "schema": document.pop("schema"), "document": shape(document)}
        file = SHAPES / f"{name}.json"
        if os.environ.get("UPDATE_GOLDEN"):
            file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        if found != json.loads(file.read_text(encoding="utf-8")):
            wrong[name] = found
    assert wrong == {}


def test_every_schema_is_printed_by_a_command_and_held_by_a_test() -> None:
    shown = {json.loads(file.read_text(encoding="utf-8"))["schema"] for file in SHAPES.iterdir()}
    assert {file.stem for file in SHAPES.iterdir()} == set(COMMANDS)
    assert shown | WITHOUT_SHAPE == set(Schema)
    assert not shown & WITHOUT_SHAPE
    assert {name for _, name in schemas_in_the_program()} == set(Schema.__members__)


def test_all_json_is_printed_by_the_functions_that_begin_it_with_its_schema() -> None:
    """`audit export` prints events as they were hashed; elsewhere no command writes JSON itself."""
    folder = Path(aurora_cli.__file__).parent
    writers = {
        str(file.relative_to(folder))
        for file in [*folder.rglob("commands/**/*.py"), folder / "run_progress.py"]
        if {"json", "emit_exported"} & set(imported(file))
    }
    assert writers == {"commands/audit/export.py"}


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (each.name for each in node.names)


def schemas_in_the_program() -> Iterator[tuple[Path, str]]:
    for file in Path(aurora_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Schema":
                yield file, node.attr
