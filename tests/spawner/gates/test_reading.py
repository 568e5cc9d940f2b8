"""Tool calls as the CLIs report them, and the effects that are read in them."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exhaustive import few

from aurora_spawner.gates.reading import UnreadableCallError, read_call
from aurora_spawner.gates.tool_calls import ToolUse, UseKind

PATCH = """*** Begin Patch
*** Update File: a.py
*** Move to: b.py
@@
-old
+new
*** Delete File: c.py
*** Add File: d.py
+one
*** End Patch"""


def uses(tool: str, **arguments: Any) -> list[tuple[str, str | tuple[str, ...]]]:
    """The kind of each effect, and its command, files or address."""
    call = read_call(json.dumps({"tool_name": tool, "tool_input": arguments, "cwd": "/w"}).encode())
    return [(use.kind.value, use.command or use.files or use.url) for use in call.uses]


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("Bash", {"command": "rm -rf x", "description": "Remove"}, [("command", "rm -rf x")]),
        ("run_shell_command", {"command": "ls"}, [("command", "ls")]),
        ("exec_command", {"cmd": "ls"}, [("command", "ls")]),
        ("shell", {"command": ["bash", "-lc", "rm -rf x"]}, [("command", "bash -lc 'rm -rf x'")]),
        ("run_commands", {"commands": ["ls", "rm x"]}, [("command", "ls\nrm x")]),
        ("write_stdin", {"session_id": 1, "chars": "rm -rf x\n"}, [("command", "rm -rf x\n")]),
        ("Write", {"file_path": "/w/.env", "content": ""}, [("write", ("/w/.env",))]),
        ("Edit", {"file_path": "a", "old_string": "x", "new_string": "y"}, [("write", ("a",))]),
        ("MultiEdit", {"file_path": "a", "edits": [{"old_string": "x", "new_string": "y"}]}, [("write", ("a",))]),
        ("NotebookEdit", {"notebook_path": "n.ipynb", "new_source": "x"}, [("write", ("n.ipynb",))]),
        ("replace", {"file_path": "a", "old_string": "x", "new_string": ""}, [("write", ("a",))]),
        ("apply_patch", {"command": PATCH}, [("write", ("a.py", "b.py", "d.py")), ("delete", ("c.py",))]),
        ("WebFetch", {"url": "https://example.invalid", "prompt": "x"}, [("fetch", "https://example.invalid")]),
        ("Read", {"file_path": "/etc/passwd"}, []),
        ("Grep", {"pattern": "rm -rf", "path": "src"}, []),
        ("Glob", {"pattern": "**/*.py"}, []),
        ("Task", {"prompt": "rm -rf /", "description": "x", "subagent_type": "y"}, []),
        ("TodoWrite", {"todos": [{"content": "delete it"}]}, []),
        ("mcp__shell__run", {"command": "rm -rf x"}, [("command", "rm -rf x")]),
        ("mcp__fs__move_file", {"source": "a", "destination": "b"}, [("write", ("a", "b"))]),
        ("mcp__fs__deleteFile", {"path": "a"}, [("delete", ("a",))]),
        ("mcp__db__execute", {"sql": "drop table t"}, [("command", "psql -c 'drop table t'")]),
        ("mcp__db__query", {"query": "select 1"}, []),
        ("mcp__github__delete_repository", {"repo": "a/b"}, [("unseen", "")]),
        ("mcp_github_delete_repository", {"repo": "a/b"}, [("unseen", "")]),
        ("github_delete_repository", {"repo": "a/b"}, [("unseen", "")]),
        ("github-delete_repository", {"repo": "a/b"}, [("unseen", "")]),
        ("CronDelete", {"id": "a"}, []),
        ("mcp__github__search_issues", {"query": "force"}, []),
        ("mcp__x__run", {"command": "rm", "args": ["-rf", "a b"]}, [("command", "rm -rf 'a b'")]),
        ("mcp__ssh__exec", {"host": "prod", "command": "rm a.txt"}, [("command", "ssh -- prod 'rm a.txt'")]),
        ("mcp__x__run", {"hostname": "localhost", "command": "rm a.txt"}, [("command", "rm a.txt")]),
        ("mcp__remote__execCommand", {"line": "rm -r a"}, [("command", "ssh -- \"$elsewhere\" 'rm -r a'")]),
        ("mcp__x__run", {"command": "rm", "args": "-r a"}, [("command", "rm -r a")]),
        ("mcp__x__run", {"command": "rm", "args": ["-r", 3]}, [("command", "rm -r 3")]),
        ("mcp__x__run", {"command": "bash", "stdin": "rm a"}, [("command", "{ bash\n} <<< 'rm a'")]),
        ("mcp__x__run", {"Command": "rm a"}, [("command", "rm a")]),
        ("mcp__x__run", {"commandLine": "rm a"}, [("command", "rm a")]),
        ("mcp__x__run", {"commands": [["rm", "a b"], ["ls"]]}, [("command", "rm 'a b'\nls")]),
        ("mcp__x__run", {"input": {"command": "rm a"}}, [("command", "rm a")]),
        ("mcp__x__exec", {"host": "p", "steps": [{"run": "rm\ta"}]}, [("command", "ssh -- p 'rm\ta'")]),
        ("mcp__x__run", {"host": "localhost", "server": "p", "command": "rm a"}, [("command", "ssh -- p 'rm a'")]),
        ("mcp__x__run_code", {"code": "rm a", "language": "Bash 5.2"}, [("command", "bash -c 'rm a'")]),
        ("Task", {"input": {"command": "rm a"}}, []),
        ("mcp__f__get", {"urls": ["https://a.b", "c"], "uri": "note://d"}, [("fetch", "https://a.b")]),
        ("mcp__db__connect", {"host": "db.example.org", "name": "host.name"}, [("fetch", "db.example.org")]),
        ("mcp__db__drop", {"url": "https://a.b"}, [("fetch", "https://a.b"), ("unseen", "")]),
        (
            "web_fetch",
            {"prompt": "what do (https://a.b/c) and http://d say"},
            [("fetch", "https://a.b/c"), ("fetch", "http://d")],
        ),
        ("WebFetch", {"url": "https://a.b", "prompt": "like https://c.d?"}, [("fetch", "https://a.b")]),
        ("mcp_docker_exec", {"container": "c", "argv": ["rm", "a"]}, [("command", "ssh -- c 'rm a'")]),
        ("mcp__term__shell", {"program": "rm", "args": ["-r", "a"]}, [("command", "rm -r a")]),
        ("mcp__ide__executeCode", {"code": "import os"}, [("command", "python3 -c 'import os'")]),
        ("mcp__x__run_code", {"code": "rm a", "language": "Bash"}, [("command", "bash -c 'rm a'")]),
        ("mcp__x__run_code", {"code": "rm -rf a && ls"}, [("command", "bash -c 'rm -rf a && ls'")]),
        ("mcp__web__run_code", {"code": "async (page) => 1"}, []),
        ("mcp__web__run_code", {"code": "const a = await b();\nreturn a;"}, []),
        ("mcp__github__create_issue", {"title": "rm -rf /", "body": "rm -rf /"}, []),
        ("mcp__term__shell", {"description": "rm -rf /", "session": "a"}, []),
        ("exec_command", {"cmd": "rm a", "host": "x"}, [("command", "rm a")]),
    ],
)
def test_the_effects_of_a_tool(
    tool: str, arguments: dict[str, Any], expected: list[tuple[str, str | tuple[str, ...]]]
) -> None:
    assert uses(tool, **arguments) == expected


def test_a_tool_is_named_with_the_server_that_its_cli_says_beside_it() -> None:
    def name(context: object) -> str:
        return read_call(json.dumps({"tool_name": "mcp_a_b_c", "mcp_context": context}).encode()).tool

    assert name({"server_name": "a_b", "tool_name": "c"}) == "mcp__a_b__c"
    for none in (None, {}, {"server_name": 1, "tool_name": "c"}, {"server_name": "a"}, "x"):
        assert name(none) == "mcp_a_b_c"


@pytest.mark.parametrize(
    ("tool", "query"),
    [
        ("WebSearch", "drop table migration alembic"),
        ("google_web_search", "delete from a list"),
        ("mcp__github__search_issues", "drop table crash"),
        ("mcp__brave-search__query", "truncate text in css"),
        ("mcp__docs__fetchPages", "alter table"),
        ("mcp__memory__recall", "delete all files older than git"),
        ("mcp__notes__ask", "update the readme"),
        ("mcp__db__query", "select * from t where name = 'x'"),
        ("mcp__db__query", ""),
    ],
)
def test_words_that_are_searched_for_are_no_statement(tool: str, query: str) -> None:
    assert uses(tool, query=query) == []


@pytest.mark.parametrize(
    "statement",
    [
        "drop table t",
        "  DROP\n TABLE t",
        "select 1; delete from t",
        "/* x */ delete from t",
        "-- x\nupdate t set a = 1",
        "update only t as x set a = 1",
        "create or replace view v as select 1",
        "with a as (delete from t returning 1) select 1",
        "grant all on t to public",
        "truncate t",
        "insert into t values (1)",
    ],
)
def test_statements_that_change_something_are_read(statement: str) -> None:
    expected = [("command", f"psql -c {shlex.quote(statement)}")]
    assert uses("mcp__warehouse__run", query=statement) == expected
    assert uses("mcp__postgres__search", query=statement) == expected
    assert uses("mcp__warehouse__run", statement=statement) == expected
    assert uses("mcp__search__run", sql=statement) == expected


@pytest.mark.parametrize("piece", few(["\n", " ", "(", "(grant ", ";with ", "update ", "(update a ", "*/ "], 3))
def test_a_long_text_takes_no_time(piece: str) -> None:
    assert uses("mcp__db__query", query=(piece * 50_000)[:50_000]) == []
    assert uses("mcp__db__query", query="x" * 50_001) != []


@pytest.mark.parametrize(
    ("chars", "command", "in_part"),
    [
        ("rm -rf ", "rm -rf ", True),
        ("rm -rf x\nls", "rm -rf x\nls", True),
        ("rm -rf x\r", "rm -rf x\n", False),
        ("rm -rf s\t\n", "rm -rf s\t\n", True),
        ("rm -rf sr\bc\n", "rm -rf sr\bc\n", True),
        ("\x1b[A\n", "\x1b[A\n", True),
        ("\x10\n", "", True),
        ("\x10", "", True),
        ("\x0f", "", True),
        ("\x10\x01\x04\x04", "", True),
        ("\t", "", True),
        ("\x03", "", False),
        ("y\n", "y\n", False),
        ("\n", "", False),
        ("", "", False),
        (None, "", False),
    ],
)
def test_a_part_of_a_line_is_told_from_a_whole_one(chars: str | None, command: str, in_part: bool) -> None:
    expected = [("command", command)] if command else []
    assert uses("write_stdin", chars=chars) == [*expected, *([("typed in part", "")] if in_part else [])]


@pytest.mark.parametrize("space", [" ", "\t", " \t  ", "\u00a0", "\x0b"])
def test_a_header_that_stands_further_right_is_a_header_too(space: str) -> None:
    patch = (
        f"*** Begin Patch\n*** Add File: a\n+x\n{space}*** Delete File: .env\n{space}*** Move to: b\n*** End Patch"
    )
    assert uses("apply_patch", command=patch) == [("write", ("a", "b")), ("delete", (".env",))]


def test_lines_that_an_edit_adds_and_removes_are_counted() -> None:
    edit = {"file_path": "a", "edits": [{"old_string": "1\n2", "new_string": "3"}, {"new_string": "4\n5\n6"}]}
    call = read_call(json.dumps({"tool_name": "MultiEdit", "tool_input": edit}).encode())
    assert call.uses == (ToolUse(kind=UseKind.WRITE, files=("a",), lines_changed=6),)


@pytest.mark.parametrize(
    ("cwd", "arguments", "expected"),
    [
        ("/w", {}, Path("/w")),
        ("/w", {"workdir": "sub"}, Path("/w/sub")),
        ("/w", {"directory": "/other"}, Path("/other")),
        (None, {"dir_path": "sub"}, None),
        ("relative", {}, None),
        (7, {}, None),
    ],
)
def test_the_folder_of_a_call(cwd: object, arguments: dict[str, Any], expected: Path | None) -> None:
    call = read_call(json.dumps({"tool_name": "Grep", "tool_input": arguments, "cwd": cwd}).encode())
    assert call.cwd == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"tool_input": {}}',
        b'{"tool_name": "", "tool_input": {}}',
        b'{"tool_name": 1, "tool_input": {}}',
        b'{"tool_name": "mcp__' + b"aA" * 1000 + b'", "tool_input": {}}',
        b'{"tool_name": "Bash", "tool_input": [1]}',
        b'{"tool_name": "apply_patch", "tool_input": {"command": "no patch"}}',
        b'{"tool_name": "Bash"}',
        b'{"tool_name": "Grep", "cwd": "/w\\u0000"}',
        b'{"tool_name": "Grep", "cwd": "/w\\ud800"}',
        b'{"tool_name": "Grep", "cwd": "/w", "tool_input": {"workdir": "a\\udfff"}}',
        b'{"tool_name": "Bash", "tool_input": {}}',
        b'{"tool_name": "Bash", "tool_input": {"command": ""}}',
        b'{"tool_name": "shell", "tool_input": {"command": []}}',
        b'{"tool_name": "shell", "tool_input": {"command": ["rm", ["-rf", "x"]]}}',
        b'{"tool_name": "run_shell_command", "tool_input": {"command": {"text": "rm -rf x"}}}',
        b'{"tool_name": "exec_command", "tool_input": {"other": "rm -rf x"}}',
        b'{"tool_name": "write_stdin", "tool_input": {"chars": ["rm -rf x"]}}',
        b"[" * 100_000,
    ],
)
def test_a_call_that_cannot_be_understood_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableCallError):
        read_call(raw)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=4,
)
_NAMES = st.sampled_from(
    (
        *("command", "commands", "edits", "file_path", "path", "content", "sql", "url", "source", "cwd"),
        *("args", "code", "language", "program", "host"),
    )
)


@given(
    tool=st.sampled_from(
        ["Bash", "apply_patch", "write_stdin", "mcp__a__drop", "mcp__a__exec", "mcp_ssh_run", "Edit"]
    )
    | st.text(),
    arguments=st.dictionaries(_NAMES | st.text(), _VALUES) | _VALUES,
    cwd=_VALUES,
)
def test_nothing_else_is_ever_raised(tool: str, arguments: object, cwd: object) -> None:
    raw = json.dumps({"tool_name": tool, "tool_input": arguments, "cwd": cwd}).encode()
    try:
        call = read_call(raw)
    except UnreadableCallError:
        return
    assert all(
        use.command or use.files or use.url or use.kind in (UseKind.UNSEEN, UseKind.TYPED) for use in call.uses
    )


def test_objects_that_are_nested_deeply_are_read() -> None:
    arguments: dict[str, Any] = {"command": "rm a"}
    for _ in range(400):
        arguments = {"input": [arguments]}
    assert uses("mcp__x__run", **arguments) == [("command", "rm a")]


def test_the_name_of_a_language_is_read_within_bounds() -> None:
    assert uses("mcp__x__run_code", code="rm a", language="1" * 300_000 + "x") == []
