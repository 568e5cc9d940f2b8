"""Real Claude Code uses this project through `aur mcp`, as `aur mcp install` writes it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from tests.e2e.stage import AUR
from tests.e2e.wirings import wiring

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Stage

TILL = 'def price_of(basket):\n    """Returns the price."""\n    return sum(basket)\n'


def test_claude_code_searches_and_has_tasks_done(stage: Stage, need: Callable[[str], None]) -> None:
    need("claude")
    stage.home.mkdir()
    stage.project.mkdir()
    (stage.project / "till.py").write_text(TILL)
    (stage.project / "tasks.md").write_text("- [ ] 1 Where is the price of a basket made?\n  - Agent: local\n")
    # Else the model has to search for the tools first.
    environ = {**stage.environ, **wiring("claude", "memory", "mcp", stage.home)["env"], "ENABLE_TOOL_SEARCH": "false"}

    def inside(*command: str) -> str:
        done = subprocess.run(
            stage.cell.inside(*command),
            cwd=stage.project,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    inside(str(AUR), "mem", "index")
    inside(str(AUR), "mcp", "install", "claude", "--yes")
    said = inside(
        *("claude", "-p", "Look and work", "--mcp-config", ".mcp.json", "--strict-mcp-config"),
        *("--allowedTools", "mcp__aurora", "--output-format", "stream-json", "--verbose"),
    )
    events = [json.loads(line) for line in said.splitlines()]
    servers = [each for event in events for each in event.get("mcp_servers", [])]
    assert {"name": "aurora", "status": "connected"} in [
        {name: each[name] for name in ("name", "status")} for each in servers
    ]
    results = json.dumps([event for event in events if event["type"] == "user"])
    assert "price_of" in results, said
    assert "succeeded" in results, said
    assert "- [x] 1" in (stage.project / "tasks.md").read_text()
