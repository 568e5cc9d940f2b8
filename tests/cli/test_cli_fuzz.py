"""No command line and no file makes `aur` fail in a way that it does not know."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_cli.exits import ExitCode
from aurora_cli.main import run

WORDS = [
    *("init", "mem", "index", "search", "stats", "spawn", "doctor", "runs", "list", "show", "clean", "status"),
    *("logs", "pause", "resume", "cancel", "checkpoint", "export", "audit", "verify", "completion", "bash"),
    *("--json", "--limit", "--kind", "--min-score", "--show-scores", "--no-index", "--dry-run", "--yes"),
    *("--max-concurrent", "--tool", "--older-than", "--list-checkpoints", "--clean-checkpoints", "-f", "--resume"),
    *("3", "-1", "nan", "1e999", "code", "tasks.md", ".", "..", "spawn-1", "spawn-1/1", "", "--", "-h", "--help"),
]
TASKS = "- [ ] 1 Say it\n  - Agent: local\n"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "project"
        root.mkdir()
        (root / ".aurora").mkdir()
        (root / "tasks.md").write_text(TASKS, encoding="utf-8")
        (root / "code.py").write_text("def price() -> int:\n    return 1\n", encoding="utf-8")
        yield root


def status_of(args: list[str], folder: Path) -> tuple[int, str]:
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        return run(args), err.getvalue()


# A run or an answer takes processes and time, so these words stand beside `--dry-run` or not at all.
@given(
    args=st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=6).filter(
        lambda args: "soar" not in args and ("spawn" not in args or "--dry-run" in args)
    )
)
@settings(max_examples=examples(150), deadline=None)
def test_any_words_end_in_a_known_status_without_a_fault(args: list[str], folder: Path) -> None:
    within = [arg for arg in args if "/" not in arg or arg.startswith("spawn-")]
    status, err = status_of(within, folder)
    assert status in set(ExitCode)
    assert "bug in Aurora" not in err


@given(
    content=st.binary(max_size=120) | st.sampled_from([b"- [ ] 1 A\n", b"- [ ] ", b"\xff", b"- [ ] 1 A\n  - Agent:"])
)
@settings(max_examples=examples(60), deadline=None)
def test_any_task_file_is_planned_or_refused(content: bytes, folder: Path) -> None:
    (folder / "odd.md").write_bytes(content)
    status, err = status_of(["spawn", "odd.md", "--dry-run"], folder)
    assert status in (ExitCode.DONE, ExitCode.USAGE)
    assert "bug in Aurora" not in err


@given(name=st.sampled_from(["config.yaml", "policies.yaml"]), content=st.binary(max_size=120) | st.text(max_size=80))
@settings(max_examples=examples(60), deadline=None)
def test_any_configuration_is_understood_or_refused(name: str, content: bytes | str, folder: Path) -> None:
    file = folder / ".aurora" / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    try:
        status, err = status_of(["spawn", "tasks.md", "--dry-run"], folder)
    finally:
        file.unlink()
    assert status in (ExitCode.DONE, ExitCode.USAGE)
    assert "bug in Aurora" not in err
