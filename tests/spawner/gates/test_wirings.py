"""What Copilot CLI is told by the shell command that wraps the hook; real CLIs are in tests/e2e/test_e2e_gate.py."""

import json
import subprocess
from pathlib import Path

import pytest

from aurora_spawner.gates import wirings
from aurora_spawner.gates.hook_command import HookCommand

REASON = "it says \"no\"\n\tto C:\\temp, über $(all) `of` 'it' %s"


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        ("print('{}')", None),
        (f"import sys; sys.stderr.write({REASON!r}); sys.exit(2)", "it says noto C:temp, über $(all) `of` 'it' %s"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", ""),
    ],
)
def test_copilot_is_told_a_denial_as_json(tmp_path: Path, hook: str, reason: str | None) -> None:
    program = tmp_path / "a hook.py"
    program.write_text(hook)
    wiring = wirings.copilot(HookCommand(socket=tmp_path / "gate.sock", token="t", program=program))
    (written,) = wiring.files.values()
    (entry,) = json.loads(written)["hooks"]["preToolUse"]
    told = subprocess.run(["bash", "-c", entry["bash"]], input=b"{}", capture_output=True, check=True).stdout
    if reason is None:
        assert told == b""
    else:
        said = json.loads(told)
        assert said["permissionDecision"] == "deny"
        assert said["permissionDecisionReason"].startswith(reason)
