"""Questions on a small project: what is named is summed up, what is not there is said first, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory
from aurora_soar.local_agent.bindings import find_binding
from aurora_soar.local_agent.lookup import answer_directly
from aurora_soar.phases.confidence import HIGH_FROM, Level, level_of
from aurora_soar.question.names import NameSort, names_in
from aurora_soar.question.question import Intent, read_question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aurora_soar.phases.synthesize import Synthesis

FILES = {
    "mail/__init__.py": '"""Sends letters over a queue."""\n',
    "mail/limits.py": (
        '"""How often and how long a delivery is tried."""\n\n'
        "# As often as the post office allows.\nRETRY_CEILING = 5\n\n"
        'COLOURS = {\n    "red": 1,\n    "blue": 2,\n}\n\n'
        "Address = tuple[str, int]\n"
    ),
    "mail/queue.py": (
        '"""The queue of letters."""\n\nfrom mail.limits import RETRY_CEILING, Address\n\n\n'
        "class Outbox:\n"
        '    """Keeps letters until they are delivered."""\n\n'
        "    def push(self, letter, to: Address):\n"
        '        """Adds a letter."""\n        self.letters.append((letter, to))\n\n'
        "    def deliver(self):\n"
        '        """Delivers every letter, each as often as the ceiling allows."""\n'
        "        for attempt in range(RETRY_CEILING):\n            self._try(attempt)\n\n"
        "    def _try(self, attempt):\n        if attempt < 0:\n            raise ValueError(attempt)\n\n\n"
        "class FastOutbox(Outbox):\n"
        '    """Delivers at once."""\n'
    ),
    "mail/main.py": (
        "from mail.queue import Outbox\n\nSETTINGS = 'config/postbox.toml'\n\n\ndef run():\n"
        '    """Starts the delivery."""\n    box = Outbox()\n    box.deliver()\n'
    ),
    "tests/test_queue.py": (
        "from mail.queue import Outbox\n\n\ndef test_every_letter_is_delivered():\n    Outbox().deliver()\n\n\n"
        "def test_unrelated_letter_ceiling():\n    assert 1\n"
    ),
    "CHANGELOG.md": "# Changes\n\nLetters were once persisted to Redis.\n",
    "pyproject.toml": "[project]\nname = 'mail'\n\n[tool.pytest.ini_options]\n",
}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    root = tmp_path_factory.mktemp("mail-project")
    for name, text in FILES.items():
        path: Path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with Memory.open(root) as memory:
        memory.index()
        yield memory


def ask(memory: Memory, question: str) -> Synthesis:
    return answer_directly(memory, memory.root, question)


def first_line(memory: Memory, question: str) -> str:
    return ask(memory, question).answer.splitlines()[0]


@pytest.mark.parametrize(
    ("question", "name", "place"),
    [
        ("Where is RETRY_CEILING set?", "RETRY_CEILING", "mail/limits.py:4"),
        ("What is in the COLOURS table?", "COLOURS", "mail/limits.py:6"),
        ("What is Address?", "Address", "mail/limits.py:11"),
        ("What is the class Outbox for?", "Outbox", "mail/queue.py:6"),
        ("What does Outbox.deliver do?", "Outbox.deliver", "mail/queue.py:13"),
        ("What does limits.py do?", "mail/limits.py", "mail/limits.py:1"),
        ("Which colours are there?", "COLOURS", "mail/limits.py:6"),
        ("What does FastOutbox.deliver do?", "Outbox.deliver", "mail/queue.py:13"),
    ],
)
def test_what_is_named_is_the_answer(memory: Memory, question: str, name: str, place: str) -> None:
    assert first_line(memory, question).startswith(f"`{name}` (`{place}`)")


def test_a_constant_s_comment_and_its_users_are_told(memory: Memory) -> None:
    answer = ask(memory, "Where is RETRY_CEILING set?").answer
    assert "“As often as the post office allows.”" in answer
    assert "Used by `mail/queue.py:3`, `mail/queue.py:15`." in answer


def test_a_question_in_another_language_is_answered_from_its_names_and_that_is_said(memory: Memory) -> None:
    answer = ask(memory, "Wo wird RETRY_CEILING gesetzt, und wie?").answer
    assert "RETRY_CEILING" in answer.splitlines()[0]
    assert "“As often as the post office allows.”" in answer
    assert "The question is in German: only its names" in answer
    assert "gesetzt" not in answer
    absent = ask(memory, "Wie werden die Zeppeline gesteuert?").answer
    assert absent.splitlines()[0] == "Not found in this project's code: zeppeline, gesteuert."


def test_a_file_says_what_it_offers_and_who_uses_it(memory: Memory) -> None:
    answer = ask(memory, "What does mail/limits.py do?").answer
    assert "“How often and how long a delivery is tried.” It defines RETRY_CEILING, COLOURS, Address." in answer
    assert "Used by `mail/queue.py`." in answer


def test_a_folder_says_what_its_files_are(memory: Memory) -> None:
    result = ask(memory, "What is in the mail folder?")
    assert "`mail` holds 4 files." in result.answer
    assert "“Sends letters over a queue.”" in result.answer
    assert "`mail/main.py` defines run, SETTINGS (`mail/main.py:1`)" in result.details


def test_a_class_lists_its_members(memory: Memory) -> None:
    details = ask(memory, "What is the class Outbox for?").details
    assert "`def push(self, letter, to: Address)`: Adds a letter. (`mail/queue.py:9`)" in details


def test_who_calls_is_answered_with_the_callers(memory: Memory) -> None:
    assert first_line(memory, "Who calls Outbox.deliver?") == (
        "`Outbox.deliver` (`mail/queue.py:13`) is called by `run` (`mail/main.py:9`)."
    )


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("Where is RETRY_FLOOR set?", "`RETRY_FLOOR`"),
        ("What is the class Inbox for?", "`Inbox`"),
        ("What does scheduler.py do?", "`scheduler.py`"),
        ("How are letters persisted to Redis?", "`Redis`"),
        ("How does the GraphQL client reconnect?", "`GraphQL`"),
        ("Which function compresses images?", "compresses, images"),
        ("What is in the plugins folder?", "`plugins`"),
    ],
)
def test_what_is_not_there_is_said_first_every_time(memory: Memory, question: str, missing: str) -> None:
    for _ in range(2):
        result = ask(memory, question)
        first = result.answer.splitlines()[0]
        assert first.startswith("Not found in this project's code: ")
        assert missing in first
        assert result.absent
        assert level_of(result.confidence) is Level.LOW


def test_a_document_that_mentions_it_is_named_but_does_not_count(memory: Memory) -> None:
    first = first_line(memory, "How are letters persisted to Redis?")
    assert "only documents and tests mention" in first
    assert "`CHANGELOG.md:3`" in first


def test_no_code_is_called_a_document(memory: Memory) -> None:
    """Code has another form of the word."""
    assert "only documents" not in first_line(memory, "What does the class Outboxes do?")
    first = first_line(memory, "What does redis_letters do?")
    assert "`redis_letters`" in first
    assert "only documents" not in first


def test_a_similar_name_is_offered(memory: Memory) -> None:
    assert "The most similar name is `Outbox` (`mail/queue.py:6`)." in first_line(
        memory, "What does the class Outboxes do?"
    )


@pytest.mark.parametrize(
    "question",
    [
        "Where is the ceiling of retries?",
        "Where are COLOURS put?",
        "Where are letters built?",
        "How are letters delivered?",
        "Which colors are there?",  # the code spells them in British
        "Where is RETRY_CEILING altered, adjusted or overridden?",
        "How does the OutBox deliver?",
        "What does the Outbox do?",
        "How does Outbox.deliver talk to Redis?",  # what is asked about is there
    ],
)
def test_absence_is_not_said_of_what_is_there(memory: Memory, question: str) -> None:
    assert not ask(memory, question).absent


def test_what_is_to_be_added_is_not_absent(memory: Memory) -> None:
    result = ask(memory, "Add a Zeppelin to the Outbox")
    assert result.answer.startswith("The place for it is ")
    assert "Not there yet: Zeppelin" in result.answer
    assert not result.absent


def test_confidence_is_never_high_with_a_word_missing(memory: Memory) -> None:
    named = ask(memory, "What is the class Outbox for?").confidence
    missing = ask(memory, "How does the Outbox deliver letters by zeppelin?").confidence
    assert named >= HIGH_FROM > missing


def test_tests_are_those_that_name_the_code(memory: Memory) -> None:
    details = ask(memory, "Which tests cover Outbox.deliver?").details
    assert "`test_every_letter_is_delivered`" in details
    assert "`test_unrelated_letter_ceiling`" not in details


def test_an_answer_is_short_and_every_place_exists(memory: Memory) -> None:
    result = ask(memory, "How are letters delivered?")
    assert result.answer.count("\n") <= 16
    for source in result.sources:
        assert source.text in (memory.text(source.file) or "").split("\n")[source.line - 1]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("What does src/app/main.py do?", [("src/app/main.py", NameSort.FILE)]),
        ("What is in the package mail?", [("mail", NameSort.FOLDER)]),
        ("Where is MAX_AGE set?", [("MAX_AGE", NameSort.SYMBOL)]),
        ("What does the class Session do?", [("Session", NameSort.SYMBOL)]),
        ("How does it talk to Kafka?", [("Kafka", NameSort.PROPER)]),
        ("Where does run() end?", [("run", NameSort.SYMBOL)]),
        ("How are letters sent?", []),
        ("How are letters sent, e.g. by U.S. mail?", []),
        ("What does ./src/a.py do?", [("src/a.py", NameSort.FILE)]),
        ("What does .github/workflows/ci.yml do?", [(".github/workflows/ci.yml", NameSort.FILE)]),
        ("Where is .eslintrc.json?", [(".eslintrc.json", NameSort.FILE)]),
        ("What is in the .github folder?", [(".github", NameSort.FOLDER)]),
        ("What is in the folder `src/`?", [("src", NameSort.FOLDER)]),
        ("Does it run on Node.js?", [("Node.js", NameSort.PROPER)]),
        ("Does it use `Node.js` or web/Node.js?", [("Node.js", NameSort.FILE), ("web/Node.js", NameSort.FILE)]),
        ("What is the type of a letter?", []),
    ],
)
def test_names_are_told_from_words(text: str, names: list[tuple[str, NameSort]]) -> None:
    assert sorted((name.text, name.sort) for name in names_in(text)) == sorted(names)


def test_a_pasted_log_is_not_read_name_by_name(memory: Memory) -> None:
    log = "\n".join(f"E{number} in module_{number}.run()" for number in range(5000))
    question = f"The outbox stops.\n{log}\nWhy does it fail?"
    assert len(names_in(question)) == 40
    assert read_question(question).intent is Intent.DEBUG
    assert read_question(question).terms[:2] == ("outbox", "stops")
    assert len(ask(memory, question).answer) < 4000


def test_an_abbreviation_is_no_word_of_the_question() -> None:
    question = read_question("How are letters sent, e.g. by U.S. mail, i.e. slowly?")
    assert question.terms == ("letters", "sent", "mail", "slowly")
    assert question.identifiers == ()


def test_a_file_that_only_the_user_has_is_there_if_code_names_it(memory: Memory) -> None:
    assert not ask(memory, "Where is config/postbox.toml read?").absent
    assert not ask(memory, "Where is postbox.toml read?").absent
    assert ask(memory, "Where is box.toml read?").absent
    assert ask(memory, "Where is letterbox.toml read?").absent


def test_a_file_that_is_left_out_is_not_said_to_be_missing(memory: Memory) -> None:
    (memory.root / "build").mkdir()
    (memory.root / "build" / "made.py").write_text("made = 1\n")
    first = first_line(memory, "What does build/made.py do?")
    assert first.startswith("Not indexed: `build/made.py`; `aur mem index` adds new files")
    assert "Not found" not in first
    first = first_line(memory, "What do build/made.py and build/other.py do?")
    assert "Not indexed: `build/made.py`" in first
    assert "Not found in this project's code: `build/other.py`" in first
    assert "Not indexed" not in first_line(memory, "What does ../../etc/passwd.txt do?")


def test_a_library_is_no_file(memory: Memory) -> None:
    assert not ask(memory, "How does the Outbox deliver to Mail.js?").absent
    assert ask(memory, "How are letters sent to Vue.js?").absent


def test_a_change_has_its_place_before_its_purpose() -> None:
    question = read_question("Add a letter format for parcels")
    assert question.terms == ("letter", "format", "parcels")
    assert question.place == "letter format"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    """A folder with more files, and classes with more members, than a summary shows."""
    root = tmp_path_factory.mktemp("large-project")
    (root / "parts").mkdir()
    (root / "solo").mkdir()
    (root / "solo" / "single.py").write_text("PARTS_OF_ALL = 12\n\n\ndef use_it():\n    return PARTS_OF_ALL\n")
    for number in range(30):
        (root / "parts" / f"part_{number}.py").write_text(f'"""Makes part {number}."""\n')
    for name, own, count in (("Lorry", "tow", 20), ("Wagon", "pull", 20), ("Giant", "dig", 90)):
        methods = "".join(f"    def method_{at}(self):\n        return {at}\n\n" for at in range(count))
        text = f"class {name}:\n{methods}    def {own}(self):\n        return 1\n"
        (root / f"{name.lower()}.py").write_text(text)
    with Memory.open(root) as memory:
        memory.index()
        yield memory


def test_a_name_without_a_definition_is_looked_up_once(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counting(of: str) -> Callable[..., object]:
        original = getattr(memory, of)

        def call(name: str, **more: object) -> object:
            asked.append(name)
            return original(name, **more)

        return call

    for each in ("mentions", "chunks_of"):
        monkeypatch.setattr(memory, each, counting(each))
    assert [hit.line_start for hit in find_binding(memory, "attempt")] == []
    assert len(asked) == len(set(asked)) > 1


def test_a_folder_s_files_are_all_counted(large: Memory) -> None:
    assert "`parts` holds 30 files." in ask(large, "What is in the parts folder?").answer
    assert "`solo` holds 1 file." in ask(large, "What is in the solo folder?").answer


def test_a_comparison_knows_all_members_or_says_nothing_of_them(large: Memory) -> None:
    answer = ask(large, "What is the difference between Lorry and Wagon?").answer
    assert "| only here | `tow` | `pull` |" in answer
    assert "only here" not in ask(large, "What is the difference between Lorry and Giant?").answer


def test_a_line_that_mentions_a_constant_does_not_call_it(large: Memory) -> None:
    answer = ask(large, "Where is PARTS_OF_ALL used?").answer
    assert "called by" not in answer
    assert "Used by `solo/single.py:5`." in answer
