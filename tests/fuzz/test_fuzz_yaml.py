"""The readers of settings, policies and prices meet YAML that is meant to break them."""

import os
import socket
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exhaustive import few
from tests.fuzz.bounded import bounded

from aurora_core import ConfigError, Project, load_config
from aurora_policies import PoliciesEngine, PolicyFileError
from aurora_spawner.errors import PriceFileError
from aurora_spawner.spending.prices import load_prices


def read_config(file: Path) -> str:
    """Returns the error of a configuration; "" if it was read."""
    (file.parent / ".aurora").mkdir(exist_ok=True)
    project = Project(root=file.parent)
    project.config_file.unlink(missing_ok=True)
    project.config_file.symlink_to(file)
    try:
        load_config(project, environ={})
    except ConfigError as error:
        return str(error)
    return ""


def read_policies(file: Path) -> str:
    """Returns the error of a policy file; "" if it was read."""
    try:
        PoliciesEngine.load(file)
    except PolicyFileError as error:
        return str(error)
    return ""


def read_prices(file: Path) -> str:
    """Returns the error of a price table; "" if it was read."""
    try:
        load_prices(file)
    except PriceFileError as error:
        return str(error)
    return ""


READERS = [read_config, read_policies, read_prices]
TAGS = ["!!int", "!!float", "!!bool", "!!null", "!!str", "!!timestamp", "!!binary", "!!set", "!!omap", "!!pairs"]
TAGS += ["!!map", "!!seq", "!!merge", "!!value", "!!python/object/apply:os.system", "!own", "!", "!!python/name:os"]
WORDS = ["x", "1", "2024-99-99", "0x", "0o9", "1:99:99", ".inf", ".nan", "~", "''", "[a]", "{a: b}", "yes", "1e999"]
WORDS += ["9" * 5000, '"\\0"', '"\\ud800"', "*a", "&a b", "<<", "=", "? x", "- y", "|\n  text", "!!int", "%TAG"]
KEYS = ["tool", "backends", "spawner", "memory", "budget", "safety", "models", "as_of", "source", "destructive", "<<"]
LOADS = {
    "lists of lists": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "mappings of mappings": "a: &a {k: x}\n"
    + "".join(
        f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 9)}]}}\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "a loop": "a: &a [*a]\n",
    "deep": "a: " + "[" * 100_000,
    "deep mappings": "a: " + "{a: " * 25_000,
    "a long list": "a: [" + "1," * 60_000 + "]",
    "many anchors": "".join(f"k{i}: &a{i} v\n" for i in range(8_000)),
    "many keys": "".join(f"k{i}: v\n" for i in range(10_000)),
    "quotes": "a: '" + "''" * 60_000 + "'",
    "a long word": "a: " + "x" * 120_000,
    "indentation": "a:\n" + " " * 120_000 + "b",
    "questions": "? " * 60_000,
    "dashes": "- " * 60_000,
    "too large": "# x\n" * 1_000_000,
}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("tag", few(TAGS, 1))
def test_no_tag_raises_anything_untyped(tmp_path: Path, read: Callable[[Path], str], tag: str) -> None:
    for key, word in product(("tool", "as_of", "budget", "models"), WORDS):
        file = tmp_path / "some.yaml"
        file.write_text(f"{key}: {tag} {word}\n", encoding="utf-8")
        error = read(file)
        assert not error or ".yaml" in error


@given(
    st.lists(
        st.tuples(
            st.sampled_from(KEYS), st.sampled_from(["", *TAGS]), st.sampled_from(WORDS), st.sampled_from(["", "  "])
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_combination_raises_anything_untyped(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str, str, str]]
) -> None:
    file = tmp_path_factory.mktemp("yaml") / "some.yaml"
    file.write_text("".join(f"{indent}{key}: {tag} {word}\n" for key, tag, word, indent in lines), encoding="utf-8")
    for read in READERS:
        error = read(file)
        assert not error or ".yaml" in error


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("load", few(LOADS, 2))
def test_no_small_file_takes_long_or_much(tmp_path: Path, read: Callable[[Path], str], load: str) -> None:
    file = tmp_path / "some.yaml"
    file.write_text(LOADS[load], encoding="utf-8")
    said = bounded(read, file)
    assert ".yaml" in said, "none of these files makes sense"


@pytest.mark.parametrize("read", few(READERS, 1))
def test_only_regular_files_are_read(tmp_path: Path, read: Callable[[Path], str]) -> None:
    device, pipe, address, folder = (tmp_path / f"{name}.yaml" for name in ("zero", "pipe", "socket", "folder"))
    folder.mkdir()
    device.symlink_to("/dev/zero")
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        for file in (device, pipe, address, folder):
            assert bounded(read, file), file


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("plain_yaml.py", "cps"),
        ("write_ahead.py", "cps"),
        ("problem_words.py", "ps"),  # core has a longer one, which names the range and the value of a setting
    ],
)
def test_copies_in_independent_packages_are_equal(name: str, packages: str) -> None:
    root = Path(__file__).parents[2] / "packages"
    copies = [path.read_bytes() for path in root.glob(f"[{packages}]*/src/*/**/{name}")]
    assert len(copies) == len(packages)
    assert len(set(copies)) == 1
