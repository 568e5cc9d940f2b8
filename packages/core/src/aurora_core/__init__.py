"""Local code memory: chunks, index, search and activation for a source tree; settings and layout of a project.

Names beyond these are imported from their module, for example `aurora_core.trust.Claim`.
Names are imported when they are first used: a program that reads the configuration starts without the index.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aurora_core.activation import ActivationPreset
    from aurora_core.chunking import ChunkKind, SymbolType
    from aurora_core.errors import (
        AuroraCoreError,
        ConfigError,
        EmbedderError,
        NotInMemoryError,
        ProjectError,
        StoreBusyError,
        StoreCorruptError,
        StoreError,
        TrustStoreError,
    )
    from aurora_core.hits import FileHit, Hit, MemoryStats, Reference, Tie
    from aurora_core.memory import Memory
    from aurora_core.project import Project
    from aurora_core.report import IndexProgress, IndexReport, LeftOutGroup, SkippedFile
    from aurora_core.search import Rarity
    from aurora_core.settings.config import Config, load_config
    from aurora_core.store.reasoning import Reasoning
    from aurora_core.trust import TrustStore

__all__ = [
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

_MODULES: Final = {
    "activation": ("ActivationPreset",),
    "chunking": ("ChunkKind", "SymbolType"),
    "errors": (
        "AuroraCoreError",
        "ConfigError",
        "EmbedderError",
        "NotInMemoryError",
        "ProjectError",
        "StoreBusyError",
        "StoreCorruptError",
        "StoreError",
        "TrustStoreError",
    ),
    "hits": ("FileHit", "Hit", "MemoryStats", "Reference", "Tie"),
    "memory": ("Memory",),
    "project": ("Project",),
    "report": ("IndexProgress", "IndexReport", "LeftOutGroup", "SkippedFile"),
    "search": ("Rarity",),
    "settings.config": ("Config", "load_config"),
    "store.reasoning": ("Reasoning",),
    "trust": ("TrustStore",),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Imports a name of `__all__` from its module.

    Raises:
        AttributeError: The package has no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Returns all names that the package promises."""
    return sorted({*globals(), *__all__})
