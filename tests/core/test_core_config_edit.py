"""A setting is changed on disk: valid and whole, or not at all."""

from __future__ import annotations

from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from aurora_core.errors import ConfigError
from aurora_core.settings.config_edit import change_setting

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "config.yaml"
    path.parent.mkdir()
    path.write_text("# mine\ntool: claude  # best\n", encoding="utf-8")
    return path


def test_comments_mode_and_other_settings_stay(file: Path) -> None:
    file.chmod(0o640)
    changed = change_setting(file, "spawner.max_concurrent", ["8"])
    assert (changed.value, changed.line) == (8, 4)
    assert file.read_text(encoding="utf-8") == "# mine\ntool: claude  # best\nspawner:\n  max_concurrent: 8\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in file.parent.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    ("key", "texts", "value"),
    [
        ("tool", ["8"], "8"),
        ("tool", ["no"], "no"),
        ("memory.exclude", ["*.min.js"], ["*.min.js"]),
        ("memory.exclude", ["a", "b"], ["a", "b"]),
        ("memory.exclude", ["[a, b]"], ["a", "b"]),
        ("memory.share_answers", ["true"], True),
        ("check", ["pytest -q"], ["pytest -q"]),
        ("backends.claude", ["{kind: claude, model: sonnet}"], {"kind": "claude", "model": "sonnet"}),
    ],
)
def test_a_value_is_read_as_the_setting_needs_it(file: Path, key: str, texts: list[str], value: object) -> None:
    assert change_setting(file, key, texts).value == value


@pytest.mark.parametrize(
    ("key", "texts", "problem"),
    [
        ("toool", ["x"], "toool: is not a setting; did you mean tool?"),
        ("spawner.max_concurent", ["3"], "did you mean spawner.max_concurrent?"),
        ("spawner.max_concurrent", ["many"], "must be a whole number, not 'many'"),
        ("spawner.max_concurrent", ["0"], "must be at least 1, not 0"),
        ("spawner.max_concurrent", ["5000"], "must be at most 1000, not 5000"),
        ("check_timeout_s", ["0"], "must be more than 0, not 0"),
        ("memory.share_answers", ["maybe"], "must be true or false, not 'maybe'"),
        ("isolation", ["wortree"], "must be 'auto', 'worktree' or 'none', not 'wortree'"),
        ("backends.m.env", ["sk-verysecret"], "backends.m.kind: is required"),
        ("backends.m", ["{kind: claude, env: sk-verysecret}"], "backends.m.env: must be a mapping, not text"),
        (
            "backends.m",
            ["{kind: claude, args: {a: sk-verysecret}}"],
            "backends.m.args: must be a list, not a mapping",
        ),
        ("backends.m", ["{kind: claude, env: {PIN: 12345}}"], "backends.m.env.PIN: must be text, not a number"),
        ("backends.m", ["{kind: model, model: x, key: sk-verysecret}"], "must name a key"),
        ("tool.x", ["1"], "holds a value"),
        ("", ["1"], "the name of the setting: is empty; `aur config list` shows all settings"),
        ("memory..exclude", ["1"], "is not a setting"),
    ],
)
def test_what_is_not_valid_is_not_written(file: Path, key: str, texts: list[str], problem: str) -> None:
    before = file.read_bytes()
    with pytest.raises(ConfigError) as raised:
        change_setting(file, key, texts)
    assert problem in str(raised.value)
    assert "verysecret" not in str(raised.value)
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == ["config.yaml"]


def test_a_file_that_is_not_valid_is_named_with_its_line_and_left(file: Path) -> None:
    file.write_text("tool: a\nspawner: {max_concurrent: 0}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config.yaml:2"):
        change_setting(file, "tool", ["b"])
    assert file.read_text(encoding="utf-8").startswith("tool: a")


def test_a_new_file_and_its_folder_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "aurora" / "config.yaml"
    change_setting(path, "tool", ["claude"])
    assert path.read_text(encoding="utf-8") == "tool: claude\n"


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "config.yaml"
    link.symlink_to(file)
    change_setting(link, "tool", ["codex"])
    assert link.is_symlink()
    assert "tool: codex  # best" in file.read_text(encoding="utf-8")


def test_a_full_disk_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = file.read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        change_setting(file, "tool", ["codex"])
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == ["config.yaml"]


def test_a_check_from_outside_keeps_it_from_being_written(file: Path) -> None:
    def refuse(content: bytes) -> None:
        assert b"codex" in content
        raise ConfigError("tool", None, "", "not here")

    before = file.read_bytes()
    with pytest.raises(ConfigError, match="not here"):
        change_setting(file, "tool", ["codex"], check=refuse)
    assert file.read_bytes() == before


def change(path: Path, number: int) -> None:
    change_setting(path, f"backends.agent{number}", ["{kind: command, command: [x]}"])


def test_of_changes_at_the_same_moment_none_is_lost(file: Path) -> None:
    context = get_context("fork")
    processes = [context.Process(target=change, args=(file, number)) for number in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=30)
    text = file.read_text(encoding="utf-8")
    assert all(f"agent{number}:" in text for number in range(6))
