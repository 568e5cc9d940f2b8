"""The languages of file names, and the usual purposes of folder names."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from aurora_core.project_profile.profile import Folder, Language

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["count_languages", "describe_layout"]

_BY_SUFFIX: Final = {
    suffix: language
    for language, suffixes in {
        "Python": ".py .pyi",
        "JavaScript": ".js .jsx .mjs .cjs",
        "TypeScript": ".ts .tsx .mts .cts",
        "Go": ".go",
        "Rust": ".rs",
        "Java": ".java",
        "Kotlin": ".kt .kts",
        "C": ".c .h",
        "C++": ".cc .cpp .cxx .hh .hpp .hxx",
        "C#": ".cs",
        "Ruby": ".rb",
        "PHP": ".php",
        "Swift": ".swift",
        "Scala": ".scala",
        "Shell": ".sh .bash .zsh",
        "SQL": ".sql",
        "HTML": ".html .htm",
        "CSS": ".css .scss",
        "Markdown": ".md .markdown",
        "reStructuredText": ".rst",
    }.items()
    for suffix in suffixes.split()
}
_BY_FOLDER: Final = {
    folder: purpose
    for purpose, folders in {
        "source": "src lib source",
        "tests": "test tests spec specs testing __tests__ e2e",
        "documentation": "doc docs documentation",
        "examples": "example examples samples demo demos",
        "benchmarks": "bench benches benchmark benchmarks",
        "tools and scripts": "bin script scripts tool tools hack",
        "packages of a workspace": "packages crates modules apps",
        "commands": "cmd",
        "continuous integration": ".github .gitlab .circleci .ci ci",
        "configuration": "config conf etc",
        "assets": "static assets public media",
    }.items()
    for folder in folders.split()
}


def count_languages(files: Iterable[str]) -> tuple[Language, ...]:
    """Counts files by language, most frequent first; files of unknown languages are left out."""
    counts = Counter(filter(None, map(_language, files)))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Language(name=name, files=count) for name, count in ranked)


def describe_layout(files: Sequence[str]) -> tuple[Folder, ...]:
    """Describes the top folders of the project, by name."""
    inside: dict[str, list[str]] = {}
    for file in files:
        folder, slash, _ = file.partition("/")
        if slash:
            inside.setdefault(folder, []).append(file)
    return tuple(
        Folder(name=name, files=len(members), holds=_purpose(name, members))
        for name, members in sorted(inside.items())
    )


def _language(file: str) -> str | None:
    return _BY_SUFFIX.get(PurePosixPath(file).suffix.lower())


def _purpose(folder: str, members: Sequence[str]) -> str:
    known = _BY_FOLDER.get(folder.lower())
    if known:
        return known
    languages = count_languages(members)
    return languages[0].name if languages else ""
