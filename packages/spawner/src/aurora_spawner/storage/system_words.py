"""The words of the system for a failure, without the number and the quotes that Python adds."""

from __future__ import annotations

import os


def system_words(error: Exception) -> str:
    """Returns the words of an error of the system after the file that it is about; of any other error, all words."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    if isinstance(error.filename, (str, bytes, os.PathLike)):
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return error.strerror
