"""What each aspect of the local agent finds in a memory, in several languages, and what it leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_soar.evidence.evidence import Aspect, Finding, FindingKind, LocalRequest
from aurora_soar.local_agent.extract import extract

if TYPE_CHECKING:
    from pathlib import Path


def find(root: Path, aspect: Aspect, focus: str, files: dict[str, str], *, limit: int = 6) -> list[Finding]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with Memory.open(root) as memory:
        memory.index()
        request = LocalRequest(question=focus, aspect=aspect, focus=focus, limit=limit)
        return list(extract(memory, request).findings)


class TestDefinitions:
    def test_the_one_that_says_it_comes_before_a_long_one_that_repeats_a_word(self, tmp_path: Path) -> None:
        repeated = "".join(f"    invoice_{n} = invoice(invoice_{n - 1})\n" for n in range(1, 30))
        found = find(
            tmp_path,
            Aspect.DEFINITIONS,
            "round invoice total",
            {
                "long.py": f"def invoice_report(invoice_0):\n{repeated}    return invoice_29\n",
                "money.py": 'def round_total(cents):\n    """Rounds the total of an invoice."""\n    return cents\n',
            },
        )
        assert found[0].symbol == "round_total"

    def test_a_constructor_counts_for_less_unless_it_is_named(self, tmp_path: Path) -> None:
        files = {
            "pool.py": (
                "class Pool:\n"
                "    def __init__(self, connection, timeout):\n"
                "        self.connection = connection\n        self.timeout = timeout\n\n"
                "    def acquire(self):\n"
                '        """Waits for a free connection until the timeout."""\n'
                "        return self.connection\n"
            )
        }
        found = find(tmp_path, Aspect.DEFINITIONS, "connection timeout", files)
        methods = [f.symbol for f in found if f.kind is FindingKind.DEFINITION and "." in f.symbol]
        assert methods.index("Pool.acquire") < methods.index("Pool.__init__")

    def test_its_place_is_the_line_that_names_it_below_decorators_and_comments(self, tmp_path: Path) -> None:
        text = "import functools\n\n\n@functools.cache\n# slow\ndef read_rates(path):\n    return path\n"
        found = find(tmp_path, Aspect.DEFINITIONS, "read rates", {"rates.py": text})
        assert [(f.symbol, f.line) for f in found if f.kind is FindingKind.DEFINITION] == [("read_rates", 6)]

    def test_a_signature_over_several_lines_becomes_one(self, tmp_path: Path) -> None:
        text = "def read_rates(\n    path,\n    *,\n    day=None,\n):\n    return path\n"
        found = find(tmp_path, Aspect.DEFINITIONS, "read rates", {"rates.py": text})
        assert found[0].text == "def read_rates(path, *, day=None)"

    def test_definitions_that_share_no_word_are_left_out(self, tmp_path: Path) -> None:
        files = {"a.py": "def read_rates(path):\n    return path\n", "b.py": "def draw_circle(r):\n    return r\n"}
        found = find(tmp_path, Aspect.DEFINITIONS, "read rates", files)
        assert {f.file for f in found} == {"a.py"}

    def test_tests_are_shown_only_to_a_question_about_tests(self, tmp_path: Path) -> None:
        files = {"tests/test_rates.py": "def test_rates_are_read():\n    assert read_rates(1)\n"}
        assert find(tmp_path, Aspect.DEFINITIONS, "rates read", files) == []
        assert find(tmp_path, Aspect.DEFINITIONS, "tests of rates read", files) != []


class TestErrors:
    @pytest.mark.parametrize(
        ("file", "text", "line"),
        [
            ("a.py", "def charge_card(card):\n    raise ValueError(card)\n", "raise ValueError(card)"),
            (
                "a.py",
                "def charge_card(card):\n    try:\n        pay(card)\n    except OSError:\n        return None\n",
                "except OSError:",
            ),
            ("a.py", 'def charge_card(card):\n    logger.error("card %s", card)\n', 'logger.error("card %s", card)'),
            (
                "a.go",
                'package a\n\nfunc ChargeCard(card int) error {\n\treturn fmt.Errorf("card %d", card)\n}\n',
                'return fmt.Errorf("card %d", card)',
            ),
            ("a.rs", "fn charge_card(card: u8) {\n    pay(card).unwrap();\n}\n", "pay(card).unwrap();"),
            ("a.ts", "function chargeCard(card) {\n  throw new Error(card)\n}\n", "throw new Error(card)"),
        ],
    )
    def test_lines_that_fail_are_found_in_each_language(
        self, tmp_path: Path, file: str, text: str, line: str
    ) -> None:
        found = find(tmp_path, Aspect.ERRORS, "charge card", {file: text})
        assert [f.text for f in found] == [line]
        assert found[0].kind is FindingKind.RAISE

    def test_at_most_two_of_a_definition_those_that_name_the_question_first(self, tmp_path: Path) -> None:
        text = (
            "def charge_card(card, amount):\n"
            '    if amount < 0:\n        raise ValueError("amount")\n'
            '    if amount > 9:\n        raise ValueError("too much")\n'
            '    if not card:\n        raise LookupError("no card to charge")\n'
        )
        found = find(tmp_path, Aspect.ERRORS, "charge card", {"pay.py": text})
        assert len(found) == 2
        assert found[0].text == 'raise LookupError("no card to charge")'

    def test_failures_of_other_code_are_left_out(self, tmp_path: Path) -> None:
        files = {
            "pay.py": "def charge_card(card):\n    return card\n",
            "mail.py": "def send_letter(to):\n    raise OSError(to)\n",
        }
        assert find(tmp_path, Aspect.ERRORS, "charge card", files) == []


class TestTests:
    def test_at_most_two_of_a_file_and_none_beside_the_question(self, tmp_path: Path) -> None:
        many = "".join(f"def test_charge_card_{n}():\n    assert charge_card({n})\n\n\n" for n in range(4))
        found = find(
            tmp_path,
            Aspect.TESTS,
            "charge card",
            {
                "tests/test_pay.py": many,
                "tests/test_other.py": "def test_letters():\n    assert send_letter(1)\n",
                "pay.py": "def charge_card(n):\n    return n\n",
            },
        )
        assert [f.file for f in found] == ["tests/test_pay.py"] * 2
        assert {f.kind for f in found} == {FindingKind.TEST}


class TestStatements:
    def test_at_most_three_of_a_file_and_each_sentence_once(self, tmp_path: Path) -> None:
        lines = "\n\n".join(f"A card is charged in step {n}." for n in range(6))
        found = find(
            tmp_path,
            Aspect.STATEMENTS,
            "card charged",
            {"guide.md": f"# Cards\n\n{lines}\n", "copy.md": "# Copy\n\nA card is charged in step 1.\n"},
        )
        assert sum(f.file == "guide.md" for f in found) <= 3
        assert len({f.text for f in found}) == len(found)

    def test_a_sentence_that_shares_only_a_common_word_is_left_out(self, tmp_path: Path) -> None:
        found = find(
            tmp_path,
            Aspect.STATEMENTS,
            "zebra card limit",
            {
                "a.md": "# A\n\nEvery card has a colour.\n\nEvery card has a number.\n\nEvery card is flat.\n",
                "b.md": "# B\n\nThe zebra card has a limit of nine.\n",
            },
        )
        assert [f.text for f in found] == ["The zebra card has a limit of nine."]

    def test_of_programs_none_is_a_record_of_what_was(self, tmp_path: Path) -> None:
        comment = "# A card has a limit of nine.\nLIMIT_OF_A_CARD = 9\n"
        found = find(tmp_path, Aspect.STATEMENTS, "card limit", {"release.py": comment})
        assert [f.text for f in found] == ["A card has a limit of nine."]
        assert (
            find(tmp_path / "b", Aspect.STATEMENTS, "card limit", {"release.md": "A card has a limit of nine.\n"})
            == []
        )

    def test_a_paragraph_has_no_symbol(self, tmp_path: Path) -> None:
        found = find(tmp_path, Aspect.STATEMENTS, "card limit", {"a.txt": "A card has a limit of nine.\n"})
        assert [(f.text, f.symbol) for f in found] == [("A card has a limit of nine.", "")]


def test_nothing_is_found_in_an_empty_project(tmp_path: Path) -> None:
    for aspect in Aspect:
        assert find(tmp_path, aspect, "charge card", {}) == []


def test_of_tests_that_mention_as_much_the_one_named_after_it_is_first(tmp_path: Path) -> None:
    files = {
        "debt.py": "class Debt:\n    def settle(self):\n        return 0\n",
        "a_test.py": "def test_all():\n    assert Debt().settle() == 0  # settle debt\n",
        "settle_debt_test.py": "def test_zero():\n    assert Debt().settle() == 0\n",
    }
    found = find(tmp_path, Aspect.TESTS, "Which tests settle a debt? Debt.settle", files)
    assert [f.file for f in found] == ["settle_debt_test.py", "a_test.py"]


def test_no_number_of_tests_hides_a_caller_and_no_number_of_callers_a_test(tmp_path: Path) -> None:
    """One side alone has more lines than are read."""
    calls = "def test_{0}():\n    settle_debt({0})\n\n\n"
    (tmp_path / "a_test.py").write_text("".join(calls.format(at) for at in range(500)))
    (tmp_path / "test_few.py").write_text("def test_debt():\n    assert collect_debt(1)\n")
    (tmp_path / "many.py").write_text("".join(f"def run_{at}():\n    collect_debt({at})\n\n\n" for at in range(500)))
    (tmp_path / "z.py").write_text(
        "def settle_debt(x):\n    return x\n\n\ndef collect_debt(x):\n    return x\n\n\n"
        "def main():\n    settle_debt(1)\n"
    )
    flow = find(tmp_path, Aspect.FLOW, "settle_debt", {})
    assert ("z.py", "main") in {(f.file, f.symbol) for f in flow if f.kind is FindingKind.CALLER}
    tests = find(tmp_path, Aspect.TESTS, "collect_debt", {})
    assert [f.symbol for f in tests if f.kind is FindingKind.TEST] == ["test_debt"]
