"""The check boxes of a Markdown file: those that are list items, and those that only look like one.

The scanner works line by line, so that its time is linear in any text. It follows CommonMark for code blocks,
comments and quotations, but accepts more indentation: people mean a nested item where Markdown sees a continued
paragraph.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LINE_END: Final = re.compile(r"\r\n|\n|\r")
"""The line ends of Markdown and editors; other Unicode separators are ordinary characters."""

_MARKER: Final = re.compile(r"(?:[-*+]|(?P<ordinal>[0-9]{1,9})[.)])(?P<gap>[ \t]+)(?=[^ \t])")
_BOX: Final = re.compile(r"\[(?P<box>[^\[\]]{0,3})\](?P<star>\*?)(?=[ \t]|$)")
_HEADING: Final = re.compile(r"(?P<level>#{1,6})(?:[ \t]|$)")
_FENCE: Final = re.compile(r"(?P<run>`{3,}(?=[^`]*$)|~{3,})")
_RAW_HTML: Final = re.compile(r"<(?P<tag>pre|script|style|textarea)(?=[ \t>]|$)", re.IGNORECASE)
_UNDERLINE: Final = re.compile(r"(?:=+|-+)[ \t]*$")
_NO_PARAGRAPH: Final = ("#", ">", "|", "<", "**", "__", "```", "~~~", "[")
"""The starts of lines that do not continue a sentence of the task above."""

_BOX_WITHIN: Final = re.compile(r"[ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)*\[(?:[^\[\]\w]|[xX])?\](?=[ \t*]|$)")
_BARE_BOX: Final = re.compile(r"[>#*_~ \t]*\[[ xX]?\](?![(\[:])")
_LETTER_BOX: Final = re.compile(r"\[[a-zA-OQ-WYZ]\](?=[ \t])")
_CELL: Final = re.compile(r"\|[ \t]*\[[ xX]\][ \t]*(?=\|)")
_NO_ITEM: Final = "no list item, or has no space after it"
_CODE_INDENT: Final = 4
_NESTED_IN_A_LINE: Final = 16
"""The most list items that start in one line: people write no more."""


class Kind(Enum):
    """The kind of a line below a task."""

    TEXT = auto()
    BULLET = auto()
    """A list item of the task itself, which may be a setting."""
    COMMENT = auto()
    """A comment of one line."""
    CODE = auto()
    """Code, a quotation or raw HTML: taken word for word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLine:
    """A line that belongs to a task."""

    line: int
    """The line, counted from 1; 0 for a blank line."""
    indent: int
    """The indentation in columns, with tab stops at every fourth."""
    text: str
    """The text without its indentation."""
    kind: Kind


_BLANK_LINE: Final = BodyLine(line=0, indent=0, text="", kind=Kind.TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading, and the heading above it."""

    level: int
    text: str
    line: int
    above: Heading | None


@dataclass(slots=True, kw_only=True)
class Entry:
    """A list item with a box."""

    line: int
    indent: int
    column: int
    """The position of the box's character in its line, from 0."""
    box: str
    starred: bool
    """True if an asterisk follows the box."""
    ordinal: int | None
    """The number of an ordered list's item."""
    text: str
    parent: int | None
    """The index of the entry that contains it."""
    heading: Heading | None
    body: list[BodyLine] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class MisplacedBox:
    """A box that is not a list item of the document."""

    line: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The boxes of a file, in its order."""

    entries: Sequence[Entry]
    misplaced: Sequence[MisplacedBox]
    headings: Sequence[Heading]


def read_outline(text: str) -> Outline:
    """Returns the boxes and headings of a Markdown text."""
    return _Scanner(LINE_END.split(text)).scan()


@dataclass(slots=True)
class _Item:
    """An open list item."""

    marker: int
    content: int
    entry: int | None
    """The innermost entry that lines of this item belong to."""
    own: bool
    """True if the item is that entry itself."""

    @property
    def inside(self) -> int:
        """The first column of lines that people mean to be in this item."""
        return min(self.content, self.marker + 2)


@dataclass(slots=True)
class _Region:
    """A region of lines that are taken word for word, up to a closing mark."""

    what: str
    end: str
    line: int
    floor: int = 0
    """The first column of a fence's list item; a line that starts before it ends the fence."""


class _Scanner:
    """Reads the lines once; each method takes the current line."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._entries: list[Entry] = []
        self._misplaced: list[MisplacedBox] = []
        self._headings: list[Heading] = []
        self._heading: Heading | None = None
        self._items: list[_Item] = []
        self._region: _Region | None = None
        self._blank = True
        """True if the line before was blank, or no sentence can continue it."""
        self._code = False
        """True if the last line with text was indented code."""
        self._paragraph: str | None = None
        """The line before, if it is text outside of lists."""
        self._last: int | None = None
        """The entry to which a less indented comment belongs."""

    def scan(self) -> Outline:
        for index in range(self._skip_front_matter(), len(self._lines)):
            raw = self._lines[index]
            text = raw.lstrip(" \t")
            indent = len(raw[: len(raw) - len(text)].expandtabs(_CODE_INDENT))
            self._take(index + 1, indent, text.rstrip(" \t"), raw)
        if self._region is not None:
            self._misplaced = [self._never_closed(each) for each in self._misplaced]
        return Outline(entries=self._entries, misplaced=self._misplaced, headings=self._headings)

    def _never_closed(self, found: MisplacedBox) -> MisplacedBox:
        region = self._region
        if region is None or found.line < region.line:
            return found
        return MisplacedBox(line=found.line, where=f"{region.what} that starts in line {region.line} and never ends")

    def _skip_front_matter(self) -> int:
        """Returns the index of the first line after the front matter."""
        if self._lines[0].rstrip() != "---":
            return 0
        for index in range(1, len(self._lines)):
            if self._lines[index].rstrip() in ("---", "..."):
                for number in range(2, index + 1):
                    self._record_within(number, self._lines[number - 1], "the front matter")
                return index + 1
        return 0

    def _take(self, line: int, indent: int, text: str, raw: str) -> None:
        if self._region is not None and self._take_raw(line, indent, text):
            return
        if not text:
            self._attach(line, indent, text, Kind.TEXT)
            self._blank, self._paragraph = True, None
            return
        if self._is_comment_of_last(indent, text):
            self._add(self._last, line, indent, text, Kind.COMMENT)
            self._blank = True
            return
        if self._continues(indent, text):
            self._attach(line, indent, text, Kind.TEXT)
            self._record_bare(line, text)
            return
        while self._items and indent < self._items[-1].inside:
            self._items.pop()
        self._take_block(line, indent, text, raw)

    def _take_raw(self, line: int, indent: int, text: str) -> bool:
        """Takes a line of a fence, a comment or raw HTML; returns False if the line is outside of it."""
        region = self._region
        assert region is not None
        if not text:
            self._attach(line, indent, text, Kind.CODE)
            return True
        if region.end[0] in "`~":
            if text == text[0] * len(text) and text.startswith(region.end):
                self._region = None
            elif indent < region.floor:
                self._region, self._blank = None, True
                return False
        elif region.end in text.lower():
            self._region = None
        self._record_within(line, text, region.what)
        self._attach(line, indent, text, Kind.CODE)
        self._blank, self._paragraph = self._region is None, None
        return True

    def _is_comment_of_last(self, indent: int, text: str) -> bool:
        """Returns True for a one-line comment below a task that is less indented than the task's lines."""
        if self._last is None or not text.startswith("<!--") or text.find("-->", 2) != len(text) - 3:
            return False
        return not self._items or indent < self._items[-1].inside

    def _continues(self, indent: int, text: str) -> bool:
        """Returns True for a line that continues the sentence above it, although it is less indented."""
        if self._blank or not self._items or indent >= self._items[-1].inside:
            return False
        plain = not text.startswith(_NO_PARAGRAPH) and not _MARKER.match(text) and not _is_rule(text)
        return plain and not _UNDERLINE.match(text)

    def _take_block(self, line: int, indent: int, text: str, raw: str) -> None:
        extra = indent - (self._items[-1].content if self._items else 0)
        if extra >= _CODE_INDENT and (self._blank or self._code):
            self._code = True
            self._record_within(line, text, "indented code")
            self._attach(line, indent, text, Kind.CODE)
            return
        self._code = False
        if not self._items and self._is_heading(line, indent, text):
            return
        if text.startswith(">"):
            self._record_within(line, text, "a quotation")
            self._attach(line, indent, text, Kind.CODE)
            self._blank, self._paragraph = True, None
        elif self._opens_region(line, text, floor=self._items[-1].inside if self._items else 0):
            self._attach(line, indent, text, Kind.CODE)
        elif not _is_rule(text) and (marker := _MARKER.match(raw, len(raw) - len(raw.lstrip(" \t")))):
            self._take_item(line, indent, raw, marker)
        else:
            self._take_text(line, indent, text)

    def _take_text(self, line: int, indent: int, text: str) -> None:
        self._record_bare(line, text)
        whole = text.startswith("<!--") and text.endswith("-->")
        self._attach(line, indent, text, Kind.COMMENT if whole else Kind.TEXT)
        self._blank = _is_rule(text)
        if not self._items:
            self._paragraph = None if whole or self._blank else text
            self._last = self._last if whole else None

    def _is_heading(self, line: int, indent: int, text: str) -> bool:
        if indent >= _CODE_INDENT:
            return False
        if match := _HEADING.match(text):
            self._record_bare(line, text)
            self._open_heading(len(match["level"]), text[match.end() :].strip(" \t#"), line)
            return True
        if self._paragraph is not None and _UNDERLINE.match(text):
            self._open_heading(1 if text[0] == "=" else 2, self._paragraph, line - 1)
            return True
        return False

    def _open_heading(self, level: int, text: str, line: int) -> None:
        above = self._heading
        while above is not None and above.level >= level:
            above = above.above
        self._heading = Heading(level=level, text=text, line=line, above=above)
        self._headings.append(self._heading)
        self._blank, self._paragraph, self._last = True, None, None

    def _opens_region(self, line: int, text: str, *, floor: int) -> bool:
        """Opens a fence, a comment of several lines or raw HTML if the line starts one; returns True if so."""
        self._paragraph = None
        if match := _FENCE.match(text):
            self._region = _Region("a code block", match["run"], line, floor)
        elif text.startswith("<!--") and "-->" not in text[2:]:
            self._region = _Region("a comment", "-->", line)
        elif (match := _RAW_HTML.match(text)) and f"</{match['tag'].lower()}>" not in text.lower():
            self._region = _Region("raw HTML", f"</{match['tag'].lower()}>", line)
        else:
            return False
        self._record_within(line, text, self._region.what)
        return True

    def _take_item(self, line: int, indent: int, raw: str, marker: re.Match[str]) -> None:
        """Opens the list items that start in this line: usually one, but `- 1. [ ] x` has two."""
        found: re.Match[str] | None = marker
        kind = Kind.TEXT
        column, at = indent, 0
        for _ in range(_NESTED_IN_A_LINE):
            if found is None:
                break
            at = found.end()
            width = len(found[0].expandtabs(_CODE_INDENT))
            gap = len(found["gap"].expandtabs(_CODE_INDENT))
            above = self._items[-1] if self._items else None
            item = _Item(column, column + width, above.entry if above else None, own=False)
            if gap > _CODE_INDENT:  # Markdown: the item holds indented code
                item.content = column + width - gap + 1
                self._items.append(item)
                self._record_within(line, raw[at:], "indented code")
                kind = Kind.CODE
                break
            if (box := _BOX.match(raw, at)) and _is_box(box["box"]):
                self._items.append(item)
                self._open_entry(line, column, raw, box, found["ordinal"])
                return
            kind = Kind.BULLET if above is not None and above.own else Kind.TEXT
            self._items.append(item)
            column += width
            found = _MARKER.match(raw, at)
        self._close_if_outside(line, raw, at)
        self._attach_item(line, indent, raw, kind)

    def _close_if_outside(self, line: int, raw: str, at: int) -> None:
        """Checks the start of an item without a box for regions and boxes."""
        content = raw[at:].rstrip(" \t")
        if self._opens_region(line, content, floor=self._items[-1].inside):
            return
        self._blank = False
        if content.startswith(">"):
            self._record_within(line, content, "a quotation")
        else:
            self._record_bare(line, content)

    def _attach_item(self, line: int, indent: int, raw: str, kind: Kind) -> None:
        if self._items[-1].entry is None:
            self._last = None
        self._add(self._items[-1].entry, line, indent, raw.strip(" \t"), kind)

    def _open_entry(self, line: int, indent: int, raw: str, box: re.Match[str], ordinal: str | None) -> None:
        item = self._items[-1]
        self._entries.append(
            Entry(
                line=line,
                indent=indent,
                column=box.start("box"),
                box=box["box"],
                starred=bool(box["star"]),
                ordinal=int(ordinal) if ordinal else None,
                text=raw[box.end() :].strip(" \t"),
                parent=item.entry,
                heading=self._heading,
            )
        )
        item.entry, item.own = len(self._entries) - 1, True
        self._last, self._blank, self._paragraph = item.entry, False, None

    def _attach(self, line: int, indent: int, text: str, kind: Kind) -> None:
        self._add(self._items[-1].entry if self._items else None, line, indent, text, kind)

    def _add(self, entry: int | None, line: int, indent: int, text: str, kind: Kind) -> None:
        if entry is not None and (text or kind is Kind.CODE or not self._blank):
            found = BodyLine(line=line, indent=indent, text=text, kind=kind) if text else _BLANK_LINE
            self._entries[entry].body.append(found)
        self._blank = False if text and kind is not Kind.CODE else self._blank

    def _record_within(self, line: int, text: str, where: str) -> None:
        if _BOX_WITHIN.match(text):
            self._misplaced.append(MisplacedBox(line=line, where=where))

    def _record_bare(self, line: int, text: str) -> None:
        """Records a box in a sentence, heading or table."""
        if text.startswith("|"):
            if _CELL.search(text):
                self._misplaced.append(MisplacedBox(line=line, where="a table"))
        elif _BARE_BOX.match(text) or _LETTER_BOX.match(text):
            where = "a heading" if text.startswith("#") else _NO_ITEM
            self._misplaced.append(MisplacedBox(line=line, where=where))


def _is_box(box: str) -> bool:
    """Returns True for a box, False for a label such as `[P]` or a reference such as `[1]`."""
    inner = box.strip()
    return inner.lower() == "x" or not any(map(str.isalnum, inner))


def _is_rule(text: str) -> bool:
    """Returns True for a line of three or more dashes, asterisks or underscores."""
    return text[0] in "-*_" and not text.strip(f"{text[0]} \t") and text.count(text[0]) >= 3


def misplaced_runs(boxes: Sequence[MisplacedBox]) -> Iterator[tuple[int, int, int, str]]:
    """Yields first line, last line, number and place of adjacent boxes in one place."""
    run: list[MisplacedBox] = []
    for box in boxes:
        if run and box.where != run[-1].where:
            yield run[0].line, run[-1].line, len(run), run[0].where
            run = []
        run.append(box)
    if run:
        yield run[0].line, run[-1].line, len(run), run[0].where


def box_offsets(text: str) -> dict[int, int]:
    """Returns the position of each box's character in the text, by line."""
    starts = [0, *(match.end() for match in LINE_END.finditer(text))]
    return {entry.line: starts[entry.line - 1] + entry.column for entry in read_outline(text).entries}
