"""A call is of a definition in a language of its own family, and first of the file that its name is imported from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_core.chunking.components import COMPONENT_SUFFIXES
from aurora_core.chunking.detect import SUFFIXES
from aurora_core.imports import nearness
from aurora_core.language_families import family_of, may_call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {
    "web/api.js": "export async function post(url, body) {\n  return fetch(url, { body });\n}\n",
    "web/cart.js": (
        "import { post } from './api.js'\n\nexport class Cart {\n  async checkout () {\n"
        "    return post('/orders', this.items)\n  }\n}\n"
    ),
    "admin/api.js": "export function post (url) {\n  return url\n}\n",
    "py/mailer.py": "def post(url, data=None):\n    return url\n",
    "py/requests/api.py": "def post(url):\n    return url\n",
    "py/use.py": "from requests.api import post\n\n\ndef send():\n    return post('/')\n",
    "jvm/Till.java": (
        "package shop;\n\npublic class Till {\n  public int settleAccount(int sum) {\n    return sum;\n  }\n}\n"
    ),
    "jvm/Main.kt": "package shop\n\nfun close(till: Till) {\n    till.settleAccount(3)\n}\n",
    "py/till.py": "class Till:\n    def settleAccount(self, sum):\n        return sum\n",
    "page.vue": "<script>\nimport { total } from './web/total'\nexport const sum = () => total([1])\n</script>\n",
    "web/total.ts": "export function total(items: number[]): number {\n  return items.length\n}\n",
}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    root: Path = tmp_path_factory.mktemp("polyglot")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    with Memory.open(root) as memory:
        memory.index()
        yield memory


def callers(memory: Memory, name: str, file: str) -> list[tuple[str, int, bool]]:
    return [(r.file, r.line, r.certain) for r in memory.callers(name, limit=9, file=file)]


def test_a_call_is_of_the_imported_file_in_its_own_language(memory: Memory) -> None:
    assert callers(memory, "post", "web/api.js") == [("web/cart.js", 5, True)]
    assert callers(memory, "post", "py/requests/api.py") == [("py/use.py", 5, True)]
    assert callers(memory, "post", "admin/api.js") == callers(memory, "post", "py/mailer.py") == []


def test_languages_of_one_family_call_each_other(memory: Memory) -> None:
    assert callers(memory, "Till.settleAccount", "jvm/Till.java") == [("jvm/Main.kt", 4, True)]
    assert callers(memory, "Till.settleAccount", "py/till.py") == []
    assert callers(memory, "total", "web/total.ts") == [("page.vue", 3, True)]


def test_a_file_is_tied_by_calls_to_its_own_language_and_to_what_it_imports(memory: Memory) -> None:
    tied = {tie.file: (tie.imports, tie.calls, tie.called_by) for tie in memory.ties("web/cart.js")}
    assert tied == {"web/api.js": (True, 1, 0)}
    assert {tie.file for tie in memory.ties("py/mailer.py")} == set()
    assert [(tie.file, tie.calls) for tie in memory.ties("jvm/Main.kt")] == [("jvm/Till.java", 1)]


def test_each_language_that_is_parsed_has_a_family() -> None:
    parsed = [suffix for suffixes, _ in SUFFIXES for suffix in suffixes.split()]
    assert [suffix for suffix in (*parsed, *COMPONENT_SUFFIXES) if not family_of(f"a{suffix}")] == []


@pytest.mark.parametrize(
    ("caller", "definition", "may"),
    [
        ("a.js", "b.py", False),
        ("a.TSX", "b.mjs", True),
        ("a.kt", "b.java", True),
        ("a.swift", "b.m", True),
        ("a.cu", "b.c", True),
        ("a.go", "b.c", False),
        ("page.erb", "b.rb", True),  # a template may be of any language
        ("web.js/Makefile", "b.py", True),
    ],
)
def test_families_tell_what_may_call_what(caller: str, definition: str, *, may: bool) -> None:
    assert may_call(caller, definition) is may_call(definition, caller) is may


@pytest.mark.parametrize(
    ("caller", "text", "receiver", "nearer", "farther"),
    [
        ("web/a.js", "import { post } from './api.js'", "", "web/api.js", "admin/api.js"),
        ("web/a.ts", "import { post } from '../lib/post.service'", "", "lib/post.service.ts", "web/post.ts"),
        ("web/a.ts", "import { post } from './api'", "", "web/api/index.ts", "web/api/old.ts"),
        ("web/a.ts", "import { post } from '@/web/api'", "", "src/web/api.ts", "src/admin/api.ts"),
        ("web/a.js", "import * as api from './api.js'", "api", "web/api.js", "admin/api.js"),
        ("a.py", "from web.api import post", "", "src/web/api.py", "src/admin/api.py"),
        ("a.py", "from web.api import post", "", "web/api.py", "web/api/old.py"),
        ("web/a.py", "from .api import post", "", "web/api.py", "admin/api.py"),
        ("web/in/a.py", "from .. import post", "", "web/__init__.py", "__init__.py"),
        ("a.py", "import web.api as api", "api", "web/api.py", "admin/api.py"),
    ],
)
def test_the_file_that_an_import_names_is_nearest(
    caller: str, text: str, receiver: str, nearer: str, farther: str
) -> None:
    near, far = (
        nearness("post", receiver=receiver, caller=caller, caller_text=text, definition=definition)
        for definition in (nearer, farther)
    )
    assert near > far >= 0
