"""Usage windows from Codex's session logs, and logs with anything else in their place."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aurora_spawner import CliBackend
from aurora_spawner.backends.codex_log import TAIL_BYTES, windows_of
from aurora_spawner.tasks.usage_windows import UsageWindow

SESSION = "01a2256b-c447-7610-8d1a-dab7613bb901"
"""Of 29 November 2026."""


def log_in(home: Path, *events: object, day: str = "29") -> Path:
    folder = home / "sessions" / "2026" / "11" / day
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"rollout-2026-11-29T03-49-09-{SESSION}.jsonl"
    log.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    return log


def limits(primary: object, secondary: object = None, **more: object) -> dict[str, object]:
    told = {"limit_id": "codex", "primary": primary, "secondary": secondary, "credits": None, **more}
    return {"type": "event_msg", "payload": {"type": "token_count", "info": None, "rate_limits": told}}


FULL = {"used_percent": 100.0, "window_minutes": 300, "resets_at": 1795931349}
HALF = {"used_percent": 41.0, "window_minutes": 10080, "resets_at": 1796224149}


@pytest.mark.parametrize("day", ["28", "29", "30"])
def test_the_last_word_counts(tmp_path: Path, day: str) -> None:
    log_in(tmp_path, limits(HALF), limits(FULL, HALF), {"type": "other"}, day=day)
    five = UsageWindow(name="5-hour", used_percent=100.0, resets_at=1795931349.0, exhausted=True)
    week = UsageWindow(name="weekly", used_percent=41.0, resets_at=1796224149.0)
    assert windows_of(tmp_path, SESSION) == (five, week)
    backend = CliBackend(name="c", kind="codex", env={"CODEX_HOME": str(tmp_path)})
    assert backend.windows_of(tmp_path / "other", SESSION) == (five, week)
    isolated = CliBackend(name="c", kind="codex", isolated=True)
    assert isolated.windows_of(tmp_path, SESSION) == (five, week)
    assert CliBackend(name="c", kind="claude").windows_of(tmp_path, SESSION) == ()


def test_where_credits_pay_for_more_no_window_closes_the_account(tmp_path: Path) -> None:
    log_in(tmp_path, limits(FULL, credits={"has_credits": True}))
    assert windows_of(tmp_path, SESSION) == ()


@pytest.mark.parametrize("session", ["", "../../etc", "*", "ffffffff-ffff-ffff-ffff-ffffffffffff", "x" * 10_000])
def test_a_session_of_another_name_has_no_log(tmp_path: Path, session: str) -> None:
    log_in(tmp_path, limits(FULL))
    assert windows_of(tmp_path, session) == ()


def test_only_the_end_of_a_regular_file_is_read(tmp_path: Path) -> None:
    log = log_in(tmp_path, limits(FULL))
    log.write_text(log.read_text() + "x" * TAIL_BYTES)
    assert windows_of(tmp_path, SESSION) == ()
    log.unlink()
    os.mkfifo(log)
    assert windows_of(tmp_path, SESSION) == ()
    log.unlink()
    log.symlink_to("/dev/zero")
    assert windows_of(tmp_path, SESSION) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["used_percent", "window_minutes", "resets_at", "has_credits"]), inner)
    ),
    max_leaves=6,
)


@given(JSON, JSON, JSON)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_log_raises(tmp_path: Path, primary: object, secondary: object, credit: object) -> None:
    log_in(tmp_path, limits(primary, secondary, credits=credit))
    windows_of(tmp_path, SESSION)
