"""Prepares the text of a script for the parser, where its grammar takes what bash does not mean.

Lines that end in a backslash are joined. Backquotes become `$(…)`: of two pairs the grammar may take the inner two
for a pair. The keywords `time` and `coproc`, which it takes for commands, are blanked out. What is data (single
quotes, quoted here-documents) stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["braces_as_commands", "prepared"]

_START: Final = r"(?P<before>(?:^|[;&|(){!\n`]|\b(?:then|do|else|elif|if|while|until|time)\b)[ \t]*)"
_TIME: Final = re.compile(_START + r"(?P<word>time(?:[ \t]+-p)?(?:[ \t]+--)?)(?=[ \t])")
_COPROC: Final = re.compile(
    _START
    + r"(?P<word>coproc(?:[ \t]+[A-Za-z_]\w*(?=[ \t]*[{(]|[ \t]+(?:while|until|for|if|case|select)\b))?)(?=[ \t{(])"
)
_BRACE: Final = re.compile(_START + r"(?P<word>\{)(?=[^\s{},;]*,[^\s;]*\})")
_HEREDOC: Final = re.compile(r"<<(-?)[ \t]*(?:'([^'\n]*)'|\"([^\"\n]*)\"|((?:\\.|[^\s\\;&|<>()'\"])+))")


_BACKQUOTED: Final = re.compile(r"(?<!\\)`((?:\\.|[^`\\])*)`", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([`$\\])")
_LONE_DASH: Final = re.compile(r"(?<=[ \t])-(?=[ \t]*<<)")
"""A dash before a here-document, which the grammar drops: `make -f - <<EOF`."""
_CLOSED: Final = re.compile(r"(?<![\w$])\d*[<>]&-")


def prepared(text: str) -> str:
    """Returns the text as the parser should see it."""
    if "&-" in text:  # a closed descriptor: the grammar takes the next word for its target
        text = _CLOSED.sub(lambda match: " " * len(match[0]), text)
    if "- " in text or "-<" in text:
        text = _LONE_DASH.sub(r"\\-", text)
    if "\\\n" in text or "`" in text:
        text = _Joiner(text).joined()
    # Each blanking may uncover another keyword: `time time rm`.
    for pattern, keyword in ((_TIME, "time"), (_COPROC, "coproc")):
        for _again in range(4 if keyword in text else 0):
            text, count = pattern.subn(_blanked, text)
            if not count:
                break
    return text


def braces_as_commands(text: str) -> str:
    """Marks brace expansions in the place of a command, which the grammar refuses: `{rm,-rf,x}`."""
    return _BRACE.sub(r"\g<before>''\g<word>", text)


def _blanked(match: re.Match[str]) -> str:
    return match["before"] + " " * len(match["word"])


def _without_backquotes(match: re.Match[str]) -> str:
    inner = _ESCAPED.sub(r"\1", match[1])
    end = "\n)" if "#" in inner or "<<" in inner else ")"
    return f"$({prepared(inner)}{end}"


class _Joiner:
    """Removes backslash-newline, and replaces backquotes, everywhere but in data."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._out: list[str] = []
        self._waiting: list[tuple[str, bool, bool]] = []
        """Here-documents of this line: the end word, tabs stripped, and data."""
        self._quotes: list[str] = []
        """The open double quotes `"` and substitutions `(`."""

    def joined(self) -> str:
        text = self._text
        while self._at < len(text):
            self._step(text[self._at])
        return "".join(self._out)

    def _step(self, character: str) -> None:
        if character == "\\":
            self._backslash()
        elif character == "'" and not self._in_double():
            self._single(dollar=self._out[-1:] == ["$"])
        elif character == '"':
            self._take(1)
            self._quotes.pop() if self._in_double() else self._quotes.append('"')
        elif character == "`":
            self._backquote()
        elif character == "#" and not self._in_double() and self._at_word_start():
            self._comment()
        elif character == "<" and not self._in_double() and self._text.startswith("<<", self._at):
            self._heredoc_start()
        elif character == "\n":
            self._newline()
        else:
            self._parenthesis(character)

    def _in_double(self) -> bool:
        return self._quotes[-1:] == ['"']

    def _at_word_start(self) -> bool:
        return self._at == 0 or self._text[self._at - 1] in " \t\n;&|("

    def _take(self, count: int) -> None:
        self._out.append(self._text[self._at : self._at + count])
        self._at += count

    def _backslash(self) -> None:
        if self._text.startswith("\\\n", self._at):
            self._at += 2
        else:
            self._take(2)

    def _single(self, *, dollar: bool) -> None:
        end = self._at + 1
        while end < len(self._text) and self._text[end] != "'":
            end += 2 if dollar and self._text[end] == "\\" else 1
        self._take(end + 1 - self._at)

    def _backquote(self) -> None:
        match = _BACKQUOTED.match(self._text, self._at)
        if match is None:
            self._take(1)
            return
        self._out.append(_without_backquotes(match))
        self._at = match.end()

    def _comment(self) -> None:
        end = self._text.find("\n", self._at)
        self._take((end if end >= 0 else len(self._text)) - self._at)

    def _parenthesis(self, character: str) -> None:
        if character == "(" and (not self._in_double() or self._out[-1:] == ["$"]):
            self._quotes.append("(")
        elif character == ")" and self._quotes[-1:] == ["("]:
            self._quotes.pop()
        self._take(1)

    def _heredoc_start(self) -> None:
        if self._text.startswith("<<<", self._at):
            self._take(3)
            return
        match = _HEREDOC.match(self._text, self._at)
        if match is None:
            self._take(2)
            return
        plain = match[4]
        end = next((each for each in match.groups()[1:3] if each is not None), None)
        data = end is not None or "\\" in plain
        self._waiting.append((end if end is not None else plain.replace("\\", ""), bool(match[1]), data))
        self._take(match.end() - self._at)

    def _newline(self) -> None:
        self._take(1)
        for end, tabs, data in self._waiting:
            self._body(end, tabs=tabs, data=data)
        self._waiting.clear()

    def _body(self, end: str, *, tabs: bool, data: bool) -> None:
        while self._at < len(self._text):
            stop = self._text.find("\n", self._at)
            stop = len(self._text) if stop < 0 else stop + 1
            line = self._text[self._at : stop]
            self._at = stop
            joins = not data and line.endswith("\\\n") and not line.endswith("\\\\\n")
            kept = line[:-2] if joins else line
            self._out.append(kept if data else _BACKQUOTED.sub(_without_backquotes, kept))
            bare = line.rstrip("\n")
            if (bare.lstrip("\t") if tabs else bare) == end:
                return
