"""A question about a flow is answered by the path of calls, in order, from its entry to its effect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_soar.local_agent.lookup import answer_directly
from aurora_soar.question.flow_question import read_flow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_core import Hit

SHOP = {
    "shop/__init__.py": "",
    "shop/api.py": (
        "from shop.checkout import Checkout\n\n\n"
        "def buy(cart, card):\n"
        '    """Buys what is in a cart."""\n'
        "    checkout = Checkout(card)\n"
        "    return checkout.complete(cart)\n"
    ),
    "shop/checkout.py": (
        "from shop.payments import Payments\nfrom shop.prices import total_of\n\n\n"
        "class Checkout:\n"
        "    def __init__(self, card):\n        self.card = card\n        self.payments: Payments = Payments()\n\n"
        "    def complete(self, cart):\n"
        "        amount = total_of(cart)\n"
        "        # total_of(cart) was a method once\n"
        "        return self._pay(amount)\n\n"
        "    def _pay(self, amount):\n"
        "        receipt = self.payments.charge(self.card, amount)\n"
        "        return receipt\n"
    ),
    "shop/prices.py": "def total_of(cart):\n    return sum(cart)\n",
    "shop/payments.py": (
        "from shop.gateway import Gateway, TestGateway\n\n\n"
        "class Payments:\n"
        "    def __init__(self, gateway: Gateway | None = None):\n"
        "        self._gateway: Gateway = gateway or TestGateway()\n\n"
        "    def charge(self, card, amount):\n"
        "        return self._gateway.post({'card': card, 'amount': amount})\n"
    ),
    "shop/gateway.py": (
        "class Gateway:\n"
        "    def post(self, message):\n        raise NotImplementedError\n\n\n"
        "class TestGateway(Gateway):\n"
        "    def post(self, message):\n        return write_line(message)\n\n\n"
        "def write_line(message):\n"
        '    """Writes a message to the bank\'s socket."""\n'
        "    return str(message)\n"
    ),
    "shop/other.py": (
        "class Checkout2:\n    def complete(self, cart):\n        return None\n\n\n"
        'def explain():\n    """Checkout.complete(cart) calls self._pay(amount)."""\n    return "buy(cart, card)"\n'
    ),
}
SERVER = {
    "package.json": "{}",
    "index.js": (
        "'use strict'\nconst { Server } = require('./lib/server')\n\n"
        "function start (port) {\n  const server = new Server(port)\n  return server.listen()\n}\n\n"
        "module.exports = { start }\n"
    ),
    "lib/server.js": (
        "'use strict'\nconst { dispatch } = require('./dispatch')\n\n"
        "class Server {\n  constructor (port) {\n    this.port = port\n  }\n\n"
        "  listen () {\n    return this.accept()\n  }\n\n"
        "  accept () {\n    return dispatch(this.port)\n  }\n}\n\n"
        "module.exports = { Server }\n"
    ),
    "lib/dispatch.js": (
        "'use strict'\nconst runHooks = require('./hooks')\nconst { sendReply } = require('./reply')\n\n"
        "function dispatch (request) {\n  // sendReply(request) comes later\n"
        "  runHooks(request, afterHooks)\n}\n\n"
        "function afterHooks (request) {\n  sendReply.call(request, 'done')\n}\n\n"
        "module.exports = { dispatch }\n"
    ),
    "lib/hooks.js": (
        "'use strict'\nmodule.exports = function runHooks (request, done) {\n  return done(request)\n}\n"
    ),
    "lib/reply.js": (
        "'use strict'\nfunction sendReply (body) {\n  return writeHead(body)\n}\n\n"
        "function writeHead (body) {\n  return body\n}\n\nmodule.exports = { sendReply }\n"
    ),
}
STEP = re.compile(r"^\d+\. `(\S+)` (calls|hands on) `(\S+)`(, perhaps)?: `.*` \(`([\w./]+:\d+)`\)$", re.MULTILINE)


def written(root: Path, files: dict[str, str]) -> Memory:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    memory = Memory.open(root)
    memory.index()
    return memory


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    with written(tmp_path_factory.mktemp("shop"), SHOP) as memory:
        yield memory


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    with written(tmp_path_factory.mktemp("server"), SERVER) as memory:
        yield memory


def ask(memory: Memory, text: str) -> str:
    return answer_directly(memory, memory.root, text).answer


def steps(answer: str) -> list[tuple[str, str, str]]:
    return [(caller, callee, place) for caller, _, callee, _, place in STEP.findall(answer)]


def test_a_path_over_five_modules_is_shown_call_by_call(shop: Memory) -> None:
    answer = ask(shop, "How does a call to shop.buy reach write_line?")
    assert steps(answer) == [
        ("buy", "Checkout.complete", "shop/api.py:7"),
        ("Checkout.complete", "Checkout._pay", "shop/checkout.py:13"),
        ("Checkout._pay", "Payments.charge", "shop/checkout.py:16"),
        ("Payments.charge", "TestGateway.post", "shop/payments.py:9"),
        ("TestGateway.post", "write_line", "shop/gateway.py:8"),
    ]
    first = answer.splitlines()[0]
    assert first.startswith("`buy` (`shop/api.py:7`) → `Checkout.complete` → ")
    assert first.endswith(
        "→ `write_line` (`shop/gateway.py:11`): 5 calls, 1 of them perhaps to another definition of that name."
    )
    assert "calls `TestGateway.post`, perhaps:" in answer, "the type is its parent's"
    assert len(answer.splitlines()) <= 20


def test_a_path_through_callbacks_of_a_script_is_shown(server: Memory) -> None:
    answer = ask(server, "What is the call path from start() to writeHead?")
    assert steps(answer) == [
        ("start", "Server.listen", "index.js:6"),
        ("Server.listen", "Server.accept", "lib/server.js:10"),
        ("Server.accept", "dispatch", "lib/server.js:14"),
        ("dispatch", "afterHooks", "lib/dispatch.js:7"),
        ("afterHooks", "sendReply", "lib/dispatch.js:11"),
        ("sendReply", "writeHead", "lib/reply.js:3"),
    ]
    assert "`dispatch` hands on `afterHooks`: `runHooks(request, afterHooks)`" in answer


def test_an_effect_may_be_told_in_words(shop: Memory) -> None:
    answer = ask(shop, "How does buy() get to the function that writes to the socket of the bank?")
    assert [callee for _, callee, _ in steps(answer)][-1] == "write_line"


def test_without_an_end_the_path_follows_the_work_of_its_entry(shop: Memory, server: Memory) -> None:
    found = steps(ask(shop, "What happens when Checkout.complete is called?"))
    assert [callee for _, callee, _ in found] == [
        "Checkout._pay",
        "Payments.charge",
        "TestGateway.post",
        "write_line",
    ], "not total_of, whose result is not given back, and not a method that only raises"
    assert [callee for _, callee, _ in steps(ask(server, "Trace Server.listen step by step"))][:2] == [
        "Server.accept",
        "dispatch",
    ]


def test_without_an_entry_the_path_begins_where_nothing_calls_it(shop: Memory) -> None:
    found = steps(ask(shop, "How is Payments.charge reached?"))
    assert [caller for caller, _, _ in found] == ["buy", "Checkout.complete", "Checkout._pay"]


def test_an_end_that_no_call_leads_to_is_said(shop: Memory) -> None:
    first = ask(shop, "What is the call path from buy() to explain()?").splitlines()[0]
    assert first.endswith("No path of calls from there to the end that was asked for was found.")
    assert "explain" not in first


def test_an_entry_that_is_not_there_has_no_path(shop: Memory) -> None:
    answer = ask(shop, "How does RefundDesk.open reach write_line?")
    assert answer.startswith("Not found in this project's code: `RefundDesk.open`")
    assert not steps(answer)


def test_an_object_may_be_named_for_its_class(shop: Memory) -> None:
    found = steps(ask(shop, "How does checkout.complete reach Payments.charge?"))
    assert [callee for _, callee, _ in found] == ["Checkout._pay", "Payments.charge"]


def test_a_way_of_certain_calls_is_taken_before_a_shorter_doubtful_one(tmp_path: Path) -> None:
    (tmp_path / "start.py").write_text(
        "from middle import pack_job\n\n\ndef start_job(job):\n    ship_job(job)\n    pack_job(job)\n"
    )
    (tmp_path / "middle.py").write_text("from end import ship_job\n\n\ndef pack_job(job):\n    ship_job(job)\n")
    (tmp_path / "end.py").write_text("def ship_job(job):\n    return job\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        answer = answer_directly(memory, tmp_path, "How does start_job reach ship_job?").answer
    assert answer.startswith("`start_job` (`start.py:6`) → `pack_job` → `ship_job` (`end.py:1`): 2 calls.")


def test_a_circle_of_calls_ends(tmp_path: Path) -> None:
    text = "def ping(n):\n    return pong(n)\n\n\ndef pong(n):\n    return ping(n)\n"
    with written(tmp_path, {"game.py": text}) as memory:
        assert not steps(ask(memory, "What happens when ping() is called?"))
        assert len(steps(ask(memory, "How does ping() reach pong()?"))) == 1


def test_a_file_of_many_definitions_is_read_a_few_times(tmp_path: Path) -> None:
    """Each reading of a large file costs as much as a search; a path looks at a definition some hundred times."""
    bodies = (
        f"def step_{n}(x):\n    step_{(n * 7 + 3) % 60}(x)\n    return step_{(n + 1) % 60}(x)\n" for n in range(60)
    )
    (tmp_path / "steps.py").write_text("\n\n".join(bodies))
    read: list[str] = []

    class Counting(Memory):
        def chunks_of(self, file: str) -> list[Hit]:
            read.append(file)
            return super().chunks_of(file)

    with Counting.open(tmp_path) as memory:
        memory.index()
        answer = answer_directly(memory, tmp_path, "How does step_1 reach step_40?").answer
    assert "`step_1` (`steps.py:" in answer
    assert len(read) <= 10


@pytest.mark.parametrize(
    ("text", "entry", "effect"),
    [
        ("How does a request get from app.handle to the route handler?", "app.handle", "the route handler"),
        ("What is the call path from A.b to c()?", "A.b", "c()"),
        ("What happens between open_file and close_file?", "open_file", "close_file"),
        ("How does Client.get reach the transport?", "Client.get", "the transport"),
        ("Where does an upload end up in the store?", "an upload", "the store"),
        ("What happens when Session.send is called?", "Session.send is called", ""),
        ("Walk me through Runner.invoke", "Runner.invoke", ""),
        ("How is write_line reached from buy?", "buy", "write_line"),
        ("How is write_line reached?", "", "write_line"),
        ("What leads to flush()?", "", "flush()"),
    ],
)
def test_a_question_names_the_ends_of_its_path(text: str, entry: str, effect: str) -> None:
    asked = read_flow(text)
    assert asked is not None
    assert (asked.entry, asked.effect) == (entry, effect)


@pytest.mark.parametrize(
    "text",
    [
        "Where is RETRY_CEILING set?",
        "What does utils.py do?",
        "Convert the names from bytes to str",
        "Which class sends requests?",
        "What is the difference between get and post?",
    ],
)
def test_other_questions_ask_for_no_path(text: str) -> None:
    assert read_flow(text) is None
