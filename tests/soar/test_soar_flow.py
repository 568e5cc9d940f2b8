"""Calls are followed only where it is certain what they mean, in every language that is indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_core.imports import reaches
from aurora_soar.evidence.evidence import Aspect, Finding, FindingKind, LocalRequest
from aurora_soar.local_agent import extract as extract_module
from aurora_soar.local_agent.extract import extract
from aurora_soar.local_agent.flow import CALLEES_EACH, CALLERS_EACH

if TYPE_CHECKING:
    from pathlib import Path


def flow(root: Path, files: dict[str, str], focus: str) -> list[Finding]:
    """The flow around the best definitions of a new project."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with Memory.open(root) as memory:
        memory.index()
        request = LocalRequest(question=focus, aspect=Aspect.FLOW, focus=focus)
        return list(extract(memory, request).findings)


def callers(findings: list[Finding], name: str) -> list[str]:
    return sorted({f.file for f in findings if f.kind is FindingKind.CALLER and f.about.endswith(name)})


def callees(findings: list[Finding], name: str) -> list[str]:
    return [f.symbol for f in findings if f.kind is FindingKind.CALLEE and f.about.endswith(name)]


REFUND = 'def refund_customer(order):\n    """Refunds a customer."""\n    return order\n'


def test_a_caller_must_import_the_function_or_its_module(tmp_path: Path) -> None:
    found = flow(
        tmp_path,
        {
            "refunds.py": REFUND,
            "by_name.py": "from refunds import refund_customer\n\n\ndef a(order):\n    refund_customer(order)\n",
            "by_module.py": "import refunds\n\n\ndef b(order):\n    refunds.refund_customer(order)\n",
            "own.py": "def refund_customer(x):\n    pass\n\n\ndef c(order):\n    refund_customer(order)\n",
            "stranger.py": "from elsewhere import refund_customer\n\n\ndef d(order):\n    refund_customer(order)\n",
        },
        "refund customer",
    )
    mine = [f for f in found if f.kind is FindingKind.CALLER]
    assert {f.file for f in mine} >= {"by_name.py", "by_module.py"}
    assert "stranger.py" not in {f.file for f in mine}


def test_tests_are_no_callers(tmp_path: Path) -> None:
    found = flow(
        tmp_path,
        {
            "refunds.py": REFUND,
            "tests/test_refunds.py": (
                "from refunds import refund_customer\n\n\ndef test_it():\n    refund_customer(1)\n"
            ),
        },
        "refund customer",
    )
    assert callers(found, "refund_customer") == []


def test_a_recursive_call_is_no_caller_of_itself(tmp_path: Path) -> None:
    text = 'def walk_folder(path):\n    """Walks a folder."""\n    for each in path:\n        walk_folder(each)\n'
    found = flow(tmp_path, {"walk.py": text}, "walk folder")
    assert callers(found, "walk_folder") == []
    assert callees(found, "walk_folder") == []


def test_at_most_some_callers_and_callees_are_shown(tmp_path: Path) -> None:
    many = "".join(f"def use_{n}(order):\n    refund_customer(order)\n\n\n" for n in range(CALLERS_EACH + 5))
    steps = "".join(f"def do_step_{n}(order):\n    return order\n\n\n" for n in range(CALLEES_EACH + 5))
    body = "".join(f"    do_step_{n}(order)\n" for n in range(CALLEES_EACH + 5))
    found = flow(
        tmp_path,
        {
            "refunds.py": f'def refund_customer(order):\n    """Refunds a customer."""\n{body}\n\n{steps}',
            "users.py": f"from refunds import refund_customer\n\n\n{many}",
        },
        "refund customer",
    )
    own = [f for f in found if f.about == "refund_customer"]
    assert sum(f.kind is FindingKind.CALLER for f in own) == CALLERS_EACH
    assert sum(f.kind is FindingKind.CALLEE for f in own) == CALLEES_EACH


def test_a_method_of_a_common_name_is_followed_in_its_own_file_only(tmp_path: Path) -> None:
    found = flow(
        tmp_path,
        {
            "till.py": (
                "class Till:\n    def pop(self):\n"
                '        """Pops the drawer of the till."""\n        return self.drawer\n\n'
                "    def close(self):\n        self.pop()\n"
            ),
            "other.py": "from till import Till\n\n\ndef drain(stack):\n    stack.pop()\n",
        },
        "till drawer pop",
    )
    assert callers(found, "Till.pop") == ["till.py"]


def test_commented_and_documented_calls_are_no_calls(tmp_path: Path) -> None:
    found = flow(
        tmp_path,
        {
            "refunds.py": (
                "from steps import book_refund, mail_customer\n\n\n"
                "def refund_customer(order):\n"
                '    """Refunds a customer.\n\n    >>> mail_customer(order)\n    """\n'
                "    # mail_customer(order)\n    book_refund(order)\n"
            ),
            "steps.py": "def book_refund(order):\n    pass\n\n\ndef mail_customer(order):\n    pass\n",
        },
        "refund customer",
    )
    assert callees(found, "refund_customer") == ["book_refund"]


def test_a_name_with_many_definitions_means_none_of_them(tmp_path: Path) -> None:
    files = {f"m{n}.py": "def load_settings(path):\n    return path\n" for n in range(5)}
    files["start.py"] = (
        "from m0 import load_settings\n\n\n"
        'def start_service(path):\n    """Starts the service."""\n    return load_settings(path)\n'
    )
    assert callees(flow(tmp_path, files, "start service"), "start_service") == []


@pytest.mark.parametrize(
    ("receiver", "caller", "text", "definition", "reached"),
    [
        ("", "a/b.go", "", "a/c.go", True),  # one folder is one package
        ("", "a/b.go", "", "x/c.go", False),
        ("c", "a/b.go", "", "x/c/c.go", True),  # through the package's name
        ("", "web/a.ts", 'import { draw } from "./shapes"', "web/shapes.ts", True),
        ("", "web/a.ts", 'import { draw } from "./shapes"', "web/other.ts", False),
        ("", "web/a.js", 'const { draw } = require("./shapes")', "web/shapes/index.js", True),
        ("", "a.py", "from shapes import (\n    circle,\n    draw,\n)", "shapes.py", True),
        ("", "a.py", "from shapes import drawing", "shapes.py", False),  # a longer name is another name
        ("", "a.py", "from pkg.shapes import draw", "pkg/shapes/__init__.py", True),
        ("self.shapes", "a.py", "", "shapes.py", True),
    ],
)
def test_imports_decide_across_files(
    receiver: str, caller: str, text: str, definition: str, *, reached: bool
) -> None:
    found = reaches("draw", receiver=receiver, caller=caller, caller_text=text, definition=definition)
    assert found is reached


def test_prose_of_another_agent_leaves_the_own_search(tmp_path: Path) -> None:
    (tmp_path / "refunds.py").write_text(REFUND)
    (tmp_path / "users.py").write_text(
        "from refunds import refund_customer\n\n\ndef use(order):\n    refund_customer(order)\n"
    )
    request = LocalRequest.model_validate(
        {
            "question": "q",
            "aspect": "flow",
            "focus": "refund customer",
            "dependency_results": [{"task_id": "0", "agent": "claude", "output": "It is in refunds.py, I think."}],
        }
    )
    with Memory.open(tmp_path) as memory:
        memory.index()
        evidence = extract(memory, request)
    assert callers(list(evidence.findings), "refund_customer") == ["users.py"]


@pytest.mark.parametrize("aspect", [aspect for aspect in Aspect if aspect is not Aspect.REPORT])
def test_each_aspect_has_a_module_and_a_function_of_its_name(aspect: Aspect) -> None:
    find = getattr(extract_module, f"find_{aspect.value}")
    assert find.__module__ == f"aurora_soar.local_agent.{aspect.value}"
