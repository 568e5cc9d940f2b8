"""Interpreters: programs that are given as an argument or an input, judged by what they could do."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.databases import judge_sql
from aurora_policies.programs.own import judge_calls
from aurora_policies.programs.printing import reads
from aurora_policies.programs.sending import sent_secret
from aurora_policies.programs.shells import run_text
from aurora_policies.shell.command import quote
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS"]

_PYTHON_MODULES: Final = frozenset(
    {
        "http.server",
        "pytest",
        "venv",
        "pip",
        "json.tool",
        "unittest",
        "build",
        "mypy",
        "ruff",
        "black",
        "timeit",
        "pdb",
        "doctest",
    }
)
_PYTHON_CHANGES: Final = frozenset(
    {
        *(
            "remove",
            "unlink",
            "rmdir",
            "removedirs",
            "rmtree",
            "rename",
            "renames",
            "replace_file",
            "truncate",
            "ftruncate",
            "system",
        ),
        *(
            "popen",
            "Popen",
            "spawnl",
            "spawnv",
            "spawnlp",
            "spawnvp",
            "execv",
            "execl",
            "execvp",
            "execlp",
            "execve",
            "execle",
        ),
        *(
            "write_text",
            "write_bytes",
            "touch",
            "mkdir",
            "makedirs",
            "symlink_to",
            "hardlink_to",
            "symlink",
            "link",
            "chmod",
            "chown",
        ),
        *(
            "copyfile",
            "copy2",
            "copytree",
            "move",
            "copyfileobj",
            "writelines_to",
            "kill",
            "killpg",
            "posix_spawn",
            "fork",
        ),
        *(
            "getoutput",
            "getstatusoutput",
            "check_call",
            "check_output",
            "to_csv",
            "to_sql",
            "savetxt",
            "urlretrieve",
            "putheader",
        ),
        *(
            "extractall",
            "make_archive",
            "unpack_archive",
            "executescript_file",
            "send2trash",
            "drop_all",
            "symlink_to_dir",
        ),
    }
)
_ALSO_OF_OTHERS: Final = frozenset({"remove", "rename", "move", "link", "kill", "truncate"})
"""Names that lists and tables have too; they count in a program that imports a module of files."""
_OF_FILES: Final = frozenset({"os", "shutil", "pathlib", "os.path", "posix", "nt", "io", "signal"})
_PYTHON_RUNS_CODE: Final = frozenset(
    {"exec", "eval", "compile", "__import__", "import_module", "run_path", "run_module", "loads_code"}
)
_OPEN: Final = frozenset({"open", "fdopen", "ZipFile", "TarFile"})
_SQL: Final = frozenset({"execute", "executescript", "executemany", "text", "raw", "query", "run_sql", "sql"})

_TEXT_ALONE: Final = re.compile(r"(?<!\\)'(?:\\.|[^'\\\n])*'|(?<!\\)\"(?:\\.|[^\"\\\n])*\"")
_CHANGES: Final[Mapping[str, re.Pattern[str]]] = {
    "javascript": re.compile(
        r"\b(unlink|unlinkSync|rm|rmSync|rmdir|rmdirSync|writeFile|writeFileSync|appendFile|appendFileSync|truncate\w*|rename\w*"
        r"|createWriteStream|copyFile\w*|cpSync|mkdir\w*|symlink\w*|chmod\w*|execSync|execFile\w*|spawn\w*|exec|fork|kill|removeSync"
        r"|emptyDir\w*|outputFile\w*|writeTextFile\w*|rimraf|eval|Function|Deno\s*\.\s*(remove|run|Command)|Bun\s*\.\s*(write|spawn\w*|\$))\s*\("
        r"|child_process|\bprocess\s*\.\s*binding|\]\s*\(|\bBun\s*\.\s*\$|\bimport\s*\("
    ),
    "perl": re.compile(
        r"\b(unlink|rmdir|rename|system|exec|truncate|rmtree|remove_tree|symlink|link|chmod|chown|kill|mkdir|syswrite|eval|sysopen|fork"
        r"|utime)\b|`|\bqx\b|\bopen\b((?!\bopen\b)[^;])*[|>]|\bmove\s*\(|\bcopy\s*\(|\bdo\s*['\"(]|-\|"
    ),
    "ruby": re.compile(
        r"\b(system|exec|spawn|fork|eval|instance_eval|send|public_send|unlink|delete|rm|rm_rf|rm_r|rm_f|rmtree|remove_dir|rename"
        r"|truncate|write|binwrite|mv|cp|cp_r|mkdir\w*|ln_s|symlink|chmod|popen\w*|capture\w*|remove_entry\w*|remove)\b|`|%x|\bopen\b((?!\bopen\b)[^;])*['\"][wa]"
    ),
    "php": re.compile(
        r"\b(unlink|rmdir|rename|file_put_contents|fwrite|fputs|exec|system|shell_exec|passthru|popen|proc_open|eval|assert|copy"
        r"|symlink|link|chmod|chown|touch|mkdir|move_uploaded_file|ftruncate|pcntl_exec|call_user_func\w*|create_function)\s*\(|`|\$\w+\s*\("
    ),
    "awk": re.compile(
        r"\bsystem\s*\(|\|\s*getline|\bprintf?\b((?!\bprintf?\b)[^;}\n])*>|\|&?\s*[\"\w]|@load|@include"
    ),
    "lua": re.compile(
        r"\bos\s*\.\s*(execute|remove|rename|tmpname)|\bio\s*\.\s*(popen|open)|\bload(string|file)?\s*\(|\bdofile\b|\[\s*['\"]"
    ),
    "any": re.compile(
        r"\b(unlink|remove|delete|rm|rmtree|rm_rf|rmdir|write\w*|save\w*|system\w*|exec\w*|spawn\w*|shell\w*|popen|run|file\.remove|eval"
        r"|do\s+shell\s+script|rename|truncate|File\.\w+!)\b|`|:!|!"
    ),
}


@lru_cache(maxsize=64)
def _python_tree(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def judge_python(call: Call, text: str) -> None:
    """Judges a Python program by its calls; names in texts and comments are no calls."""
    if UNKNOWN in text:
        call.judge.undecided("a part of the Python program is not known")
    tree = _python_tree(text.replace(UNKNOWN, "unknown"))
    if tree is None:
        if re.search(r"\b(remove|unlink|rmtree|system|popen|write|exec|eval|open)\b", _TEXT_ALONE.sub("''", text)):
            call.judge.undecided("a Python program that cannot be read may delete or write")
        return
    judge_calls(call, text)
    if (secret := sent_secret(tree)) is not None:
        call.judge.secret_sent(secret, "the network")
    for what in sorted(set(_python_changes(call, tree))):
        call.judge.undecided(f"a Python program given on the command line {what}")


def _python_changes(call: Call, tree: ast.Module) -> Iterator[str]:
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    changes = _PYTHON_CHANGES if modules & _OF_FILES else _PYTHON_CHANGES - _ALSO_OF_OTHERS
    renamed: dict[str | None, str] = {
        alias.asname: alias.name.rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _python_call(call, node, renamed)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node.attr in changes:
            yield f"uses {node.attr}"  # also where it is only handed on: map(os.remove, …)
        elif isinstance(node, ast.Name) and node.id in {"__builtins__", "rmtree", "unlink"} | _PYTHON_RUNS_CODE:
            yield f"uses {node.id}"
        elif isinstance(node, ast.ImportFrom) and any(each.name in _PYTHON_CHANGES for each in node.names):
            yield f"uses {node.names[0].name}"


def _python_call(call: Call, node: ast.Call, renamed: Mapping[str | None, str]) -> Iterator[str]:
    name, owner = _called(node.func)
    name = renamed.get(name, name)
    owner = renamed.get(owner, owner)
    texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if name in _OPEN and _opens_for_writing(node):
        yield "writes a file"
    elif owner == "subprocess" or name in {"system", "popen", "Popen", "getoutput", "check_output", "check_call"}:
        yield "runs a command"
        for text in _command_texts(node, texts):
            run_text(call, text)
    elif owner in {"os", "shutil"} and name in {"replace", "copy", "copy2", "move"}:
        yield f"uses {name}"
    elif (name == "getattr" and not (len(texts) == 1 and texts[0] not in _PYTHON_CHANGES)) or isinstance(
        node.func, ast.Subscript | ast.Call
    ):
        yield "calls something whose name is not known"
    elif name == "delete" and texts[:1] and re.match(r"https?://(?!localhost|127\.|\[::1\])", texts[0]):
        yield "deletes what is stored on another machine"
    elif name in _SQL:
        for text in texts:
            judge_sql(call, text, "sqlite")
    elif name in {"rmtree", "unlink"}:
        yield f"uses {name}"


def _command_texts(node: ast.Call, texts: list[str]) -> list[str]:
    first = node.args[0] if node.args else None
    if isinstance(first, ast.List | ast.Tuple):
        words = [each.value for each in first.elts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        return [" ".join(quote(word) for word in words)]
    return texts[:1]


def _called(function: ast.expr) -> tuple[str, str | None]:
    if isinstance(function, ast.Name):
        return function.id, None
    if isinstance(function, ast.Attribute):
        owner = function.value
        return function.attr, owner.id if isinstance(owner, ast.Name) else None
    return "", None


def _opens_for_writing(node: ast.Call) -> bool:
    modes = [each.value for each in node.keywords if each.arg == "mode"] + node.args[1:2] + node.args[:1]
    if isinstance(node.func, ast.Name):
        modes = modes[:-1] if node.args else modes
    for mode in modes:
        if isinstance(mode, ast.Constant):
            if isinstance(mode.value, str) and len(mode.value) <= 4 and re.fullmatch(r"[rwaxbt+]+", mode.value):
                return any(letter in mode.value for letter in "wax+")
        elif mode is not (node.args[0] if node.args else None):
            return True
    return False


def judge_program(call: Call, text: str, language: str) -> None:
    """Judges a program in another language by the names that stand outside of its texts."""
    judge_calls(call, text)
    if UNKNOWN in text:
        call.judge.undecided(f"a part of the {language} program is not known")
    bare = _TEXT_ALONE.sub("''", text) if language not in {"perl", "ruby", "any"} else text
    if language in {"perl", "ruby"}:
        text = _PATTERNS.sub(" ", text)
        bare = _PRINTED.sub("print ''", text)
    if _CHANGES.get(language, _CHANGES["any"]).search(bare) or (language in _RUNS and _RUNS[language].search(text)):
        call.judge.undecided("a program given on the command line deletes, writes or runs commands")


_PRINTED: Final = re.compile(r"\b(?:print|puts|say|p)(?:\s*\()?\s*(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\`#])*\")")
_PATTERNS: Final = re.compile(
    r"(?:\bm|(?<![\w)\]}\s/\\])\s*|(?<=if )|(?<=unless )|(?<=~ )|(?<=and )|(?<=or ))/(?:\\.|[^/\\\n])*/[imsxgo]*"
    r"|\bs/(?:\\.|[^/\\\n])*/(?:\\.|[^/\\\n])*/[imsxgo]*(?![\w])"
)
"""Patterns of Perl and Ruby, which are no code; one with the flag e is."""
_JS_RUNS: Final = re.compile(
    r"(require|import)(\s*\()?\s*['\"](node:)?(child_process|shelljs|execa|rimraf|fs-extra|zx)"
    r"|\bopen(Sync)?\s*\(((?!\bopen(Sync)?\s*\()[^;])*,\s*['\"](w|a|r\+)|\[\s*['\"](unlink|rm|write|exec|spawn)"
)
"""Each open reads only as far as the next, or a long program would be read once for each."""
_RUNS: Final[Mapping[str, re.Pattern[str]]] = {
    "javascript": _JS_RUNS,
    "php": re.compile(
        r"\(\s*['\"](unlink|rmdir|rename|system|exec|shell_exec|passthru|popen|assert|file_put_contents)['\"]"
    ),
}
"""Patterns of programs that run or delete by a name that is a text."""


def _python(call: Call) -> Stream:
    words = call.words
    at = 0
    while at < len(words) and words[at].text.startswith("-") and len(words[at].text) > 1:
        text = words[at].text
        at += 1
        if text.startswith("--"):
            continue
        if re.fullmatch(r"-[bBdEhiIOPqsSuvVx?]*c", text):
            if at < len(words):
                _python_text(call, words[at])
            return Stream(None, call.input.secret)
        attached = re.fullmatch(r"-[bBdEiIOPqsSuvx]*c(.+)", text, re.DOTALL)
        if attached:
            _python_text(call, Word(attached[1]))
            return NOT_KNOWN
        if re.match(r"-[bBdEiIOPqsSuvx]*m", text):
            return _python_module(
                call, words[at:] if text.endswith("m") else (Word(text.partition("m")[2]), *words[at:])
            )
        if text in {"-W", "-X"}:
            at += 1
    rest = words[at:]
    if rest and rest[0].text not in {"-", "/dev/stdin"}:
        return _script_file(call, rest[0], lambda text: judge_python(call, text))
    return _from_input(call, lambda text: judge_python(call, text))


def _python_text(call: Call, word: Word) -> None:
    if word.splits and word.text == UNKNOWN:
        call.judge.undecided("runs a Python program that is not known")
    else:
        judge_python(call, word.text)


def _python_module(call: Call, words: tuple[Word, ...]) -> Stream:
    if not words:
        return NOT_KNOWN
    name = words[0].text
    if name.partition(".")[0] == "aurora_cli":
        return call.shell.run_words((Word("aur"), *words[1:]), stdin=call.input)
    if name in _PYTHON_MODULES or UNKNOWN in name:
        return NOT_KNOWN
    if name in {"base64", "gzip", "zipfile", "tarfile"}:
        return Stream(None, reads(call, words[1:]))
    return call.shell.run_words((Word(name.rpartition(".")[2] or name), *words[1:]), stdin=call.input)


def _script_file(call: Call, file: Word, judge: Callable[[str], None]) -> Stream:
    """A program in a file is trusted, as all of the project's programs are, unless this script has made it."""
    name = file.text.rpartition("/")[2]
    if name in {"manage.py", "artisan"}:  # they have commands that empty a database
        at = call.words.index(file) if file in call.words else len(call.words)
        call.shell.run_words((Word(name), *call.words[at + 1 :]))
    path = call.shell.path(file.text)
    content = call.shell.files.content.get(path) if path is not None else None
    if (path is not None and path.startswith("/dev/fd/aurora-")) or content is not None:
        if content is None or content.text is None:
            call.judge.undecided("runs a program whose text is not known")
        else:
            judge(content.text)
    elif UNKNOWN in file.text.rpartition("/")[2]:
        call.judge.undecided("runs a program whose name is not known")
    return Stream(None, call.input.secret)


def _from_input(call: Call, judge: Callable[[str], None]) -> Stream:
    if call.input is EMPTY:
        return NOT_KNOWN
    if call.input.text is None:
        call.judge.undecided("runs a program that comes through a pipe")
    else:
        judge(call.input.text)
    return NOT_KNOWN


def _language(name: str, inline: str, *, valued: str = "", from_input: bool = True) -> Callable[[Call], Stream]:
    """Returns a handler of an interpreter.

    Args:
        inline: options whose value is a program.
        valued: other options with a value.
        from_input: without a program it reads one from its input.
    """
    options = frozenset(inline.split())

    def handler(call: Call) -> Stream:
        given = arguments(call.words, valued=options | frozenset(valued.split()), stop_at_operand=True)
        programs = given.values(*options)
        for program in programs:
            judge_program(call, program.text, name)
        if programs:
            if name in {"perl", "ruby"} and any(
                text.startswith("-i") or re.match(r"-[a-zA-Z]*i", text) for text in call.texts()
            ):
                for word in given.operands:
                    call.judge.writes(word, call.shell, "edits")
            return Stream(None, reads(call, given.operands))
        if given.operands and given.operands[0].text != "-":
            return _script_file(call, given.operands[0], lambda text: judge_program(call, text, name))
        return _from_input(call, lambda text: judge_program(call, text, name)) if from_input else NOT_KNOWN

    return handler


def _awk(call: Call) -> Stream:
    given = arguments(
        call.words,
        valued=frozenset({"-F", "-v", "-f", "--file", "-i", "-e", "--source", "--include"}),
        stop_at_operand=True,
    )
    programs = list(given.values("-e", "--source"))
    files = list(given.operands)
    if not programs and not given.values("-f", "--file") and files:
        programs.append(files.pop(0))
    for program in programs:
        judge_program(call, program.text, "awk")
    if any(value.text == "inplace" for value in given.values("-i", "--include")):
        for word in files:
            call.judge.writes(word, call.shell, "edits")
    return Stream(None, reads(call, files))


def _deno(call: Call) -> Stream:
    if call.words[:1] == (Word("eval"),):
        for word in arguments(call.words[1:]).operands:
            judge_program(call, word.text, "javascript")
        return NOT_KNOWN
    if call.words and call.words[0].text in {"x", "run"} and call.name == "bun":
        return call.shell.run_words((Word("npx"), *call.words[1:]), stdin=call.input)
    return _language("javascript", "-e --eval -p --print", from_input=False)(call)


def _node(call: Call) -> Stream:
    for word in call.words:
        if word.text == "--eval-stdin":
            call.judge.undecided("runs a program that comes through a pipe")
    valued = "-r --require --import --loader --experimental-loader -C --conditions --env-file --input-type --title"
    return _language("javascript", "-e --eval -p --print -pe", valued=valued)(call)


_ANY: Final = _language("any", "-e -E --eval -c -r -ex --batch -s", from_input=False)
PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    **dict.fromkeys(
        (
            "python",
            "python2",
            "python3",
            "pypy",
            "pypy3",
            "ipython",
            "py",
            "python3.11",
            "python3.12",
            "python3.13",
            "python3.14",
        ),
        _python,
    ),
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), _awk),
    **dict.fromkeys(("node", "nodejs", "tsx", "ts-node"), _node),
    **dict.fromkeys(("deno", "bun"), _deno),
    "perl": _language("perl", "-e -E", valued="-I -M -m -F -x"),
    "ruby": _language("ruby", "-e", valued="-I -r -C"),
    "php": _language("php", "-r", valued="-d -c -f", from_input=True),
    "lua": _language("lua", "-e", valued="-l"),
    "luajit": _language("lua", "-e", valued="-l"),
    **dict.fromkeys(
        (
            "Rscript",
            "R",
            "julia",
            "osascript",
            "elixir",
            "ghc",
            "scala",
            "groovy",
            "guile",
            "racket",
            "sbcl",
            "clojure",
            "clj",
            "gdb",
            "tclsh",
            "octave",
            "erl",
            "swift",
            "jshell",
            "ghci",
            "raku",
            "crystal",
            "nim",
        ),
        _ANY,
    ),
}
