"""Trouble questions: what goes wrong in a definition is told from its own lines and from what it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_soar.errors import EmptyQuestionError
from aurora_soar.evidence.evidence import Aspect, LocalRequest
from aurora_soar.local_agent.extract import extract
from aurora_soar.local_agent.lookup import answer_directly
from aurora_soar.phases.confidence import HIGH_FROM
from aurora_soar.question.question import Intent, read_question

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOP = '''class StoreError(Exception):
    """A broken store."""


def read_config(path):
    """Reads the shop's configuration."""
    f = open(path)
    return f.read()


def with_lock(lock, amount):
    """Runs with the lock held."""
    lock.acquire()
    if amount < 0:
        raise ValueError("negative")
    lock.release()


def reserve(stock, name):
    """Reserves one thing."""
    if not stock.get(name):
        raise StoreError(name)


def place_order(stock, name):
    """Places an order."""
    # never raise here
    if stock is None:
        raise StoreError("no stock")
    reserve(stock, name)


def order_all(stock, names):
    """Orders everything."""
    for name in names:
        place_order(stock, name)


def load(path):
    """Loads a store."""
    if not path:
        raise StoreError("no path")
    return path


def add_up(prices):
    """Adds prices up."""
    return sum(prices)


def parse(path):
    """Parses a file."""
    return json.load(open(path))


class Handler:
    """Answers requests."""

    def do_POST(self):
        """Answers a POST."""
        try:
            self.store(self.rfile)
        except ValueError:
            self.send_error(400)
        except KeyError as error:
            self.send_error(404, str(error))
'''
CART = """class Cart {
  /** Pays for everything. */
  checkout(payment) {
    if (this.items.length === 0) {
      throw new Error('empty cart');
    }
    return payment.pay(this.items);
  }
}

function readAll(path) {
  const file = fs.openSync(path);
  return refuse(file.size);
}

function refuse(size) {
  try {
    check(size);
  } catch (error) {
    throw new RangeError('size');
  }
}
"""
STORE = """package shop

// Load reads a file.
func Load(path string) (string, error) {
	if path == "" {
		return "", errors.New("no path")
	}
	return path, nil
}
"""
VENDORED = '''def copy_files(path):
    """Copies configuration files; may leak files."""
    source = open(path)
    print(source.name)
    raise OSError("leak of files")
'''
TOLD = {
    "What goes wrong in read_config?": ["`read_config` does not release this: `f = open(path)` (`shop.py:7`)"],
    "Does read_config leak?": ["`read_config` does not release this: `f = open(path)` (`shop.py:7`)"],
    "Why does read_config leak files?": ["`read_config` does not release this: `f = open(path)` (`shop.py:7`)"],
    "What goes wrong in with_lock?": [
        '`with_lock` does not release this: `lock.acquire()`, if this raises: `raise ValueError("negative")`',
        '`with_lock`: `raise ValueError("negative")`, under `if amount < 0` (`shop.py:15`)',
    ],
    "What can go wrong when place_order runs?": [
        '`place_order`: `raise StoreError("no stock")`, under `if stock is None` (`shop.py:29`)',
        "`reserve`: `raise StoreError(name)`, under `if not stock.get(name)` (`shop.py:22`)",
    ],
    "When does order_all fail?": [
        "Start at `order_all` (`shop.py:33`): no line of its own and 2 of what it calls",
        "`reserve`: `raise StoreError(name)`",
    ],
    "What errors can do_POST raise?": [
        "`Handler.do_POST`: `except ValueError:` (`shop.py:63`)",
        "`Handler.do_POST`: `except KeyError as error:` (`shop.py:65`)",
    ],
    "What can go wrong in load?": ['`load`: `raise StoreError("no path")`, under `if not path` (`shop.py:42`)'],
    "What goes wrong in Cart.checkout?": [
        "`Cart.checkout`: `throw new Error('empty cart');`, under `if (this.items.length === 0)` (`cart.js:5`)"
    ],
    "What goes wrong in Load?": ['`Load`: `return "", errors.New("no path")`, under `if path == ""` (`store.go:6`)'],
    "Does parse leak?": ["`parse` does not release this: `return json.load(open(path))`"],
    "What goes wrong when you call parse?": ["`parse` does not release this: `return json.load(open(path))`"],
    "Which exceptions does readAll throw?": [
        "`refuse`: `throw new RangeError('size');`, under `catch (error)` (`cart.js:20`)"
    ],
}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    root: Path = tmp_path_factory.mktemp("shop")
    (root / "shop.py").write_text(SHOP)
    (root / "cart.js").write_text(CART)
    (root / "store.go").write_text(STORE)
    (root / "lib").mkdir()
    (root / "lib" / "copying.py").write_text(VENDORED)
    with Memory.open(root) as memory:
        memory.index()
        yield memory


@pytest.mark.parametrize("question", TOLD)
def test_suspects_are_the_lines_of_the_named_definition_and_of_what_it_calls(memory: Memory, question: str) -> None:
    assert read_question(question).intent is Intent.DEBUG
    answer = answer_directly(memory, memory.root, question).answer
    for told in TOLD[question]:
        assert told in answer
    assert answer.startswith("Start at `")
    assert "copying.py" not in answer


def test_own_lines_come_before_those_of_what_is_called(memory: Memory) -> None:
    request = LocalRequest(question="What goes wrong in order_all?", aspect=Aspect.ERRORS, focus="order_all")
    assert [f.symbol for f in extract(memory, request).findings] == ["place_order", "reserve"]


@pytest.mark.parametrize("question", ["What goes wrong in add_up?", "Does add_up leak?"])
def test_a_definition_without_suspects_is_said_to_be_sound_but_not_surely(memory: Memory, question: str) -> None:
    synthesis = answer_directly(memory, memory.root, question)
    assert synthesis.answer.startswith("Nothing in `add_up` (`shop.py:46`) raises or acquires")
    assert "Adds prices up" not in synthesis.answer.split("\n")[0]
    assert "copying.py" not in synthesis.answer
    assert synthesis.confidence < HIGH_FROM


@pytest.mark.parametrize(
    "question", ["What can go wrong in add_up and `load`?", "What can go wrong in `load` and add_up?"]
)
def test_of_two_named_definitions_the_one_with_suspects_leads_and_the_other_is_not_passed_over(
    memory: Memory, question: str
) -> None:
    first, second, *_ = answer_directly(memory, memory.root, question).answer.split("\n")
    assert first.startswith("Start at `load` (`shop.py:39`): 1 line of its own may raise")
    assert second.startswith("Nothing in `add_up` (`shop.py:46`) raises or acquires")


def test_the_last_of_many_calls_is_looked_at_before_a_definition_is_said_to_be_sound(tmp_path: Path) -> None:
    helpers = [f"def step_{n:02}(value):\n    return value\n" for n in range(20)]
    calls = "".join(f"    step_{n:02}(value)\n" for n in range(20))
    last = "def step_last(value):\n" + 8 * "    assert value\n"
    (tmp_path / "steps.py").write_text(
        "\n\n".join([*helpers, last, f"def run_all(value):\n{calls}    step_last(value)\n"])
    )
    with Memory.open(tmp_path) as memory:
        memory.index()
        answer = answer_directly(memory, tmp_path, "What can go wrong in run_all?").answer
    assert "no line of its own and 8 of what it calls" in answer.split("\n")[0]


@pytest.mark.parametrize(
    "question", ["Can `load` fail?", "How might `load` crash?", "Which errors might be raised by `load`?"]
)
def test_a_failure_is_asked_for_in_many_ways(question: str) -> None:
    trouble = read_question(question).trouble
    assert trouble is not None
    assert trouble.name == "load"


@pytest.mark.parametrize(
    ("question", "lacks"),
    [
        ("What goes wrong", "does not say where"),
        ("What can go wrong in?", "does not say where"),
        ("What happens from until?", "does not name its start and end"),
        ("What happens from save until?", "does not name its end"),
        ("What happens from save until `save`?", "has 'save' as start and as end"),
    ],
)
def test_a_question_that_lacks_a_place_says_which(question: str, lacks: str) -> None:
    with pytest.raises(EmptyQuestionError, match=lacks):
        read_question(question)


@pytest.mark.parametrize(
    "question",
    [
        "What happens from save until load?",
        "How does load work?",
        "Add a leak check",
        "How does wrap_text break lines?",
        "Does wrap_text break lines?",
    ],
)
def test_other_questions_are_no_trouble_questions(question: str) -> None:
    assert read_question(question).trouble is None


def test_a_name_that_is_not_there_is_still_told_first(memory: Memory) -> None:
    answer = answer_directly(memory, memory.root, "What goes wrong in read_nothing?").answer
    assert answer.startswith("Not found in this project's code: `read_nothing`")
