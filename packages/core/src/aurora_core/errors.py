"""The errors of the memory, as types that a caller can tell apart.

AuroraCoreError
├── ConfigError          a configuration file or variable has an invalid setting
├── KeyStoreError        a key cannot be stored or removed
├── UnknownKeyError      a key was not found
├── EmbedderError        an embedding model cannot be loaded
├── NotInMemoryError     a file, or a place in it, is not in the memory
├── ProjectError         a folder cannot be a project, or a path is outside of it
├── TrustStoreError      a record of trust cannot be read or written
├── WorkspaceListError   the list of workspaces cannot be read or changed
├── UnknownWorkspaceError  no workspace of the list has a name
├── WorkspaceNameError   a name cannot be that of a workspace, or another one has it
└── StoreError           memory.db cannot be used
    ├── StoreCorruptError    it is damaged
    └── StoreBusyError       another process kept it locked for too long
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AuroraCoreError",
    "ConfigError",
    "EmbedderError",
    "KeyStoreError",
    "NotInMemoryError",
    "ProjectError",
    "StoreBusyError",
    "StoreCorruptError",
    "StoreError",
    "TrustStoreError",
    "UnknownKeyError",
    "UnknownWorkspaceError",
    "WorkspaceListError",
    "WorkspaceNameError",
]


class AuroraCoreError(Exception):
    """The root of every error that this package raises on purpose."""


class ConfigError(AuroraCoreError, ValueError):
    """A setting that is not valid.

    Attributes:
        source: the file, or the name of the environment variable.
        line: counted from 1; None if no line applies.
        field: dotted key, "" for the whole file.
        reason: what is wrong with it.
    """

    def __init__(self, source: Path | str, line: int | None, field: str, reason: str) -> None:
        self.source = source
        self.line = line
        self.field = field
        self.reason = reason
        place = f"{source}:{line}" if line else f"{source}"
        super().__init__(f"{place}: {field}: {reason}" if field else f"{place}: {reason}")


class EmbedderError(AuroraCoreError):
    """An embedding model cannot be loaded.

    Attributes:
        path: the folder of the model.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class NotInMemoryError(AuroraCoreError):
    """A file, or a place in a file, that is not in the memory.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class ProjectError(AuroraCoreError):
    """A folder or file that cannot be used as asked.

    Attributes:
        path: the folder or file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class TrustStoreError(AuroraCoreError):
    """A record of trust cannot be read or written; it trusts nothing.

    Attributes:
        path: the record.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class WorkspaceListError(AuroraCoreError):
    """The list of workspaces cannot be read or changed; it is as it was.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class WorkspaceNameError(AuroraCoreError):
    """A name cannot be that of a workspace, or another one has it; the list is as it was.

    Attributes:
        name: the name.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(f"{name[:60]!r} cannot be the name of this workspace: {reason}; give another one: --name")


class UnknownWorkspaceError(AuroraCoreError):
    """No workspace of the list has a name.

    Attributes:
        name: the name.
    """

    def __init__(self, name: str, nearest: str) -> None:
        self.name = name
        guess = f"did you mean {nearest!r}? " if nearest else ""
        super().__init__(f"no workspace is named {name[:100]!r}; {guess}`aur workspace list` names them")


class StoreError(AuroraCoreError):
    """memory.db cannot be used.

    Attributes:
        path: the database.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class StoreCorruptError(StoreError):
    """memory.db is damaged; all of it but reasoning and accesses can be created again from the files."""


class StoreBusyError(StoreError):
    """Another process kept memory.db locked for longer than a writer waits."""


class KeyStoreError(AuroraCoreError):
    """A key cannot be stored, removed or named so. The message never contains its value."""


class UnknownKeyError(AuroraCoreError):
    """A key was not found.

    Attributes:
        name: name of the key.
        variables: variables that were searched for it.
    """

    def __init__(self, name: str, variables: tuple[str, ...], trouble: str) -> None:
        self.name = name
        self.variables = variables
        also = f" ({trouble})" if trouble else ""
        super().__init__(
            f"no key {name}: not in the system's keyring{also}, nor as {' or '.join(variables)} in .env or the "
            f"environment; set it by: aur keys set {name}"
        )
