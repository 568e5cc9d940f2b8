"""Local code memory: chunks, index, search and activation for a source tree; settings and layout of a project.

Names beyond these are imported from their module, for example `aurora_core.trust.Claim`.

Names are imported when they are first used: whoever needs one part of the package does not load the others.
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
    from aurora_core.hits import FileHit, Hit, MemoryStats, Reference
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
    "TrustStore",
    "TrustStoreError",
    "load_config",
]

_HOMES: Final = {
    "ActivationPreset": "activation",
    "AuroraCoreError": "errors",
    "ChunkKind": "chunking",
    "Config": "settings.config",
    "ConfigError": "errors",
    "EmbedderError": "errors",
    "FileHit": "hits",
    "Hit": "hits",
    "IndexProgress": "report",
    "IndexReport": "report",
    "LeftOutGroup": "report",
    "Memory": "memory",
    "MemoryStats": "hits",
    "NotInMemoryError": "errors",
    "Project": "project",
    "ProjectError": "errors",
    "Rarity": "search",
    "Reasoning": "store.reasoning",
    "Reference": "hits",
    "SkippedFile": "report",
    "StoreBusyError": "errors",
    "StoreCorruptError": "errors",
    "StoreError": "errors",
    "SymbolType": "chunking",
    "TrustStore": "trust",
    "TrustStoreError": "errors",
    "load_config": "settings.config",
}
"""The module of each name of `__all__`."""


def __getattr__(name: str) -> object:
    """Imports a name of `__all__` from its module, and the others of that module with it.

    Raises:
        AttributeError: the package has no such name.
    """
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{home}")
    globals().update({each: getattr(module, each) for each, its in _HOMES.items() if its == home})
    return globals()[name]


def __dir__() -> list[str]:
    return __all__
