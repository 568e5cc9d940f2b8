"""How long one task takes with real agents whose provider refuses everything for some seconds, as JSON.

    python benchmarks/recovery/limits.py limit36 claude codex
    python benchmarks/recovery/limits.py limit12

Needs the agents (`python tools/install_agents.py --all`) and Linux, for they are cut off from the network.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.cut_off import open_cell
from tests.e2e.stage import Stage
from tests.e2e.wirings import KINDS, search_path


def main() -> None:
    """Run one agent after the other."""
    play, *wanted = sys.argv[1:]
    cell = open_cell()
    if isinstance(cell, str):
        sys.exit(cell)
    rows = []
    try:
        for kind in wanted or KINDS:
            if shutil.which(kind, path=search_path()) is None:
                continue
            with tempfile.TemporaryDirectory() as folder:
                stage = Stage(cell=cell, folder=Path(folder))
                whole = "!" if kind == "aider" else ""
                key = f"{play}-{kind}-{time.time_ns()}"
                stage.add_agent(kind, f"{play}{whole}", key)
                stage.add_task(key)
                began = time.monotonic()
                played = stage.play(within_s=400)
                took = time.monotonic() - began
                first, *_rest = asked = stage.cell.asked(key)
                rows.append(
                    {
                        "agent": kind,
                        "state": played.task["state"],
                        "seconds": round(took, 1),
                        "since_first_call": round(time.time() - first["at"], 1),
                        "calls": len(asked),
                        "attempts": len(list((stage.project / ".aurora" / "runs").glob("*/00000-*"))),
                    }
                )
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    finally:
        cell.close()
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
