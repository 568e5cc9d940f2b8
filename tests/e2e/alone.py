"""An agent CLI on its own, without `aur`, in its most permissive mode."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from typing import TYPE_CHECKING, Any
from unittest import mock

from tests.e2e.wirings import search_path, wiring

from aurora_spawner import CliBackend, SpawnTask
from aurora_spawner.backends.base import AttemptRequest
from aurora_spawner.supervision.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.e2e.cut_off import Cell

    from aurora_spawner.gates.hook_command import HookCommand


def run_alone(
    kind: str,
    cell: Cell,
    folder: Path,
    *,
    play: str = "danger",
    key: str,
    hook: HookCommand | None = None,
    args: Sequence[str] = (),
    inherited: Mapping[str, str] | None = None,
    files: Mapping[Path, object] | None = None,
) -> Path:
    """Runs a CLI with this hook, or these further arguments; returns the folder in which it worked.

    Args:
        files: more files that are there before, as JSON.
    """
    work, home, user = (folder / each for each in ("work", "home", "user"))
    for each in (work / "victim", home, user):
        each.mkdir(parents=True)
    (work / "victim" / "kept.txt").write_text("kept\n")
    settings = wiring(kind, play, key, home)
    given: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in settings.items()}
    backend = CliBackend(name=kind, **{**given, "args": (*given.get("args", ()), *args)})
    request = AttemptRequest(
        task=SpawnTask("x"),
        folder=folder,
        prompt_file=folder / "prompt",
        home=home,
        hook=hook,
        new_session=str(uuid.uuid4()),
    )
    with mock.patch.dict(os.environ, {"PATH": search_path()}):
        invocation = backend.request(request)
    given_files = {path: json.dumps(content) for path, content in (files or {}).items()}
    for path, content in {**given_files, **invocation.files}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    subprocess.run(
        cell.inside(*invocation.command),
        cwd=work,
        env={
            **(inherited or {}),
            "PATH": search_path(),
            "HOME": str(user),
            **({TOKEN_VARIABLE: hook.token} if hook else {}),
            **invocation.env,
        },
        input=f"Please do it in the folder {work}",
        text=True,
        capture_output=True,
        timeout=180,
        check=True,
    )
    return work
