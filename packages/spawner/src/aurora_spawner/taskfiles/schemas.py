"""The schemas that a task file names for the results of its tasks: files beside it, read as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import TaskError, TaskFileError
from aurora_spawner.storage.regular_files import NotRegularError, read_regular
from aurora_spawner.tasks.result_schema import SCHEMA_BYTES, schema_text

if TYPE_CHECKING:
    from pathlib import Path

_FIELD: Final = "result"
_MOST_BYTES: Final = 4 * SCHEMA_BYTES
"""The largest file; a schema is shorter without its indentation."""


def read_schema(taskfile: Path, line: int, name: str) -> str:
    """Returns the schema in a file, as text.

    Args:
        line: Where the task file names it.
        name: Its path, relative to the task file.

    Raises:
        TaskFileError: The path is absolute, or what it names cannot be read, is too large, or is no usable schema.
    """
    if name.startswith("/"):
        raise TaskFileError(taskfile, line, f"{name}: a schema's path is relative to the task file", field=_FIELD)
    try:
        content = read_regular(taskfile.parent / name, limit=_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            problem = f"has more than {_MOST_BYTES >> 10} KiB"
            raise TaskFileError(taskfile, line, f"{name}: {problem}", field=_FIELD)
        return schema_text(content.decode("utf-8-sig"))
    except NotRegularError as error:
        problem = str(error.strerror)
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    except TaskError as error:
        problem = str(error)
    raise TaskFileError(taskfile, line, f"{name}: {problem}", field=_FIELD)
