"""Local code memory: chunks, index, search and activation for a source tree; settings and layout of a project.

Names beyond these are imported from their module, for example `aurora_core.trust.Claim`.
"""

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
