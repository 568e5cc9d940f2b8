"""Vectors of a real model add candidates and take none away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from model2vec import StaticModel
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from aurora_core import EmbedderError, Memory, Reasoning
from aurora_core.semantic import Model2VecEmbedder

# Words that mean the same lie in the same direction.
MEANINGS = {"car": 0, "automobile": 0, "vehicle": 0, "tax": 1, "levy": 1, "duty": 1, "def": 2, "return": 2}


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of eight words, saved as the library saves real ones."""
    vocabulary = {"[UNK]": 0, **{word: at for at, word in enumerate(MEANINGS, start=1)}}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    vectors = np.zeros((len(vocabulary), 3), dtype=np.float32)
    for word, at in vocabulary.items():
        if word in MEANINGS:
            vectors[at, MEANINGS[word]] = 0.01 if MEANINGS[word] == 2 else 1.0
    folder = tmp_path_factory.mktemp("model")
    StaticModel(vectors, tokenizer, config={"normalize": True}).save_pretrained(str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "garage.py").write_text("def park(car):\n    return car\n")
    (tmp_path / "office.py").write_text("def pay(tax):\n    return tax\n")
    (tmp_path / "notes.md").write_text("# Notes\n\nautomobile automobile\n")
    return tmp_path


def test_what_shares_no_word_is_found_by_meaning(project: Path, model: Path) -> None:
    with Memory.open(project, embedder=Model2VecEmbedder(model)) as memory:
        memory.index()
        assert memory.encode() + 0 <= 3
        hits = memory.search("vehicle")
        assert {hit.file for hit in hits} == {"garage.py", "notes.md"}
        assert all(hit.semantic_score > 0.9 and hit.bm25_score == 0 for hit in hits)
        assert [hit.file for hit in memory.search("vehicle", kinds=["code"])] == ["garage.py"]


def test_vectors_never_take_a_lexical_hit_away(project: Path, model: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        plain = [hit.file for hit in memory.search("park tax", record=False)]
    with Memory.open(project, embedder=Model2VecEmbedder(model)) as memory:
        memory.encode()
        assert set(plain) <= {hit.file for hit in memory.search("park tax", record=False)}


def test_chunks_are_encoded_in_the_background_and_follow_edits(project: Path, model: Path) -> None:
    embedder = Model2VecEmbedder(model)
    with Memory.open(project, embedder=embedder) as memory:
        memory.index()
    with Memory.open(project, embedder=embedder) as memory:
        memory.encode()
        assert memory.encode() == 0, "nothing is encoded twice"
        (project / "garage.py").write_text("def park(levy):\n    return levy\n")
        memory.index()
        memory.encode()
        assert {hit.file for hit in memory.search("duty")} == {"garage.py", "office.py"}
        memory.remember(Reasoning(query="levy", answer="a levy", score=1, sources=(), run_id="r"))
        assert memory.encode() == 1
        assert [hit.kind for hit in memory.search("duty", kinds=["reas"])] == ["reas"]


class Constant:
    """A model that finds everything alike."""

    name = "constant"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.ones((len(texts), 2), dtype=np.float32)


def test_vectors_of_another_model_are_never_mixed_in(project: Path, model: Path) -> None:
    with Memory.open(project, embedder=Model2VecEmbedder(model)) as memory:
        memory.index()
        memory.encode()
    with Memory.open(project, embedder=Constant()) as memory:
        assert memory.search("vehicle") == [], "nothing is encoded with this model yet"
        assert memory.encode() == 3
        assert len(memory.search("vehicle")) == 3


class Overtaken:
    """While it encodes, another process encodes with another model."""

    name = "overtaken"

    def __init__(self, project: Path) -> None:
        self._project = project

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with Memory.open(self._project, embedder=Constant()) as other:
            other.encode()
        return np.ones((len(texts), 5), dtype=np.float32)


def test_a_model_stops_when_another_one_has_taken_its_place(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
    with Memory.open(project, embedder=Overtaken(project)) as memory:
        assert memory.encode() == 0
        assert memory.encoded() == (3, Constant.name)
    with Memory.open(project, embedder=Constant()) as memory:
        assert len(memory.search("vehicle")) == 3


def test_without_a_model_nothing_is_encoded(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
        assert memory.encode() == 0
        assert memory.search("vehicle") == []


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_a_folder_without_a_model_is_named_and_nothing_is_downloaded(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(EmbedderError) as raised:
        Model2VecEmbedder(tmp_path)
    assert raised.value.path == tmp_path
