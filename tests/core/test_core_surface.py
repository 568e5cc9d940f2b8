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


def test_a_memory_that_is_only_searched_loads_no_parser() -> None:
    code = (
        "import sys, aurora_core.memory; print('tree_sitter' in sys.modules, 'aurora_core.chunking' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]
