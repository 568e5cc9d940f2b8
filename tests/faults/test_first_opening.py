"""Several processes open a database that is not there yet, at the same moment."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

PROCESSES = 4
DATABASES = 60
APART_S = 0.02
SPIN_S = 0.002
"""Awake for so long before each moment, all meet it closely."""

OPENERS = {
    "journal": "from aurora_spawner.journal.store import Journal\ndef opened(path): Journal(path).close()",
    "rate limits": """
from aurora_spawner.rate_limits.gate_store import ProviderStore
def opened(path):
    with ProviderStore(path) as gates:
        gates.limited("anthropic", began=0.0, retry_after_s=1.0, reason="429")
""",
    "memory": "from aurora_core.store.database import connect\ndef opened(path): connect(path).close()",
    "ledger": """
from aurora_policies.budget.tables import transaction
def opened(path):
    with transaction(path): pass
""",
}


@pytest.mark.parametrize("kind", few(OPENERS, 2))
def test_a_database_is_made_once_and_everybody_can_use_it(tmp_path: Path, kind: str) -> None:
    """None is told that it is locked, or that another program made it."""
    program = f"""
import sys, time
from pathlib import Path
{OPENERS[kind]}
folder, start = Path(sys.argv[1]), float(sys.argv[2])
for number in range({DATABASES}):
    moment = start + number * {APART_S}
    time.sleep(max(0.0, moment - time.time() - {SPIN_S}))
    while time.time() < moment:
        pass
    opened(folder / f"{{number}}.db")
"""
    start = str(time.time() + 1)
    openers = [
        WarmPopen([sys.executable, "-c", program, str(tmp_path), start], stderr=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    assert [opener.communicate(timeout=50)[1] for opener in openers] == [""] * PROCESSES
    assert len(list(tmp_path.glob("*.db"))) == DATABASES
