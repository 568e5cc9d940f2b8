"""A project's own modules never stand in for ours, nor for Python's, in any process that we start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import AUR
from tests.exhaustive import few
from tests.warm_python import run_warm

from aurora_spawner.supervision.interpreter import python_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

OURS = ("aurora_cli", "aurora_core", "aurora_policies", "aurora_soar", "aurora_spawner")
THEIRS = ("click", "httpx", "keyring", "numpy", "pathspec", "psutil", "pydantic", "rich", "tree_sitter", "yaml")
STANDARD = sorted(
    name for name in sys.stdlib_module_names if not name.startswith("_") and name not in sys.builtin_module_names
)


@pytest.fixture
def trap(shop: Path, tmp_path: Path) -> Callable[[], list[str]]:
    """Give the project a module of every name that we might import; return what tells which of them ran."""
    sprung = tmp_path / "sprung"
    sprung.mkdir()
    for name in (*OURS, *THEIRS, *STANDARD):
        text = f"open({str(sprung / name)!r}, 'w').close()\n"
        if name in (*OURS, *THEIRS):
            (shop / name).mkdir()
            (shop / name / "__init__.py").write_text(text)
        else:
            (shop / f"{name}.py").write_text(text)
    return lambda: sorted(path.name for path in sprung.iterdir())


def start(*words: str, **environ: str) -> CompletedProcess[str]:
    return subprocess.run(
        words, env={**os.environ, **environ}, capture_output=True, text=True, timeout=55, check=False
    )


@pytest.mark.parametrize("more", few([{"PYTHONPATH": f"{os.pathsep}."}, {}, {"PYTHONPATH": ""}], 1))
def test_a_modules_command_imports_nothing_from_the_working_folder(
    trap: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    told = start(*python_command("aurora_soar.local_agent", "--help"), **more)
    assert told.returncode == 0, told.stderr
    assert trap() == []


def test_the_trap_springs(trap: Callable[[], list[str]]) -> None:
    """Else every test here would pass whatever we do."""
    start(sys.executable, "-m", "aurora_soar.local_agent", "--help")
    assert trap() != []


def test_soar_and_its_local_agent(trap: Callable[[], list[str]], shop: Path) -> None:
    told = start(str(AUR), "soar", "Compare Till and price_of: how do they work together and why?")
    assert told.returncode in (0, 1), told.stderr
    assert (shop / ".aurora" / "runs").is_dir(), "the local agent ran as a process"
    assert trap() == []


def test_a_run_in_the_background(trap: Callable[[], list[str]], shop: Path) -> None:
    (shop / "tasks.md").write_text("- [ ] 1 What does Till do?\n")
    told = start(str(AUR), "spawn", "tasks.md", "--bg", "--yes")
    assert told.returncode == 0, told.stderr
    run_id, state = told.stdout.strip(), ""
    for _ in range(100):
        state = json.loads(start(str(AUR), "runs", "show", run_id, "--json").stdout)["state"]
        if state not in {"pending", "running"}:
            break
    assert state == "succeeded"
    assert trap() == []


def test_python_m(trap: Callable[[], list[str]], shop: Path) -> None:
    """`python -m aurora_cli` in the project; what Python itself takes from there runs before us."""
    before_us = start(sys.executable, "-P", "-c", "import runpy, importlib.util, sys; print(*sys.modules)").stdout
    for name in before_us.split():
        (shop / f"{name}.py").unlink(missing_ok=True)
    (shop / "aurora_cli" / "__init__.py").unlink()
    (shop / "aurora_cli").rmdir()
    told = start(sys.executable, "-m", "aurora_cli", "--version")
    assert told.returncode == 0, told.stderr
    told = start(sys.executable, "-m", "aurora_cli", "status")
    assert told.returncode == 4
    assert trap() == []


def test_the_call_of_a_model(trap: Callable[[], list[str]]) -> None:
    from aurora_spawner import SpawnTask
    from aurora_spawner.backends.model.backend import ModelBackend

    backend = ModelBackend(name="model", api="openai", model="m", base_url="http://127.0.0.1:9/v1")
    told = subprocess.run(
        backend.invoke(SpawnTask("hello")).command,
        input="hello",
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert '"failed"' in told.stdout, told.stderr
    assert trap() == []


def test_what_is_kept_of_pythonpath_comes_last(tmp_path: Path) -> None:
    """It may hold our own packages; what Python brings is never looked for there, and relative places never."""
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')\n")
    (tmp_path / "extra.py").write_text("import json, sys; print(json.__file__, sys.argv[1:])\n")
    code = "from aurora_spawner.supervision.interpreter import python_command as c; import os, sys; "
    code += "os.execv(sys.executable, c('extra', 'word'))"
    told = start(
        sys.executable, "-P", "-c", f"import json; {code}", PYTHONPATH=f"relative{os.pathsep}{tmp_path / 'none'}"
    )
    assert "No module named extra" in told.stderr
    isolated = f"import os, sys; os.environ['PYTHONPATH'] = {str(tmp_path)!r}; {code}"
    told = start(sys.executable, "-I", "-c", isolated)
    assert sysconfig.get_paths()["stdlib"] in told.stdout, told.stderr
    assert "['word']" in told.stdout


@pytest.mark.parametrize("place", few([".", "", "tools", "./node_modules/.bin"], 1))
def test_a_relative_place_in_path_is_not_looked_in(shop: Path, tmp_path: Path, place: str) -> None:
    """A clone's own `git` or `claude` would run for ours."""
    folder = shop / place
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("git", "claude", "codex", "ps", "node"):
        (folder / name).write_text(f"#!/bin/sh\n/bin/touch {tmp_path / 'ran'}\n")
        (folder / name).chmod(0o755)
    (shop / "tasks.md").write_text("- [ ] 1 What does Till do?\n")
    path = os.pathsep.join([place, os.environ["PATH"]])
    for words in (("init",), ("agents", "doctor"), ("doctor",), ("spawn", "tasks.md", "--yes")):
        told = run_warm([AUR, *words], env={**os.environ, "PATH": path}, capture_output=True)
        assert not (tmp_path / "ran").exists(), (words, told.stderr)
