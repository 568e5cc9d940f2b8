"""Answers about a project of two languages: no call leads from one into the other by a name that both define."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_soar.local_agent.lookup import answer_directly

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {
    "web/api.js": (
        "/** Sends a request. */\nexport async function post(url, body) {\n"
        "  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });\n"
        "  return answer.json();\n}\n"
    ),
    "web/cart.js": (
        "import { post } from './api.js';\n\nexport class Cart {\n  constructor() {\n    this.items = [];\n  }\n\n"
        "  async checkout() {\n    return post('/orders', this.items);\n  }\n}\n\n"
        "export function onClick(cart) {\n  return cart.checkout();\n}\n"
    ),
    "web/old.js": "export function resend(api, body) {\n  return api.post('/', body);\n}\n",
    "py/mailer.py": 'def post(url, data=None):\n    """Posts data."""\n    return url, data\n',
    "py/requests/api.py": (
        'def post(url, data=None):\n    """Sends a POST request."""\n    return open_session("post", url, data)\n\n\n'
        "def open_session(method, url, data):\n    return method, url, data\n"
    ),
}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    root: Path = tmp_path_factory.mktemp("polyglot-shop")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    with Memory.open(root) as memory:
        memory.index()
        yield memory


def answer(memory: Memory, question: str) -> str:
    return answer_directly(memory, memory.root, question).answer


def test_the_definition_that_is_called_is_told_with_its_callers(memory: Memory) -> None:
    said = answer(memory, "Who calls post?").partition("\n")[0]
    assert said.startswith("`post` (`web/api.js:2`) is called by ")
    assert "`Cart.checkout` (`web/cart.js:9`)" in said
    assert "`resend` (`web/old.js:2`)" in said


def test_the_definition_of_a_file_that_the_question_names_has_no_callers_of_another(memory: Memory) -> None:
    assert " is called by " not in answer(memory, "Who calls post in py/mailer.py?")


@pytest.mark.parametrize("question", ["What happens when onClick is called?", "How does onClick reach post?"])
def test_a_path_ends_where_its_language_ends(memory: Memory, question: str) -> None:
    said = answer(memory, question)
    assert said.startswith("`onClick` (`web/cart.js:14`) → `Cart.checkout` → `post` (`web/api.js:2`)")
    assert ".py" not in said.partition("\n\n## Where")[0]


@pytest.mark.parametrize("entry", ["onClick", "resend"])
def test_no_path_leads_into_another_language(memory: Memory, entry: str) -> None:
    said = answer(memory, f"How does a letter get from {entry} to open_session?")
    assert "→ `open_session`" not in said
    assert ".py" not in said.partition("## The path")[2].partition("\n\n")[0]


def test_each_definition_of_a_name_is_told_with_its_own_callers(tmp_path: Path) -> None:
    for side in ("left", "right"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "api.py").write_text("def deliver(letter):\n    return letter\n")
        (tmp_path / side / "use.py").write_text(
            f"from .api import deliver\n\n\ndef use_{side}(letter):\n    return deliver(letter)\n"
        )
    with Memory.open(tmp_path) as memory:
        memory.index()
        said = answer(memory, "Who calls deliver?").split("\n")[:2]
    assert sorted(said) == [
        "`deliver` (`left/api.py:1`) is called by `use_left` (`left/use.py:5`).",
        "`deliver` (`right/api.py:1`) is called by `use_right` (`right/use.py:5`).",
    ]
