"""Words and arrays in one file, in numpy's format without its pickled objects."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aurora_core.private_files import private_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["UnreadableError", "WordArrays", "read_arrays", "write_arrays"]

# An unknown compression is a RuntimeError, a size beyond all bounds a MemoryError, a lone array a TypeError.
_BAD: Final = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error),
)


class UnreadableError(Exception):
    """A file is missing, damaged, or of another kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordArrays:
    """Words with arrays.

    Attributes:
        arrays: by name, all that were asked for.
    """

    words: Sequence[str]
    arrays: Mapping[str, NDArray[Any]]


def read_arrays(content: bytes, *names: str) -> WordArrays:
    """Reads what `write_arrays` wrote.

    Raises:
        UnreadableError: it is damaged, or a name is missing.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            words = found["words"].tobytes().decode("ascii").split("\n")
            return WordArrays(words=words, arrays={name: found[name] for name in names})
    except _BAD as error:
        raise UnreadableError(str(error)) from error


def write_arrays(path: Path, content: WordArrays) -> None:
    """Writes words and arrays, and the folder where it is missing; readers see the old file or the new one.

    Raises:
        OSError: it cannot be written.
    """
    packed = io.BytesIO()
    words = np.frombuffer("\n".join(content.words).encode("ascii"), dtype=np.uint8)
    np.savez(packed, allow_pickle=False, words=words, **content.arrays)
    private_folder(path.parent)
    write_private(path, packed.getvalue())
