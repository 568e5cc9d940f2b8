"""Local code memory: chunks, index, search and activation for a source tree."""

from aurora_core.activation import ActivationPreset
from aurora_core.checkouts import linked_worktree_above
from aurora_core.chunking import ChunkKind, SymbolType
from aurora_core.errors import (
    AuroraCoreError,
    ConfigError,
    EmbedderError,
    ProjectError,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    TrustStoreError,
)
from aurora_core.hits import FileHit, Hit, MemoryStats, Reference
from aurora_core.memory import Memory
from aurora_core.places import is_test_file
from aurora_core.project import Project, shared_answers_folder
from aurora_core.report import IndexProgress, IndexReport, LeftOutGroup, SkippedFile
from aurora_core.search import Rarity
from aurora_core.settings.config import BackendConfig, Config, load_config, project_claims
from aurora_core.store.reasoning import Reasoning
from aurora_core.tokens import terms
from aurora_core.trust import Change, Claim, Part, TrustedProject, TrustStore, changes, digest_of

__all__ = [
    "ActivationPreset",
    "AuroraCoreError",
    "BackendConfig",
    "Change",
    "ChunkKind",
    "Claim",
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
    "Part",
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
    "TrustedProject",
    "changes",
    "digest_of",
    "is_test_file",
    "linked_worktree_above",
    "load_config",
    "project_claims",
    "shared_answers_folder",
    "terms",
]
