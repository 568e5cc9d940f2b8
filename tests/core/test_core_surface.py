"""The names that aurora_core promises are exactly these; all others are imported from their own module."""

from __future__ import annotations

import subprocess
import sys

import aurora_core

PROMISED = [
    "ActivationPreset",
    "AuroraCoreError",
    "ChunkKind",
    "Config",
    "ConfigError",
    "EmbedderError",
    "FileHit",
    "Hit",
    "IndexProgress",
    "IndexReport",
    "LeftOutGroup",
    "Memory",
    "MemoryStats",
    "NotInMemoryError",
    "Project",
    "ProjectError",
    "Rarity",
    "Reasoning",
    "Reference",
    "SkippedFile",
    "StoreBusyError",
    "StoreCorruptError",
    "StoreError",
    "SymbolType",
    "Tie",
    "TrustStore",
    "TrustStoreError",
    "load_config",
]


def test_the_promised_names_are_these_and_can_be_imported() -> None:
    assert aurora_core.__all__ == sorted(PROMISED)
    assert [name for name in PROMISED if not hasattr(aurora_core, name)] == []


def test_every_error_at_the_top_has_the_same_root() -> None:
    errors = [getattr(aurora_core, name) for name in PROMISED if name.endswith("Error")]
    assert all(issubclass(error, aurora_core.AuroraCoreError) for error in errors)


def test_a_memory_that_is_only_searched_loads_no_parser_and_no_git() -> None:
    modules = ("tree_sitter", "aurora_core.references", "aurora_core.git", "aurora_core.chunking")
    code = f"import sys, aurora_core.memory; print(*(name in sys.modules for name in {modules}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "False", "True"]
