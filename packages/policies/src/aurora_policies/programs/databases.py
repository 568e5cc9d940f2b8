"""Clients of databases: the SQL that they are given as an argument, a file or their input."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import Arguments, arguments
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word
from aurora_policies.sql import Kind, destructions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS", "judge_sql"]

_DROP_INSTEAD: Final = "Do not drop it: write the statement into a migration for the user, or work on a copy."
_EMPTY_INSTEAD: Final = "Name the rows with WHERE, or leave the statement to the user."
_META: Final = re.compile(r"^[ \t]*(?:\\([!a-zA-Z]\w*)|\.([a-z]+)|(system|source)\b)[ \t]*(.*)$", re.MULTILINE)
_BACKSLASH_COMMAND: Final = re.compile(r"\\(gexec|!|[gow]\w*\s*\|)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    """The ways in which a client is given SQL.

    Attributes:
        dialect: as sqlglot calls it.
        sql: options with a statement.
        files: options with a file of statements.
        valued: other options with a value.
        sql_operand: index of the first operand that is a statement; None if none is.
        single_dash: long options have one dash.
    """

    dialect: str
    sql: frozenset[str]
    files: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()
    sql_operand: int | None = None
    single_dash: bool = False


def judge_sql(call: Call, text: str, dialect: str) -> None:
    """Records what the statements of a text destroy."""
    if UNKNOWN in text:
        call.judge.undecided("a part of the SQL is not known")
        text = text.replace(UNKNOWN, "x")
    text = _META.sub(lambda match: _meta(call, match, dialect), text)
    if _BACKSLASH_COMMAND.search(text):
        call.judge.undecided("a database client runs a shell command, or SQL that is generated at run time")
        text = _BACKSLASH_COMMAND.sub(" ", text)
    for found in destructions(text, dialect):
        if found.kind is Kind.DROP:
            call.judge.by_rule(Rule.DROP_TABLE, found.what, _DROP_INSTEAD)
        elif found.kind is Kind.EMPTY:
            call.judge.by_rule(Rule.TRUNCATE, found.what, _EMPTY_INSTEAD)
        else:
            call.judge.undecided(found.what)


def _meta(call: Call, match: re.Match[str], dialect: str) -> str:
    """Judges a command of the client itself."""
    name = match[1] or match[2] or match[3]
    rest = match[4].strip()
    if name in {"!", "shell", "system"}:
        call.shell.in_copy(lambda: call.shell.run_text(rest))
    elif name in {"i", "ir", "include", "read", "source"}:
        judge_file(call, Word(rest.strip("'\"")), dialect)
    elif name in {"o", "out", "output", "once", "w", "log", "backup", "save", "dump"} and rest and name != "dump":
        if rest.startswith("|"):
            call.shell.in_copy(lambda: call.shell.run_text(rest[1:]))
        else:
            call.judge.writes(Word(rest.split()[0].strip("'\"")), call.shell, "writes")
    elif (name == "copy" and re.search(r"\bprogram\b", rest, re.IGNORECASE)) or (
        match[1] and name[0] in "gow" and "|" in rest
    ):
        call.judge.undecided("a database client runs a command")
    elif match[3]:
        return match[0]
    return "\n" if match[1] or match[2] else ""


def judge_file(call: Call, file: Word, dialect: str) -> None:
    """Judges a file of statements; one that cannot be read is not known."""
    stream = call.input if file.text == "-" else call.judge.content(file, call.shell)
    judge_stream(call, stream, dialect)


def judge_stream(call: Call, stream: Stream, dialect: str) -> None:
    """Judges statements that come from elsewhere."""
    if stream.text is None:
        call.judge.undecided("runs SQL that cannot be read here")
    else:
        judge_sql(call, stream.text, dialect)


def _with(client: _Client) -> Callable[[Call], Stream]:
    def handler(call: Call) -> Stream:
        return _judge(call, client, call.words)

    return handler


def _judge(call: Call, client: _Client, words: tuple[Word, ...]) -> Stream:
    given = arguments(words, valued=client.sql | client.files | client.valued, single_dash=client.single_dash)
    statements = [*given.values(*client.sql), *_operands(given, client)]
    files = given.values(*client.files) if client.files else ()
    for statement in statements:
        judge_sql(call, statement.text, client.dialect)
    for file in files:
        judge_file(call, file, client.dialect)
    if not statements and not files and call.input is not EMPTY:
        judge_stream(call, call.input, client.dialect)
    _judge_files_of(call, client, given, statements)
    if given.unclear and any(word.splits for word in words):
        call.judge.undecided("the arguments of a database client are not known")
    return NOT_KNOWN


_READS: Final = re.compile(
    r"(?>(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\.(?!import|restore|recover|clone)\w+[^\n]*(?:\n|$))*)(?:$|explain\b"
    r"|(?:select|values|attach|detach|with\b(?!.*\b(?:insert|update|delete|replace)\b))\b"
    r"(?!.*\b(?:writefile|load_extension|edit)\b)"
    r"|pragma\s+(?:\w+\s*$|(?:table|index|foreign_key|integrity|quick)_\w+\s*\())",
    re.IGNORECASE | re.DOTALL,
)
"""A statement that only reads, behind comments and commands of the client."""
_NAMES_FILE: Final = re.compile(
    r"(?:\battach(?:\s+database)?|\bvacuum\b(?:\s+\w+)?\s+into|\bwritefile\s*\()\s*['\"]([^'\"]+)"
    r"|^[ \t]*\.(?:open|clone)\b(?:[ \t]+-\S+)*[ \t]+['\"]?([^\s'\"]+)",
    re.IGNORECASE | re.MULTILINE,
)


def _judge_files_of(call: Call, client: _Client, given: Arguments, statements: Sequence[Word]) -> None:
    """Judges the change of databases that are files: one may be among those that keep agents under control."""
    text = ";\n".join(word.text for word in statements) or call.input.text or ""
    if not client.sql_operand or all(map(_READS.match, text.split(";"))):
        return
    files = (
        *(word.text for word in given.operands[:1]),
        *(each[1] or each[2] for each in _NAMES_FILE.finditer(text)),
    )
    for file in files:
        path = re.sub(r"^file:(?://[^/]*)?|\?.*", "", file) if file.startswith("file:") else file
        call.judge.writes(Word(path), call.shell, "writes")


def _operands(given: Arguments, client: _Client) -> tuple[Word, ...]:
    return given.operands[client.sql_operand :] if client.sql_operand is not None else ()


def _options(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PSQL: Final = _Client(
    dialect="postgres",
    sql=_options("-c --command"),
    files=_options("-f --file"),
    valued=_options(
        "-d --dbname -h --host -p --port -U --username -o --output -L --log-file"
        " -v --set --variable -F -P --pset -R -T"
    ),
)
_MYSQL: Final = _Client(
    dialect="mysql",
    sql=_options("-e --execute --init-command"),
    valued=_options("-h --host -u --user -P --port -D --database -S --socket --defaults-file --protocol"),
)
_SQLITE: Final = _Client(
    dialect="sqlite",
    sql=_options("-cmd --cmd"),
    files=_options("-init --init"),
    valued=_options("-separator -newline -nullvalue -mmap -vfs -lookaside -pagecache"),
    sql_operand=1,
    single_dash=True,
)
_DUCKDB: Final = _Client(
    dialect="duckdb",
    sql=_options("-c -s -cmd"),
    files=_options("-init -f"),
    valued=_options("-separator -nullvalue -newline"),
    sql_operand=1,
    single_dash=True,
)
_CLICKHOUSE: Final = _Client(
    dialect="clickhouse",
    sql=_options("-q --query"),
    files=_options("--queries-file"),
    valued=_options("-h --host --port -u --user --password -d --database -f --format"),
)
_SQLCMD: Final = _Client(
    dialect="tsql",
    sql=_options("-Q -q"),
    files=_options("-i"),
    valued=_options("-S -U -P -d -o -s -v -h -w -W -t -l -b -E"),
)
_SNOWSQL: Final = _Client(
    dialect="snowflake",
    sql=_options("-q --query"),
    files=_options("-f --filename"),
    valued=_options("-a -u -d -s -r -w -c --connection -o --config"),
)
_EXECUTE: Final = _Client(
    dialect="hive",
    sql=_options("-e --execute -q --query --command --sql -c"),
    files=_options("-f --file"),
    valued=_options("--server --catalog --schema -u -n -p -i -k -h --url --host --user -d"),
)


def _sub(subcommands: Mapping[str, tuple[_Client, int | None]]) -> Callable[[Call], Stream]:
    """Returns a handler of a program with a subcommand that runs SQL."""

    def handler(call: Call) -> Stream:
        texts = call.texts()
        for index, text in enumerate(texts[:4]):
            client, operand = subcommands.get(text, (None, None))
            if client is not None:
                own = _Client(
                    dialect=client.dialect,
                    sql=client.sql,
                    files=client.files,
                    valued=client.valued,
                    sql_operand=operand,
                )
                return _judge(call, own, call.words[index + 1 :])
        return NOT_KNOWN

    return handler


def _bq(call: Call) -> Stream:
    texts = call.texts()
    if "rm" in texts[:4]:
        call.judge.by_rule(Rule.DROP_TABLE, "drops a table or a data set", _DROP_INSTEAD)
    given = arguments(call.words, valued=frozenset({"--project_id", "--format", "--location"}))
    if texts and "query" in texts[:6]:
        for word in [each for each in given.operands if each.text != "query"]:
            judge_sql(call, word.text, "bigquery")
        if len(given.operands) < 2 and call.input is not EMPTY:
            judge_stream(call, call.input, "bigquery")
    return NOT_KNOWN


def _dropdb(call: Call) -> Stream:
    if not {"--help", "--version"} & set(call.texts()):
        call.judge.by_rule(Rule.DROP_TABLE, "drops a database", _DROP_INSTEAD)
    return EMPTY


def _mysqladmin(call: Call) -> Stream:
    if "drop" in call.texts():
        call.judge.by_rule(Rule.DROP_TABLE, "drops a database", _DROP_INSTEAD)
    return NOT_KNOWN


_REDIS: Final = re.compile(r"\b(flushall|flushdb|shutdown)\b|\bconfig\s+set\b|\bdel(?:ete)?\b.*\*", re.IGNORECASE)
_REDIS_DELETES: Final = frozenset(("del", "DEL", "unlink", "UNLINK"))
_MONGO_DROPS: Final = re.compile(
    r"\bdropDatabase\s*\(|\.drop\s*\(|\.dropCollection\s*\(|\bdropDatabase\s*:|\bdrop\s*:"
)
_MONGO_EMPTIES: Final = re.compile(
    r"\.(deleteMany|remove)\s*\(\s*(\{\s*\}\s*)?(,[^)]{0,200})?\)|\.dropUser|\.updateMany\s*\(\s*\{\s*\}"
)


def _redis(call: Call) -> Stream:
    if _REDIS.search(f"{' '.join(call.texts())}\n{call.input.text or ''}"):
        call.judge.prompt(Rule.DATA_LOSS, "deletes the data of Redis", "Delete only what you have made, by its name.")
    elif call.input.text is None or (_REDIS_DELETES & set(call.texts()) and arguments(call.words).unclear):
        call.judge.undecided("runs commands on a database that are not known")
    return NOT_KNOWN


def _mongo(call: Call) -> Stream:
    """A collection is a table of MongoDB, and its rules are those of tables."""
    given = arguments(call.words, valued=frozenset({"--eval", "-e", "--file", "-f"}))
    scripts = [*given.values("--file", "-f"), *(word for word in given.operands if word.text.endswith(".js"))]
    streams = [call.input, *(call.judge.content(script, call.shell) for script in scripts)]
    text = "\n".join((*(word.text for word in given.values("--eval", "-e")), *(each.text or "" for each in streams)))
    if _MONGO_DROPS.search(text):
        call.judge.by_rule(Rule.DROP_TABLE, "drops a collection or a database of MongoDB", _DROP_INSTEAD)
    if _MONGO_EMPTIES.search(text):
        call.judge.by_rule(Rule.TRUNCATE, "deletes the data of MongoDB", _EMPTY_INSTEAD)
    if UNKNOWN in text or any(each.text is None for each in streams):
        call.judge.undecided("runs commands on a database that are not known")
    return NOT_KNOWN


def _pg_restore(call: Call) -> Stream:
    if arguments(call.words).has("-c", "--clean"):
        call.judge.by_rule(Rule.DROP_TABLE, "drops the tables that it restores", _DROP_INSTEAD)
    return NOT_KNOWN


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    **dict.fromkeys(("psql", "pgcli", "usql"), _with(_PSQL)),
    **dict.fromkeys(("mysql", "mariadb", "mycli"), _with(_MYSQL)),
    **dict.fromkeys(("sqlite3", "sqlite", "litecli", "sqlcipher"), _with(_SQLITE)),
    **dict.fromkeys(("clickhouse-client", "clickhouse-local"), _with(_CLICKHOUSE)),
    **dict.fromkeys(("sqlcmd", "osql", "isql"), _with(_SQLCMD)),
    **dict.fromkeys(
        ("hive", "beeline", "trino", "presto", "impala-shell", "spark-sql", "cqlsh", "athenacli"), _with(_EXECUTE)
    ),
    "duckdb": _with(_DUCKDB),
    "snowsql": _with(_SNOWSQL),
    "bq": _bq,
    "dropdb": _dropdb,
    "dropuser": _dropdb,
    "mysqladmin": _mysqladmin,
    "mariadb-admin": _mysqladmin,
    "pg_restore": _pg_restore,
    "clickhouse": _sub({"client": (_CLICKHOUSE, None), "local": (_CLICKHOUSE, None)}),
    "cockroach": _sub({"sql": (_EXECUTE, None)}),
    "snow": _sub({"sql": (_SNOWSQL, None)}),
    "turso": _sub({"shell": (_SQLITE, 1)}),
    "wrangler": _sub({"execute": (_EXECUTE, None)}),
    "redis-cli": _redis,
    "valkey-cli": _redis,
    "mongosh": _mongo,
    "mongo": _mongo,
}
