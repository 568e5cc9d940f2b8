"""Composes an answer from findings: the answer in a few sentences, then lines of evidence, each with its place.

What is not in the project comes before all else. The short form is for reading; the full form has every finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import Aspect, Finding, FindingKind, short_name
from aurora_soar.phases.absence_answer import absence_said, only_elsewhere
from aurora_soar.phases.compare import compared
from aurora_soar.phases.path_answer import PATH_KINDS, path_in, path_said, path_steps
from aurora_soar.phases.trouble_answer import SUSPECT_KINDS, suspected, trouble_said
from aurora_soar.question.presence import ALL_PRESENT
from aurora_soar.question.question import Intent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.presence import Presence
    from aurora_soar.question.question import Question

__all__ = ["Answer", "compose", "place"]

SHORT_LINES: Final = 11
"""Lines of evidence in the short form, headings included."""
ABSENT_LINES: Final = 4
LEAST_BESIDE: Final = 3
"""Lines of evidence beside the path of calls that was asked for."""
STEPS_EACH: Final = 2
LEAST_SAID: Final = 0.45
"""Share of the question that a sentence must mention to be in the short form."""
NAMED_SHOWN: Final = 5
MAX_TEXT: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer in Markdown.

    Attributes:
        text: the short form.
        full: the lead and every finding.
        used: the findings that the short form cites, in order of appearance.
        lead: the finding that the answer rests on; None if nothing was found.
        absent: True if it begins with what is not in the project.
    """

    text: str
    full: str
    used: tuple[Finding, ...]
    lead: Finding | None
    absent: bool


_LEAD: Final[Mapping[Intent, str]] = {
    Intent.DEBUG: "Start at ",
    Intent.IMPLEMENT: "The place for it is ",
    Intent.REVIEW: "The code under review is ",
    Intent.PLAN: "What exists today centres on ",
}
_TITLES: Final[Mapping[Aspect, str]] = {
    Aspect.DEFINITIONS: "Where it happens",
    Aspect.STATEMENTS: "What is written about it",
    Aspect.FLOW: "Calls",
    Aspect.ERRORS: "Where it fails",
    Aspect.TESTS: "Tests that show it",
    Aspect.REPORT: "What was found",
}
_ASKS_CALLERS: Final = re.compile(
    r"\b(?:who|what|which(?: \w+){1,2}) (?:calls?|uses?|invokes?|imports?)\b|\bcallers of\b"
    r"|\b(?:where|who|how often) (?:is|are) .{1,80}\b(?:called|used|invoked|imported)\b",
    re.IGNORECASE,
)


class _Writer:
    """Collects the lines of an answer and the findings that they cite."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.used: list[Finding] = []

    def line(self, text: str, *findings: Finding) -> None:
        self.used.extend(findings)
        self.lines.append(text)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of evidence; text has no place yet."""

    text: str
    finding: Finding
    indent: int = 0

    def __str__(self) -> str:
        return f"{'  ' * self.indent}- {self.text} ({place(self.finding)})"


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    lines: tuple[_Line, ...]


def compose(
    question: Question,
    focus: Focus,
    outputs: Sequence[AgentOutput],
    sound: frozenset[Finding],
    presence: Presence = ALL_PRESENT,
) -> Answer:
    """Returns the answer: what is missing, its main point, then each aspect under a heading that names the agent."""
    kept = [(output, [f for f in output.evidence.findings if f in sound]) for output in outputs if output.evidence]
    everything = [finding for _, findings in kept for finding in findings]
    writer = _Writer()
    absent = presence.decisive and question.intent is not Intent.IMPLEMENT
    if absent:
        writer.line(absence_said(presence))
    if not everything:
        if not absent:
            writer.line(_nothing(focus, outputs))
        _write_language(writer, question)
        _write_failures(writer, outputs)
        text = "\n".join(writer.lines) + "\n"
        return Answer(text=text, full=text, used=(), lead=None, absent=absent)
    path = path_in(everything) if not absent else []
    lead = max(path, key=lambda f: f.relevance) if path else _lead_of(question, everything)
    if path:
        _write_path(writer, path, next(o.agent_id for o, findings in kept if path[0] in findings))
    elif absent:
        _write_closest(writer, lead, presence)
    elif lead.kind is FindingKind.CLAIM:  # an agent's own words, which name no symbol
        agent = next(output.agent_id for output, findings in kept if lead in findings)
        writer.line(f"{lead.text} (Agent: {agent}) ({place(lead)}).", lead)
    else:
        _write_lead(writer, question, lead, everything, focus)
        if presence.missing:
            words = ", ".join(presence.missing)
            there = "Not there yet" if question.intent is Intent.IMPLEMENT else "Not in this project's code"
            writer.line(f"{there}: {words}{only_elsewhere(presence)}.")
    _write_language(writer, question)
    _write_failures(writer, outputs)
    sections = [_section(output, findings, question) for output, findings in kept]
    sections = [section for section in sections if section.lines]
    full = [*writer.lines, *(line for section in sections for line in _full(section))]
    said = {_subject_of(f) for f in writer.used}
    sections = _with_suspects([_relevant(section, lead) for section in sections], everything)
    limit = ABSENT_LINES if absent else max(SHORT_LINES - len(path), LEAST_BESIDE) if path else SHORT_LINES
    for section, lines in _shortened(sections, limit, said):
        writer.line("")
        writer.line(f"## {section.title}")
        for line in lines:
            writer.line(str(line), line.finding)
    return Answer(
        text="\n".join(writer.lines).strip() + "\n",
        full="\n".join(full).strip() + "\n",
        used=tuple(writer.used),
        lead=lead,
        absent=absent,
    )


def _write_path(writer: _Writer, path: Sequence[Finding], agent: str) -> None:
    writer.line(path_said(path), path[0], path[-1])
    writer.line("")
    writer.line(f"## The path (Agent: {agent})")
    for text, finding in path_steps(path):
        writer.line(text, finding)


def place(finding: Finding) -> str:
    """Returns a source as it is cited: `file:line`."""
    return f"`{finding.file}:{finding.line}`"


def _write_language(writer: _Writer, question: Question) -> None:
    if not question.language:
        return
    if writer.lines[-1].startswith("|"):
        writer.line("")
    looked_for = "only its names, and words that the code has, too, were looked for"
    writer.line(f"The question is in {question.language}: {looked_for}.")


def _nothing(focus: Focus, outputs: Sequence[AgentOutput]) -> str:
    """Returns why there is no finding; that nobody has looked is not that nothing is there."""
    if not any(output.success for output in outputs):
        return "No answer: no agent delivered findings."
    words = ", ".join(focus.words)
    return f"No place was found that answers this: {words}. Use the names that the code itself uses."


def _write_failures(writer: _Writer, outputs: Sequence[AgentOutput]) -> None:
    """Writes which agents failed; an answer that hides its gaps misleads."""
    for output in outputs:
        if not output.success:
            writer.line(f"Subgoal {output.subgoal_index + 1} (Agent: {output.agent_id}) failed: {output.error}.")


_ASIDE: Final = frozenset(
    {
        FindingKind.STEP,
        FindingKind.MEMBER,
        FindingKind.EXAMPLE,
        FindingKind.COMMAND,
        FindingKind.CHANGE,
        FindingKind.SOUND,
        *PATH_KINDS,
    }
)


def _lead_of(question: Question, findings: Sequence[Finding]) -> Finding:
    """Returns the finding that answers best: a test if tests are asked for, else the first definition or file."""
    if suspects := suspected(findings):
        return _definition_of(suspects[0], findings)
    tests = question.about_tests and question.intent is Intent.EXPLAIN
    wanted = {FindingKind.TEST} if tests else {FindingKind.FILE, FindingKind.DEFINITION}
    first = next((f for f in findings if f.kind in wanted), None)
    lead = first or next((f for f in findings if f.kind not in _ASIDE), findings[0])
    return next(iter(_called(question, lead, findings)), lead)


def _definition_of(suspect: Finding, findings: Sequence[Finding]) -> Finding:
    """Returns the definition that a suspect is of; the suspect itself if it was not found."""
    named = (f for f in findings if f.kind is FindingKind.DEFINITION and f.symbol == suspect.about)
    return next(named, suspect)


def _called(question: Question, lead: Finding, findings: Sequence[Finding]) -> list[Finding]:
    """Returns the definitions that a question for callers asks for: those of the lead's name that are called.

    Those that are only perhaps called are left out if others certainly are.
    """
    if not _ASKS_CALLERS.search(question.text):
        return []
    alike = [f for f in findings if f.kind is FindingKind.DEFINITION and f.symbol == lead.symbol and f != lead]
    meant = [lead] if lead.file.rpartition("/")[2] in question.text else [lead, *alike]
    first = [(f, next(iter(_callers_of(f, findings)), None)) for f in meant]
    certain = [f for f, caller in first if caller is not None and caller.kind is FindingKind.CALLER]
    return certain or [f for f, caller in first if caller is not None]


def _callers_of(definition: Finding, findings: Sequence[Finding]) -> list[Finding]:
    callers = (f for f in findings if f.kind in _CALLERS and f.about == definition.symbol)
    return [f for f in callers if f.about_file in ("", definition.file)]


def _write_closest(writer: _Writer, lead: Finding, presence: Presence) -> None:
    if not presence.nearest:
        what = f"`{lead.symbol}`" if lead.symbol else _quoted(lead.text)
        writer.line(f"The closest that the search came to is {what} ({place(lead)}).", lead)


def _write_lead(
    writer: _Writer, question: Question, lead: Finding, findings: Sequence[Finding], focus: Focus
) -> None:
    if question.sides:
        sides = [f for f in findings if f.kind is FindingKind.DEFINITION]
        pair = _sides(question, sides)
        if pair is not None:
            for text, *cited in compared(pair[0], pair[1], findings):
                writer.line(text, *cited)
            return
    if suspects := suspected(findings):
        for name in dict.fromkeys(f.about for f in suspects):
            own = [f for f in suspects if f.about == name]
            definition = _definition_of(own[0], findings)
            writer.line(trouble_said(name, place(definition), own), definition)
        return
    if called := _called(question, lead, findings):
        for each in called:
            _write_callers(writer, each, _callers_of(each, findings))
        return
    writer.line(f"{_LEAD.get(question.intent, '')}{_described(lead, findings)}", lead)
    _write_more(writer, lead, findings, focus)


def _write_callers(writer: _Writer, definition: Finding, callers: Sequence[Finding]) -> None:
    named = ", ".join(f"`{f.symbol}` ({place(f)})" for f in callers[:NAMED_SHOWN])
    doubt = "" if callers[0].kind is FindingKind.CALLER else " perhaps"
    text = f"`{definition.symbol}` ({place(definition)}) is{doubt} called by {named}."
    writer.line(text, definition, *callers[:NAMED_SHOWN])


_CALLERS: Final = frozenset({FindingKind.CALLER, FindingKind.MAYBE_CALLER})


def _sides(question: Question, definitions: Sequence[Finding]) -> tuple[Finding, Finding] | None:
    """Returns one definition for each side of a comparison; None if one is missing."""
    left = next((f for f in definitions if _names(question.sides[0], f)), None)
    right = next((f for f in definitions if _names(question.sides[1], f) and f is not left), None)
    return (left, right) if left and right and left != right else None


def _names(side: str, finding: Finding) -> bool:
    short = short_name(finding.symbol)
    return re.search(rf"(?<!\w){re.escape(short)}(?!\w)", side) is not None


def _described(lead: Finding, findings: Sequence[Finding]) -> str:
    name = f"`{lead.symbol}` ({place(lead)})"
    if lead.kind is FindingKind.FILE and lead.about != lead.file:
        files = [f for f in findings if f.kind is FindingKind.FILE and f.about == lead.about]
        says = f" {name} says: {_quoted(lead.text)}" if lead.text else f" The first is {name}."
        count = max(lead.total, len(files))
        return f"`{lead.about}` holds {count} {'file' if count == 1 else 'files'}.{says}"
    if lead.kind is FindingKind.FILE:
        says = f": {_quoted(lead.text)}" if lead.text else ""
        defines = f"{' It defines' if says else ' defines'} {lead.detail}." if lead.detail else ""
        return f"{name}{says}{defines}"
    if lead.kind in (FindingKind.DEFINITION, FindingKind.TEST) and lead.detail:
        return f"{name}: {_quoted(lead.detail)}"
    return f"{name}: `{_cut(lead.text)}`" if lead.text else f"{name}."


def _write_more(writer: _Writer, lead: Finding, findings: Sequence[Finding], focus: Focus) -> None:
    """Writes what else the answer needs: users of a named file or constant, or a sentence with more of the words."""
    users = [f for f in findings if f.kind is FindingKind.USE and f.about in (lead.symbol, lead.about)]
    if users:
        named = dict.fromkeys(f.file if lead.kind is FindingKind.FILE else place(f) for f in users)
        listed = ", ".join(each if each.startswith("`") else f"`{each}`" for each in named)
        writer.line(f"Used by {listed}.", *users)
        return
    if lead.kind is FindingKind.FILE:
        return
    example = next((f for f in findings if f.kind is FindingKind.EXAMPLE), None)
    if example is not None:
        writer.line(f"The example to follow is `{example.symbol}` ({place(example)}).", example)
    said = [f for f in findings if f.kind is FindingKind.STATEMENT and f.relevance >= LEAST_SAID]
    best = max(said, key=lambda f: f.relevance, default=None)
    if best and best.text != lead.detail and focus.coverage(best.text).share > focus.coverage(lead.detail).share:
        writer.line(f"In the project's own words ({place(best)}): {_quoted(best.text)}", best)


def _quoted(text: str) -> str:
    return f"“{text.strip()}”"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT].rstrip()} …"


def _section(output: AgentOutput, findings: Sequence[Finding], question: Question) -> _Section:
    assert output.evidence is not None
    aspect = output.evidence.aspect
    sides = f": {output.evidence.focus}" if question.sides and aspect is Aspect.DEFINITIONS else ""
    return _Section(f"{_TITLES[aspect]}{sides} (Agent: {output.agent_id})", tuple(_lines(findings)))


def _lines(findings: Sequence[Finding]) -> Iterator[_Line]:
    for finding in findings:
        if finding.kind is FindingKind.DEFINITION:
            says = f": {finding.detail}" if finding.detail else ""
            yield _Line(f"`{_cut(finding.text)}`{says}", finding)
            steps = [f for f in findings if f.kind is FindingKind.STEP and _within(f, finding)]
            yield from (_Line(f"`{_cut(step.text)}`", step, 1) for step in steps)
        elif finding.kind not in (FindingKind.STEP, FindingKind.SOUND, *_FLOW, *PATH_KINDS):
            yield _Line(_text_of(finding), finding)
    yield from (_Line(_text_of(finding), finding) for finding in _in_order(findings))


def _within(step: Finding, definition: Finding) -> bool:
    return step.file == definition.file and definition.line <= step.line <= definition.line_end


_FLOW: Final = (FindingKind.CALLER, FindingKind.MAYBE_CALLER, FindingKind.CALLEE)


def _in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Returns calls in the order of the path: for each symbol who calls it, then what it calls."""
    flows = [f for f in findings if f.kind in _FLOW]
    order = {name: at for at, name in enumerate(dict.fromkeys(f.about for f in flows))}
    return sorted(flows, key=lambda f: (order[f.about], f.kind is FindingKind.CALLEE))


_TEXTS: Final[Mapping[FindingKind, str]] = {
    FindingKind.CALLER: "`{symbol}` calls `{about}`: `{text}`",
    FindingKind.MAYBE_CALLER: "`{symbol}` calls a `{about}`, perhaps this one: `{text}`",
    FindingKind.CALLEE: "`{about}` calls `{symbol}`{says}",
    FindingKind.USE: "used: `{text}`",
    FindingKind.MEMBER: "`{text}`{says}",
    FindingKind.EXAMPLE: "`{text}`{says}",
    FindingKind.RAISE: "`{symbol}`: `{text}`{under}",
    FindingKind.UNRELEASED: "`{symbol}` does not release this: `{text}`{when}",
    FindingKind.CHANGE: "`{about}` was changed lately: {text}",
    FindingKind.COMMAND: "run `{text}`",
    FindingKind.TEST: "`{symbol}`{says}",
}


def _text_of(finding: Finding) -> str:
    if finding.kind is FindingKind.FILE:
        defines = f" defines {finding.detail}" if finding.detail else ""
        return f"`{finding.file}`" + (f": {finding.text}" if finding.text else defines)
    if finding.kind is FindingKind.STATEMENT:
        return _quoted(finding.text) + (f" — `{finding.symbol}`" if finding.symbol else "")
    says = f": {finding.detail}" if finding.detail else ""
    pattern = _TEXTS.get(finding.kind, "{text}")
    text = finding.text if finding.kind is FindingKind.CLAIM else _cut(finding.text)
    under, when = (f"{word}{finding.detail}{end}" if finding.detail else "" for word, end in _CONDITIONS)
    return pattern.format(symbol=finding.symbol, about=finding.about, text=text, says=says, under=under, when=when)


_CONDITIONS: Final = ((", under `", "`"), (", ", ""))


def _full(section: _Section) -> list[str]:
    return ["", f"## {section.title}", "", *map(str, section.lines)]


def _relevant(section: _Section, lead: Finding) -> _Section:
    """Leaves out the sentences that say little of the question; beside a file's own summary, all of them."""
    least = 2.0 if lead.kind is FindingKind.FILE else LEAST_SAID
    kept = [
        line
        for line in section.lines
        if line.finding.kind is not FindingKind.STATEMENT
        or (line.finding.relevance >= least and line.finding.text != lead.detail)
    ]
    return replace(section, lines=tuple(kept))


def _with_suspects(sections: list[_Section], findings: Sequence[Finding]) -> list[_Section]:
    """Returns the sections that have the suspects of what the question names; of what is sound, only its calls."""
    found = suspected(findings)
    suspects = {f for f in found if f.kind in SUSPECT_KINDS} or {f for f in findings if f.kind in _FLOW}
    return [s for s in sections if any(line.finding in suspects for line in s.lines)] if found else sections


def _shortened(
    sections: Sequence[_Section], limit: int, said: set[tuple[str, int, str]]
) -> Iterator[tuple[_Section, list[_Line]]]:
    """Yields the sections with as many lines as fit: each gets its best in turn, without what was said before."""
    seen = set(said)
    remaining: list[list[_Line]] = []
    for section in sections:
        fresh: list[_Line] = []
        parent = False
        steps = 0
        for line in section.lines:
            at = _subject_of(line.finding)
            steps = steps + 1 if line.indent else 0
            if not line.indent:
                parent = at not in seen
            if at not in seen and steps <= STEPS_EACH:
                seen.add(at)
                fresh.append(line if parent else replace(line, indent=0))
        remaining.append(fresh)
    shares = _shares([len(lines) for lines in remaining], limit)
    for section, lines, share in zip(sections, remaining, shares, strict=True):
        if share:
            yield section, lines[:share]


def _subject_of(finding: Finding) -> tuple[str, int, str]:
    """Returns what a line is about: its place, and of a change the commit."""
    return finding.file, finding.line, finding.text if finding.kind is FindingKind.CHANGE else ""


def _shares(wanted: Sequence[int], limit: int) -> list[int]:
    """Returns how many lines each section gets; a section's heading and the blank line before it take two lines."""
    given = [0] * len(wanted)
    left = limit
    while True:
        open_sections = [at for at, want in enumerate(wanted) if given[at] < want]
        affordable = [at for at in open_sections if left >= (1 if given[at] else 3)]
        if not affordable:
            return given
        at = min(affordable, key=lambda at: (given[at] // 2, at))
        left -= 1 if given[at] else 3
        given[at] += 1
