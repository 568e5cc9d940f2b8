"""A reference is a line of code that uses a name; imports, receivers and classes tell what a call means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory, Reasoning
from aurora_core.code_text import code_lines
from aurora_core.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {
    "post/letter.py": (
        "class Letter:\n    def send(self):\n        return self.stamp()\n\n"
        "    def stamp(self):\n        return 1\n\n    def again(self):\n        return self.send()\n"
    ),
    "post/parcel.py": (
        "class Parcel:\n    def send(self):\n        return 2\n\n    def twice(self):\n        return self.send()\n"
    ),
    "post/express.py": (
        "from post.letter import Letter\n\n\nclass Express(Letter):\n"
        "    def rush(self):\n        return self.send()\n"
    ),
    "desk.py": (
        "from post.letter import Letter\nfrom post.parcel import Parcel\n\n\n"
        "def annotated(letter: Letter):\n    letter.send()\n\n\n"
        "def made():\n    box = Parcel()\n    box.send()\n\n\n"
        "def unclear(thing):\n    thing.send()\n"
    ),
    "elsewhere.py": (
        'import socket\n\n\ndef talk():\n    """Calls Letter.send() in spirit."""\n    socket.socket().send(b"x")\n'
    ),
    "limits.py": "RETRY_CEILING = 5  # as often as Letter.send() may fail\n",
    "use.py": (
        'from limits import RETRY_CEILING\n\n\ndef run():\n    print("RETRY_CEILING")\n    return RETRY_CEILING\n'
    ),
}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    root = tmp_path_factory.mktemp("post-office")
    for name, text in FILES.items():
        path: Path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with Memory.open(root) as memory:
        memory.index()
        yield memory


def test_a_method_s_callers_are_told_by_receivers_classes_and_parents(memory: Memory) -> None:
    callers = memory.callers("Letter.send", limit=50)
    assert {(r.file, r.name) for r in callers if r.certain} == {
        ("post/letter.py", "Letter.again"),
        ("post/express.py", "Express.rush"),
        ("desk.py", "annotated"),
    }
    assert {(r.file, r.name) for r in callers if not r.certain} == {("desk.py", "unclear")}


def test_a_call_of_another_class_is_no_call(memory: Memory) -> None:
    assert {r.name for r in memory.callers("Parcel.send", limit=50) if r.certain} == {"Parcel.twice", "made"}


def test_a_docstring_and_a_comment_call_nothing(memory: Memory) -> None:
    for name in ("send", "Letter.send", "Parcel.send"):
        assert not {r.file for r in memory.callers(name, limit=50)} & {"limits.py"}
        assert not any("in spirit" in r.text for r in memory.callers(name, limit=50))


def test_mentions_are_lines_of_code_not_of_strings(memory: Memory) -> None:
    found = {(r.file, r.line) for r in memory.mentions("RETRY_CEILING", limit=50)}
    assert found == {("limits.py", 1), ("use.py", 1), ("use.py", 6)}


@pytest.mark.parametrize(
    ("path", "text", "left"),
    [
        ("a.py", 'x = f("g()")  # h()\n', "x = f(     )"),
        ("a.py", 'def f():\n    """g()\n    h()"""\n    i()\n', "def f():\n\n\n    i()"),
        ("a.js", "/* g()\n h() */ f('i()') // j()\n", "\n        f(     )"),
        ("a.rs", "fn f<'a>(x: &'a str) { g('(') }\n", "fn f<'a>(x: &'a str) { g(   ) }"),
        ("a.go", "f(`g()`) /* open\nh()\n", "f(`g()`)"),
        ("a.py", "f(f'g() {h(x[\"k()\"])!r} {{i()}}')", "f(       h(x[     ])!r          )"),
        ("a.py", 'f(F"""g()\n{h()} {x=}""")', "f(\n h()   x     )"),
        ("a.js", "f(`g() ${h(`i() ${j()}`)} \\${k()}`)", "f(       h(       j()  )          )"),
        ("Gemfile", "gem 'a' # f()\n", "gem"),
        ("a.lua", "f('g()') -- h()\n--[[ i()\nj() ]] k()\n", "f(     )\n\n       k()"),
        ("a.sql", "SELECT f('it''s g()') -- h()\n/* i() */", "SELECT f(           )"),
        ("a.hs", 'f x\' = g "h" -- i\n{- j -} k\n', "f x' = g\n        k"),
        ("run", "#!/bin/sh\nf # g\n", "\nf"),
    ],
)
def test_comments_and_strings_are_blanked_and_lines_stay(path: str, text: str, left: str) -> None:
    lines = code_lines(text, path)
    assert len(lines) == text.count("\n") + 1
    assert "\n".join(line.rstrip() for line in lines).rstrip() == left.rstrip()


def test_what_aurora_said_is_no_text_of_the_project(memory: Memory) -> None:
    term = terms("zeppelin")[-1]
    memory.remember(Reasoning(query="Any zeppelin?", answer="No zeppelin.", score=0.9, sources=("a:1",), run_id="r"))
    assert memory.search("zeppelin", kinds=["reas"])
    assert memory.rarity([term]).unknown(term)


def test_code_is_told_from_what_only_documents_say(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def fly():\n    return 'wing'\n")
    (tmp_path / "NEWS.md").write_text("# News\n\nThe propeller was removed.\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("def test_rudder():\n    assert True\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        found = memory.rarity([terms(word)[-1] for word in ("wing", "propeller", "rudder")])
        assert list(found.in_code.values()) == [1, 0, 0]
        assert min(found.containing.values()) == 1
        assert memory.files() == ["NEWS.md", "a.py", "tests/test_a.py"]
        assert memory.names() == ["fly", "test_rudder"]
        assert memory.files_with("wing") == ["a.py"]


def crowded(root: Path) -> None:
    """Puts more tests and documents before the code than are read of one name."""
    (root / "a_tests").mkdir()
    (root / "tests").mkdir()
    for number in range(20):
        (root / "tests" / f"test_{number}.py").write_text(
            "".join(f"def test_{at}():\n    settle(1)\n\n\n" for at in range(30))
        )
    (root / "a.md").write_text("".join(f"# {at}\n\nsettle\n\n" for at in range(500)))
    (root / "z.py").write_text("def run():\n    settle(2)\n\n\ndef settle(x):\n    return x\n")


def test_no_number_of_tests_and_documents_hides_code(tmp_path: Path) -> None:
    crowded(tmp_path)
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert [(r.file, r.line) for r in memory.mentions("settle", limit=2)] == [("z.py", 2), ("z.py", 5)]
        assert [(r.file, r.line) for r in memory.callers("settle", limit=1)] == [("z.py", 2)]
        assert memory.files_with("settle")[0] == "z.py"
        assert len(memory.mentions("settle", limit=50, tests=False)) == 2
        assert {r.file.partition("/")[0] for r in memory.mentions("settle", limit=50, tests=True)} == {"tests"}
        assert [r.file for r in memory.callers("settle", limit=50, tests=False)] == ["z.py"]


def test_no_number_of_files_with_one_of_its_words_hides_a_name(tmp_path: Path) -> None:
    for number in range(450):
        (tmp_path / f"a{number}.py").write_text("def web():\n    return 'json'\n")
    (tmp_path / "z.py").write_text("web_socket = 'settings.json'\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert memory.files_with("settings.json") == ["z.py"]
        assert memory.files_with("web socket") == ["z.py"]


CALLS = {
    "send.js": "function dispatch(data, done) {\n  done(data)\n}\nmodule.exports = { dispatch }\n",
    "use.js": (
        "const { dispatch } = require('./send')\n"
        "dispatch(1, function (err) {\n  console.log(err)\n})\n"
        "const api = () => {\n  return {\n    dispatch(x) {\n      return x\n    },\n  }\n}\n"
    ),
    "box.rb": "class Box\n  def fill(x)\n    yield x\n  end\n\n  def run\n    fill(1) {\n    }\n  end\nend\n",
    "two.py": (
        "from first import deal\n\n\ndef play(table):\n    table.deal(deal(1))\n    return f'{deal(2)} deal(3)'\n"
    ),
    "first.py": "def deal(x):\n    return x\n",
    "page.ts": (
        "import { render } from './render'\n"
        "export const page = () => `render(1) ${render({ a: '}' })} ${'render(2)'}`\n"
    ),
    "render.ts": "export function render(x) {\n  return x\n}\n",
}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    root = tmp_path_factory.mktemp("calls")
    for name, text in CALLS.items():
        (root / name).write_text(text)
    with Memory.open(root) as memory:
        memory.index()
        yield memory


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("dispatch", [("use.js", 2)]),  # a call with a function; not the method of an object that has its name
        ("Box.fill", [("box.rb", 7)]),  # a call with a block
        ("deal", [("two.py", 5), ("two.py", 6)]),  # the second call of a line; a call inside of a string
        ("render", [("page.ts", 2)]),
    ],
)
def test_each_call_of_a_line_is_judged(calls: Memory, name: str, places: list[tuple[str, int]]) -> None:
    assert [(r.file, r.line) for r in calls.callers(name, limit=50) if r.certain] == places
    assert [r for r in calls.callers(name, limit=50) if not r.certain] == []


def test_without_a_definition_a_call_is_certain_only_if_nothing_else_has_the_name(memory: Memory) -> None:
    assert memory.callers("Nope.send", limit=50)
    assert not any(r.certain for r in memory.callers("Nope.send", limit=50))
    assert all(r.certain for r in memory.callers("socket", limit=50))
    assert memory.callers("socket", limit=50)


@pytest.mark.parametrize("quote", ['"', "'", "`"])
def test_a_string_that_is_not_closed_is_read_once(quote: str) -> None:
    """Each of its escaped quotes once began a string of its own: a file of this size took an hour."""
    text = quote + f"\\{quote}" * 250_000
    assert code_lines(text, "a.ts") == (text,)


TYPED = {
    "kinds.py": (
        "from __future__ import annotations\nfrom typing import Mapping, Optional\n\n\n"
        "class Reader:\n    def close(self):\n        pass\n\n    def load_all(self):\n        return []\n\n\n"
        "class Buffered(Reader):\n    def load_all(self):\n        return super().load_all()\n\n\n"
        "class Plain(Reader):\n    pass\n\n\n"
        "class Writer:\n    def close(self):\n        pass\n\n    def load_all(self):\n        pass\n"
    ),
    "uses.py": (
        "from __future__ import annotations\nfrom typing import Mapping, Optional\n"
        "from kinds import Buffered, Plain, Reader, Writer\n\n\n"
        "def by_optional(source: Optional[Reader]):\n    source.load_all()\n\n\n"
        'def by_quoted(source: "Reader | None"):\n    source.load_all()\n\n\n'
        "def by_mapping(source: Mapping[str, Reader]):\n    source.load_all()\n\n\n"
        "def first():\n    chunk = Reader()\n    chunk.load_all()\n\n\n"
        "def second():\n    chunk = Writer()\n    chunk.load_all()\n\n\n"
        "def by_parent():\n    source = Plain()\n    source.load_all()\n\n\n"
        "def by_override():\n    source = Buffered()\n    source.load_all()\n\n\n"
        "def made(path) -> Reader:\n    return Plain()\n\n\n"
        "def by_result(path):\n    source = made(path)\n    source.load_all()\n\n\n"
        "class Desk:\n    spare: Writer\n\n    def __init__(self, reader: Reader):\n        self.reader = reader\n\n"
        "    def by_attribute(self):\n        self.reader.load_all()\n\n"
        "    def by_other_attribute(self):\n        self.spare.load_all()\n\n"
        "    @property\n    def main(self) -> Reader:\n        return self.reader\n\n"
        "    def by_property(self):\n        self.main.load_all()\n\n\n"
        "def by_chain(desk: Desk):\n    desk.reader.load_all()\n\n\n"
        "def entered(path):\n    with Reader() as source:\n        source.load_all()\n\n\n"
        "def everyday(stack):\n    stack.close()\n"
    ),
    "local.py": (
        "from kinds import Reader\n\n\ndef load_page():\n    return 1\n\n\ndef use():\n    return load_page()\n"
    ),
    "pages.py": "def load_page():\n    return 2\n",
    "web.js": (
        "const props = {\n  size: { get () { return 1 } }\n}\n"
        "class Box {\n  get (key) { return key }\n}\n"
        "function open (box) {\n  const own = new Box()\n  own.get('a')\n"
        "  const list = new Map()\n  list.get('b')\n}\n"
        "function outer () {\n  function inner () { return 1 }\n  return inner.call(this)\n}\n"
    ),
}


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    root = tmp_path_factory.mktemp("typed")
    for name, text in TYPED.items():
        (root / name).write_text(text)
    with Memory.open(root) as memory:
        memory.index()
        yield memory


def test_the_type_of_a_receiver_tells_whose_method_is_called(typed: Memory) -> None:
    callers = typed.callers("Reader.load_all", limit=50, file="kinds.py")
    assert {r.name for r in callers if r.certain} == {
        "Buffered.load_all",
        "by_optional",
        "by_quoted",
        "first",
        "by_parent",
        "by_result",
        "Desk.by_attribute",
        "Desk.by_property",
        "by_chain",
        "entered",
    }
    assert not {r.name for r in callers} & {"by_mapping", "second", "by_override", "Desk.by_other_attribute"}


def test_a_method_that_overrides_another_is_perhaps_called_through_its_parent(typed: Memory) -> None:
    callers = typed.callers("Buffered.load_all", limit=50, file="kinds.py")
    assert {r.name for r in callers if r.certain} == {"by_override"}
    assert "by_optional" in {r.name for r in callers if not r.certain}
    assert "by_parent" not in {r.name for r in callers}, "its class is another child"


def test_an_everyday_name_on_something_unknown_is_nobody_s_method(typed: Memory) -> None:
    assert typed.callers("Reader.close", limit=50) == []


def test_a_file_s_own_function_comes_before_another_file_s(typed: Memory) -> None:
    assert [r.file for r in typed.callers("load_page", limit=50, file="local.py")] == ["local.py"]
    assert typed.callers("load_page", limit=50, file="pages.py") == []


def test_a_script_s_accessor_is_not_called_by_get(typed: Memory) -> None:
    assert [r.text for r in typed.callers("Box.get", limit=50, file="web.js")] == ["own.get('a')"]


def test_lines_of_one_place_are_looked_at_alone(typed: Memory) -> None:
    found = typed.callers("Reader.load_all", limit=50, file="kinds.py", within=("uses.py", 1, 15))
    assert {r.name for r in found} == {"by_optional", "by_quoted"}


def test_a_function_handed_on_is_found_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "steps.js").write_text(
        "function afterwards (x) { return x }\n"
        "function begin (run) {\n  run(1, afterwards)\n}\n"
        "function shadow (afterwards) {\n  begin(afterwards)\n}\n"
        "module.exports = { begin, afterwards }\n"
    )
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert memory.callers("afterwards", limit=9) == []
        assert [r.name for r in memory.callers("afterwards", limit=9, handed=True)] == ["begin"]


def test_neither_an_import_nor_a_parameter_hands_a_function_on(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text("def before():\n    pass\n\n\ndef afterwards():\n    pass\n")
    (tmp_path / "use.py").write_text(
        "def begin(run):\n    from hooks import before, afterwards\n\n    run(before, afterwards)\n\n\n"
        "def other(run, afterwards):\n    run(1, afterwards)\n"
    )
    with Memory.open(tmp_path) as memory:
        memory.index()
        handed = memory.callers("afterwards", limit=9, handed=True)
    assert [(r.name, r.line) for r in handed] == [("begin", 4)]


def test_what_a_variable_holds_after_the_call_is_not_its_type(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text(
        "class Letter:\n    def send(self):\n        return 1\n\n\n"
        "class Parcel:\n    def send(self):\n        return 2\n\n\n"
        "def send_first():\n    box = Parcel()\n    box.send()\n    box = Letter()\n    return box\n"
    )
    with Memory.open(tmp_path) as memory:
        memory.index()
        of_parcel, of_letter = (memory.callers(f"{owner}.send") for owner in ("Parcel", "Letter"))
    assert [(r.line, r.certain) for r in of_parcel] == [(13, True)]
    assert of_letter == []


def test_declarations_call_nothing(tmp_path: Path) -> None:
    (tmp_path / "box.ts").write_text("export function fill(x: number) { return x }\n")
    (tmp_path / "box.d.ts").write_text("export interface Box {\n  fill(x: number): number;\n}\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert memory.callers("fill", limit=9) == []


def test_an_object_that_is_made_on_the_spot_is_of_its_class(tmp_path: Path) -> None:
    (tmp_path / "post.py").write_text(
        "class Letter:\n    def send(self):\n        pass\n\n\nclass Parcel:\n    def send(self):\n        pass\n"
    )
    (tmp_path / "use.py").write_text(
        "import post\n\n\ndef go():\n    post.Parcel().send()\n    post.Letter().send()\n"
    )
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert [r.line for r in memory.callers("Letter.send", limit=9)] == [6]


def test_a_line_that_is_made_to_be_read_for_minutes_gives_no_type(tmp_path: Path) -> None:
    (tmp_path / "till.py").write_text(
        "class Till:\n    def pay(self, x):\n        return x\n\n\ndef use(store):\n"
        f"    y = [{'with store a(' * 2_000}]\n    store = Till()\n    store.pay(1)\n\n\ndef other():\n"
        f"    z = [{'with store a(' * 2_000}]\n    store.pay(2)\n"
    )
    with Memory.open(tmp_path) as memory:
        memory.index()
        found = {(each.line, each.certain) for each in memory.callers("Till.pay")}
    assert (9, True) in found
