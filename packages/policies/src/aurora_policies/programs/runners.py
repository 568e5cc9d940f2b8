"""Runners of a project's own scripts (make, npm, uv run): judged by what they would run, where that can be read."""

from __future__ import annotations

import json
import posixpath
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import after_options, arguments
from aurora_policies.programs.shells import run_text
from aurora_policies.shell.command import quote
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_policies.programs.judge import Call

__all__ = ["PROGRAMS", "run_program_file"]

_RESETS: Final = re.compile(
    r"^(db:(drop|reset|purge|wipe|seed:replant|schema:load|migrate:reset|fresh|migrate:undo:all)|migrate:(fresh|reset|refresh|rollback)"
    r"|ecto\.(drop|reset)|flush|reset_db|sqlflush|drop|drop-all|schema:drop|migrate reset|db push"
    r"|database (drop|reset)|downgrade|clean|down)\b"
)


def run_program_file(call: Call) -> None:
    """Judges a program that is a file: one that this script has made, or a shell script on disk."""
    path = call.shell.path(call.path.text)
    if path is None or UNKNOWN in path:
        return
    made = call.shell.files.content.get(path)
    content = made or call.judge.content(call.path, call.shell)
    if content.text is None:
        if made is not None:
            call.judge.undecided("runs a program that this command makes, and whose text is not known")
        return
    first, _, _rest = content.text.partition("\n")
    if made is not None or re.match(r"#!.*\b(ba|z|k|da)?sh\b", first):
        interpreter = re.match(r"#!\s*(?:\S*/env\s+(?:-S\s+)?)?(\S+)", first)
        name = posixpath.basename(interpreter[1]) if interpreter else "bash"
        call.shell.run_words((Word(name), Word(path), *call.words), stdin=call.input)


# -- make and just ---------------------------------------------------------------------------------

_TARGET: Final = re.compile(r"^([^\s#:=][^:=#]*?)\s*::?(?!=)\s*([^#=\n;]*)(?:;(.*)|#.*)?$")
_VARIABLE: Final = re.compile(r"\$[({](\w+)[)}]")
_COMPUTED: Final = re.compile(r"\$[({]shell\s+([^)}]*)")
_ASSIGNED: Final = re.compile(r"^(?:export\s+)?(\w+)\s*[:?]?=\s*(.*)$")


def _make(call: Call) -> Stream:
    given = arguments(
        call.words,
        valued=frozenset({"-f", "--file", "--makefile", "-C", "--directory", "-j", "-I", "-o", "-W", "--eval"}),
    )
    if given.has("-n", "--just-print", "--dry-run", "-q", "-p", "--version"):
        return NOT_KNOWN
    evaluated = "\n".join(word.text for word in given.values("--eval"))
    for found in _COMPUTED.finditer(evaluated):
        run_text(call, found[1])
    folder = next(iter(given.values("-C", "--directory")), Word("."))
    names = given.values("-f", "--file", "--makefile") or tuple(
        Word(name) for name in ("GNUmakefile", "makefile", "Makefile")
    )
    text = evaluated + "\n" + (_makefiles(call, folder, names) or "")
    variables = {
        name: value for name, equals, value in (word.text.partition("=") for word in given.operands) if equals
    }
    targets = [word.text for word in given.operands if "=" not in word.text]
    call.shell.in_copy(lambda: _in_folder(call, folder, lambda: _recipes(call, text, targets, variables)))
    return NOT_KNOWN


def _makefiles(call: Call, folder: Word, names: tuple[Word, ...]) -> str | None:
    """Returns the text of the makefile, which may be the input; one that nobody knows is no project's program."""
    if any(name.text in {"-", "/dev/stdin"} for name in names):
        if call.input.text is None:
            call.judge.undecided("runs a makefile that comes through a pipe")
        return call.input.text
    return _first_text(call, [Word(posixpath.join(folder.text, name.text)) for name in names])


def _in_folder(call: Call, folder: Word, action: Callable[[], None]) -> Stream:
    call.shell.state.folder = call.shell.path(folder.text)
    action()
    return EMPTY


def _first_text(call: Call, files: Sequence[Word]) -> str | None:
    return next(
        (text for text in (call.judge.content(file, call.shell).text for file in files) if text is not None), None
    )


def _recipes(call: Call, text: str, targets: list[str], variables: Mapping[str, str]) -> None:
    """Follows the recipes of the targets and of what they need, with the variables whose value is known."""
    needs: dict[str, list[str]] = {}
    recipes: dict[str, list[str]] = {}
    known = {"RM": "rm -f", "MAKE": "make", "CURDIR": ".", **_scan(text, needs, recipes), **variables}
    waiting = targets or list(recipes)[:1]
    done: set[str] = set()
    while waiting and len(done) < 60:
        target = waiting.pop()
        if target in done:
            continue
        done.add(target)
        waiting.extend(needs.get(target, ()))
        for line in recipes.get(target, ()):
            _recipe(call, line, known)


def _scan(text: str, needs: dict[str, list[str]], recipes: dict[str, list[str]]) -> dict[str, str]:
    known: dict[str, str] = {}
    current: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("\t"):
            for target in current:
                recipes[target].append(line.strip())
            continue
        match = _TARGET.match(line)
        assigned = _ASSIGNED.match(line)
        if match:
            current = match[1].split()
            for target in current:
                needs.setdefault(target, []).extend(match[2].replace("|", " ").split())
                recipes.setdefault(target, []).extend([match[3].strip()] if match[3] else [])
        elif assigned:
            known[assigned[1]] = assigned[2].strip()
    return known


def _recipe(call: Call, line: str, known: Mapping[str, str]) -> None:
    line = line.lstrip("@-+")
    for _again in range(4):
        line = _VARIABLE.sub(lambda match: known.get(match[1], match[0]), line)
    # What make itself fills in is a file of the project; what it computes is not known.
    line = re.sub(r"\$[@<^*?]|\$\([@<^*?][DF]?\)", "made-by-make", line)
    line = re.sub(r"\$\((shell|wildcard|foreach|patsubst|addprefix|call|if|or|and)\b[^)]*\)", '"$unknown"', line)
    run_text(call, _VARIABLE.sub('"$unknown"', line).replace("$$", "$"))


_JUST_VALUED: Final = frozenset(
    {"-f", "--justfile", "-d", "--working-directory", "--set", "--shell", "--dotenv-path"}
)
_RECIPE: Final = re.compile(
    r"^@?([A-Za-z_][\w-]*)[^:=\n]*:(?!=)[ \t]*([^#\n]*).*\n?((?:[ \t]+.*\n?|\n)*)", re.MULTILINE
)
_RECIPES: Final = 50
"""Recipes of a justfile that are followed."""


def _just(call: Call) -> Stream:
    given = arguments(call.words, valued=_JUST_VALUED)
    if given.has("-l", "--list", "-n", "--dry-run", "-s", "--show"):
        return NOT_KNOWN
    named = given.values("-f", "--justfile") or (Word("justfile"), Word("Justfile"), Word(".justfile"))
    text = _makefiles(call, Word("."), named)
    recipes = {found[1]: (found[2], found[3]) for found in _RECIPE.finditer(text or "")}
    operands = [word.text for word in given.operands if "=" not in word.text]
    wanted = [name for name in operands if name in recipes] if operands else list(recipes)[:1]
    for name in wanted:  # grows by what each one depends on
        dependencies, body = recipes[name]
        others = re.findall(r"[A-Za-z_][\w-]*", dependencies)
        wanted.extend(each for each in others if each in recipes and each not in wanted and len(wanted) < _RECIPES)
        for line in body.splitlines():
            run_text(call, re.sub(r"\{\{.*?\}\}", '"$unknown"', line.strip().lstrip("@-")))
    return NOT_KNOWN


# -- npm and its like ------------------------------------------------------------------------------

_NPM_RUN: Final = frozenset({"run", "run-script", "rum", "urn"})
_NPM_SHORT: Final = frozenset({"test", "start", "stop", "restart", "t", "tst"})
_NPM_EXEC: Final = frozenset({"exec", "x", "dlx"})
_NPM_VALUED: Final = frozenset(
    {
        "--prefix",
        "-C",
        "--dir",
        "-w",
        "--workspace",
        "--filter",
        "-F",
        "--cwd",
        "--loglevel",
        "-c",
        "--call",
        "-p",
        "--package",
    }
)


def _npm(call: Call) -> Stream:
    given = arguments(call.words, valued=_NPM_VALUED, stop_at_operand=True)
    words = given.operands
    name = words[0].text if words else ""
    if name in _NPM_EXEC or call.name in {"npx", "bunx", "pnpx"}:
        for text in given.values("-c", "--call"):
            run_text(call, text.text)
        rest = words if call.name in {"npx", "bunx", "pnpx"} else words[1:]
        return _tool(call, after_options(rest, valued=_NPM_VALUED))
    if name in _NPM_RUN:
        return _package_script(
            call, words[1].text if len(words) > 1 else "", words[2:], given.values("--prefix", "-C", "--dir", "--cwd")
        )
    if name in _NPM_SHORT or (call.name in {"yarn", "pnpm", "bun"} and name not in _MANAGES):
        script = {"t": "test", "tst": "test"}.get(name, name)
        return _package_script(call, script, words[1:], given.values("--prefix", "-C", "--dir", "--cwd"))
    _settings_of_npm(call, [word.text for word in words])
    if name in {"publish", "unpublish", "deprecate"} and "--dry-run" not in call.texts():
        call.judge.prompt(
            Rule.DATA_LOSS, "publishes a release, which cannot be taken back", "Leave publishing to the user."
        )
    return NOT_KNOWN


_MANAGES: Final = frozenset(
    {
        "install",
        "i",
        "add",
        "remove",
        "rm",
        "uninstall",
        "un",
        "update",
        "up",
        "upgrade",
        "ci",
        "publish",
        "init",
        "create",
        "link",
        "unlink",
        "why",
        "list",
        "ls",
        "audit",
        "outdated",
        "config",
        "cache",
        "store",
        "pack",
        "info",
        "",
    }
)


_NPM_RUNS: Final = re.compile(
    r"(script-shell|shell|git|editor|viewer|browser|node-options|node-gyp|init-module|onload-script|yarnPath|yarn-path"
    r"|registry|@[\w.-]+:registry)(=|$)"
)
"""Settings by which npm and its like run a program, or take every package from another place."""


def _settings_of_npm(call: Call, texts: Sequence[str]) -> None:
    setting = (
        texts[2:] if texts[:2] in (["config", "set"], ["c", "set"]) else texts[1:] if texts[:1] == ["set"] else ()
    )
    named = [text for text in setting if not text.startswith("-")]
    if any(_NPM_RUNS.match(text) for text in (named if any("=" in text for text in named) else named[:1])):
        call.judge.prompt(
            Rule.CODE_INJECTION,
            f"makes {call.name} run or load something else by its settings",
            "Leave the settings of the package manager as they are.",
        )


_ELSEWHERE: Final = re.compile(r"(github|gitlab|bitbucket|gist):|git\+|git@|https?://|\w[\w.-]*/[\w.-]+(#|$)")
"""An address, or `owner/name` of a forge; a package with a slash in its name begins with @."""


def _tool(call: Call, words: Sequence[Word]) -> Stream:
    """A tool of a package, such as `npx rimraf dist`; its version is not part of its name."""
    if not words:
        return NOT_KNOWN
    if _ELSEWHERE.match(words[0].text):
        call.judge.undecided("runs a program that is fetched from a repository or an address")
    name = re.sub(r"(?<=.)@[^/]*$", "", words[0].text)
    return call.shell.run_words((Word(name), *words[1:]), stdin=call.input)


def _package_script(call: Call, script: str, words: Sequence[Word], folders: Sequence[Word]) -> Stream:
    folder = folders[0].text if folders else "."
    content = call.judge.content(Word(posixpath.join(folder, "package.json")), call.shell)
    try:
        document = json.loads(content.text or "{}")
        scripts = document.get("scripts", {}) if isinstance(document, dict) else {}
    except (ValueError, RecursionError):
        return NOT_KNOWN
    rest = " ".join(quote(word.text) for word in words if word.text != "--")
    for name in (f"pre{script}", script, f"post{script}"):
        text = scripts.get(name) if isinstance(scripts, dict) else None
        if isinstance(text, str):
            line = f"{text} {rest}" if name == script else text
            call.shell.in_copy(partial(_run_in, call, folder, line))
    return NOT_KNOWN


def _run_in(call: Call, folder: str, text: str) -> Stream:
    call.shell.state.folder = call.shell.path(folder)
    return run_text(call, text)


# -- python, ruby and others -----------------------------------------------------------------------


def _behind(*subcommands: str, valued: str = "") -> Callable[[Call], Stream]:
    """Returns a handler of a program that runs what stands behind a subcommand."""

    def handler(call: Call) -> Stream:
        given = arguments(call.words, valued=frozenset(valued.split()), stop_at_operand=True)
        words = given.operands
        if not words or words[0].text not in subcommands:
            return NOT_KNOWN
        return _tool(call, after_options(words[1:], valued=frozenset(valued.split())))

    return handler


_UV_VALUED: Final = (
    "--with --python -p --from --project --directory --extra --group --env-file --with-editable --with-requirements"
    " --package -n"
)


def _uv(call: Call) -> Stream:
    texts = call.texts()
    if texts[:2] == ["tool", "run"]:
        return _tool(call, after_options(call.words[2:], valued=frozenset(_UV_VALUED.split())))
    if texts[:1] == ["publish"]:
        call.judge.prompt(
            Rule.DATA_LOSS, "publishes a release, which cannot be taken back", "Leave publishing to the user."
        )
    given = arguments(call.words, valued=frozenset(_UV_VALUED.split()), stop_at_operand=True).operands
    if given[:1] and given[0].text == "run":
        words = after_options(given[1:], valued=frozenset(_UV_VALUED.split()))
        if "-m" in [word.text for word in given[1:3]] or "--module" in [word.text for word in given[1:3]]:
            return call.shell.run_words((Word("python"), Word("-m"), *given[2:]), stdin=call.input)
        if words and words[0].text.endswith(".py"):
            return call.shell.run_words((Word("python"), *words), stdin=call.input)
        if given[1:2] and given[1].text == "-":
            return call.shell.run_words((Word("python"), Word("-")), stdin=call.input)
        return _tool(call, words)
    return NOT_KNOWN


def _conda(call: Call) -> Stream:
    return _behind("run", valued="-n --name -p --prefix --cwd")(call)


def _named_tasks(call: Call) -> Stream:
    """Tools whose tasks say by their names that they drop a database."""
    texts = [text for text in call.texts() if not text.startswith("-")]
    if any(_RESETS.match(" ".join(texts[index:])) for index in range(len(texts))) and not (
        call.name in {"rails", "rake", "mix", "artisan"} and not re.search(r"db|ecto|migrate", " ".join(texts))
    ):
        call.judge.prompt(
            Rule.DATA_LOSS,
            f"resets a database: {call.name} {' '.join(texts)[:40]}",
            "Leave it to the user, or use a copy.",
        )
    return NOT_KNOWN


def _publishes(*subcommands: str) -> Callable[[Call], Stream]:
    def handler(call: Call) -> Stream:
        if call.texts()[:1] and call.texts()[0] in subcommands and "--dry-run" not in call.texts():
            call.judge.prompt(
                Rule.DATA_LOSS, "publishes a release, which cannot be taken back", "Leave publishing to the user."
            )
        return NOT_KNOWN

    return handler


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    **dict.fromkeys(("make", "gmake"), _make),
    "just": _just,
    **dict.fromkeys(("npm", "yarn", "pnpm", "npx", "bunx", "pnpx"), _npm),
    "uv": _uv,
    "poetry": _behind("run", valued="-C --directory -P"),
    "pipenv": _behind("run"),
    "hatch": _behind("run", valued="-e -p"),
    "pdm": _behind("run", valued="-p"),
    "rye": _behind("run"),
    "pipx": _behind("run", valued="--spec --python"),
    "pixi": _behind("run", valued="-e"),
    "conda": _conda,
    "mamba": _conda,
    "micromamba": _conda,
    "bundle": _behind("exec"),
    "mise": _behind("exec", "x"),
    "asdf": _behind("exec"),
    "rbenv": _behind("exec"),
    "pyenv": _behind("exec"),
    "direnv": _behind("exec"),
    "op": _behind("run"),
    "doppler": _behind("run", valued="-p -c"),
    "infisical": _behind("run"),
    "devbox": _behind("run"),
    "lerna": _behind("exec"),
    "volta": _behind("run"),
    "fnm": _behind("exec"),
    **dict.fromkeys(
        (
            "rails",
            "rake",
            "mix",
            "artisan",
            "alembic",
            "sequelize",
            "sequelize-cli",
            "knex",
            "typeorm",
            "prisma",
            "diesel",
            "sqlx",
            "dbmate",
            "flyway",
            "liquibase",
            "django-admin",
            "manage.py",
            "drizzle-kit",
        ),
        _named_tasks,
    ),
    "cargo": _publishes("publish", "yank", "login", "owner"),
}
