"""The path of calls that a flow question asks for: from its entry, call by call, to its effect.

Between two ends the path with the fewest doubtful calls is taken, of these the shortest; it is looked for from the
effect backwards, for the memory knows the callers of a name. With one end only, the path follows the calls that do
the caller's own work: those whose result it returns, that are named alike, or that the question speaks of.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from aurora_core.file_kinds import is_test_file
from aurora_core.tokens import terms
from aurora_soar.evidence.code_prose import code_rows, docstring
from aurora_soar.evidence.evidence import Finding, FindingKind, short_name
from aurora_soar.local_agent.definitions import NAMED_SYMBOLS, definition_finding, find_definitions, reference_finding
from aurora_soar.local_agent.subject import find_subjects
from aurora_soar.question.flow_question import read_flow
from aurora_soar.question.focus import Focus
from aurora_soar.question.question import read_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_core import Hit, Reference
    from aurora_soar.memory_port import SoarMemory

__all__ = ["called_by", "find_path"]

ENDS: Final = 4
"""Definitions that words may mean; the first that leads anywhere is taken."""
POOL: Final = 20
MAX_EXPANDED: Final = 40
MAX_CALLERS: Final = 40
MAX_STEPS: Final = 9
LEAST_SAID: Final = 0.5
"""The share of an end's words that a definition must have to be that end."""
NEAR_BEST: Final = 0.8
"""The share of what the best definition says of an end that another must say to be meant as well."""
LEAST_STEPS: Final = 2
MAX_CALLED: Final = 40
MAX_DEFINITIONS: Final = 6
HANDED_LENGTH: Final = 4
"""A shorter name is hardly a function's where it is handed on."""
SURE_COST: Final = 1.0
DOUBTFUL_COST: Final = 4.0
LEAST_DRIFT: Final = 0.5
"""A call that scores less than this does not do its caller's work, and the path ends."""
_ROUTINES: Final = frozenset({"function", "method"})
_NAME: Final = re.compile(r"(?<![\w$])[A-Za-z_$][\w$]*")
_GIVES_BACK: Final = re.compile(r"^\s*(?:return|yield|await|raise)\b|=>|\bawait\b")
_ASSIGNED: Final = re.compile(r"^\s*(?:const|let|var|val)?\s*([\w$]+)(?:\s*:[^=]+)?\s*=\s")


@dataclass(frozen=True, slots=True)
class _Place:
    """A definition, by what identifies it."""

    file: str
    name: str

    @property
    def short(self) -> str:
        return short_name(self.name)


@dataclass(frozen=True, slots=True)
class _Step:
    """A call: the line is in the caller."""

    caller: _Place
    callee: _Place
    line: Reference


class _Calls:
    """The calls of one memory, each looked up once."""

    def __init__(self, memory: SoarMemory, focus: Focus) -> None:
        self._memory = memory
        self._focus = focus
        self._callers: dict[_Place, list[_Step]] = {}
        self._chunks: dict[str, dict[str, list[Hit]]] = {}
        """The chunks of each file that was looked at, by name: a file of thousands takes long to read."""

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self._memory.names())

    def into(self, place: _Place) -> list[_Step]:
        """Returns the calls of a definition, certain ones first, one for each caller."""
        if place not in self._callers:
            lines = self._lines_into(place)
            steps = (_Step(_Place(line.file, line.name), place, line) for line in lines)
            distinct: dict[_Place, _Step] = {}
            for step in steps:
                if step.caller != place:
                    distinct.setdefault(step.caller, step)
            self._callers[place] = list(distinct.values())
        return self._callers[place]

    def _lines_into(self, place: _Place) -> list[Reference]:
        found = self.definition(place)
        if found is None or found.symbol_type not in _ROUTINES:
            return []  # lines outside of definitions run when their file is loaded
        lines = self._memory.callers(
            place.name, limit=MAX_CALLERS, tests=False, file=place.file, handed=len(place.short) >= HANDED_LENGTH
        )
        calls = re.compile(rf"(?<![\w$]){re.escape(place.short)}\s*(?:<[^<>()]*>\s*)?\(")
        return sorted(lines, key=lambda line: (not line.certain, not calls.search(line.text)))

    def out_of(self, place: _Place) -> list[_Step]:
        """Returns the calls in the body of a definition, in their order."""
        pieces = self._pieces(place)
        if not pieces:
            return []
        first, last = pieces[0].line_start, max(piece.line_end for piece in pieces)
        found: list[_Step] = []
        for name in self._called(pieces):
            for target in self._memory.definitions(name, limit=MAX_DEFINITIONS):
                callee = _Place(target.file, target.name)
                if target.symbol_type not in _ROUTINES or is_test_file(target.file) or callee == place:
                    continue
                lines = self._memory.callers(
                    target.name, limit=1, file=target.file, within=(place.file, first, last), handed=True
                )
                found += [_Step(place, callee, line) for line in lines]
        return sorted(found, key=lambda step: step.line.line)

    def _called(self, pieces: Sequence[Hit]) -> list[str]:
        code = (line for piece in pieces for _, line in code_rows(piece.content, piece.file))
        names = dict.fromkeys(name for line in code for name in _NAME.findall(line))
        return [name for name in names if name in self._names][:MAX_CALLED]

    def _pieces(self, place: _Place) -> Sequence[Hit]:
        if place.file not in self._chunks:
            self._chunks[place.file] = {}
            for hit in self._memory.chunks_of(place.file):
                self._chunks[place.file].setdefault(hit.name, []).append(hit)
        return self._chunks[place.file].get(place.name, ())

    def definition(self, place: _Place) -> Hit | None:
        """Returns the definition at a place; None for lines outside of definitions."""
        return next((h for h in self._pieces(place) if h.symbol_type in NAMED_SYMBOLS), None)

    def drift(self, step: _Step) -> float:
        """Returns how much a call does the work of its caller: 0 for a detail, up to about 3."""
        target = self.definition(step.callee)
        said = docstring(target.content, target.file) if target is not None else ""
        relevance = self._focus.coverage(f"{step.callee.name}\n{said}").share
        own, other = set(terms(step.caller.short)), set(terms(step.callee.short))
        kinship = len(own & other) / len(own | other) if own and other else 0.0
        same = 0.3 if step.caller.short == step.callee.short else 0.0
        doubt = 0.0 if step.line.certain else 0.3
        empty = 2.0 if target is not None and _is_abstract(target) else 0.0
        return 1.5 * relevance + kinship + same + (1.0 if self._gives_back(step) else 0.0) - doubt - empty

    def _gives_back(self, step: _Step) -> bool:
        """Returns True if the caller returns what the call gave."""
        text = step.line.text
        if _GIVES_BACK.search(text):
            return True
        assigned = _ASSIGNED.match(text)
        if assigned is None:
            return False
        returned = re.compile(
            rf"^\s*(?:return|yield)\s+(?:await\s+)?{re.escape(assigned.group(1))}(?![\w$])", re.MULTILINE
        )
        return any(returned.search(piece.content) for piece in self._pieces(step.caller))


def _is_abstract(hit: Hit) -> bool:
    """Returns True for a method that leaves its work to the classes that extend its own."""
    return _ABSTRACT.search(hit.content) is not None


_ABSTRACT: Final = re.compile(
    r"\braise NotImplementedError\b|@(?:abc\.)?abstractmethod\b|\babstract\s+\w"
    r"|\bthrow new Error\(.{0,40}not implemented",
    re.IGNORECASE,
)


def called_by(memory: SoarMemory, hits: Sequence[Hit]) -> list[Hit]:
    """Returns the functions and methods that definitions certainly call, each once, in the order of the calls."""
    calls = _Calls(memory, Focus.of(memory, ()))
    steps = (step for hit in hits for step in calls.out_of(_Place(hit.file, hit.name)) if step.line.certain)
    found = (calls.definition(place) for place in dict.fromkeys(step.callee for step in steps))
    return [each for each in found if each is not None]


def find_path(memory: SoarMemory, text: str, focus: Focus) -> list[Finding]:
    """Returns the calls of the path that a question asks for, in order, then the definition that it ends in.

    Nothing is returned for a question that asks for no path, or whose path the code does not show.
    """
    asked = read_flow(text)
    if asked is None:
        return []
    entries = _ends(memory, asked.entry) if asked.entry else ()
    effects = _ends(memory, asked.effect) if asked.effect else ()
    # What the ends are called says nothing of the way between them.
    own = {term for end in (*entries, *effects) for term in terms(end.name)}
    calls = _Calls(memory, Focus.of(memory, [word for word in focus.words if not own.issuperset(terms(word))]))
    paths = [_between(calls, entries, (effect, *_members(memory, effect))) for effect in effects] if entries else []
    # Of ends that lie behind each other, the last one is meant.
    steps = max(paths, key=lambda path: sum(step.callee in effects for step in path), default=[])
    kind = FindingKind.PATH_END
    if steps:
        return _findings(memory, steps, focus)
    if entries:
        steps = _onwards(calls, entries)
        kind = FindingKind.PATH_OPEN if asked.effect else kind
    elif not asked.entry:  # one that is not in the code has no path, whatever leads to the effect
        steps = next(filter(None, (_upwards(calls, effect) for effect in effects)), [])
    # One call alone, which nobody asked for, is among the calls of the definition anyway.
    return _findings(memory, steps, focus, kind) if len(steps) >= LEAST_STEPS else []


def _ends(memory: SoarMemory, words: str) -> tuple[_Place, ...]:
    """Returns the functions and methods that words name, or else those that a search finds for them."""
    named = [h for subject in find_subjects(memory, words) for h in subject.hits if not is_test_file(h.file)]
    found = [h for h in named if h.symbol_type in _ROUTINES]
    if not found:
        owners = {h.name for h in named}
        found = [h for o in named for h in memory.chunks_of(o.file) if h.name.rpartition(".")[0] in owners]
    places = dict.fromkeys(
        _Place(h.file, h.name) for h in found or _meant_by(memory, words) if h.symbol_type in _ROUTINES
    )
    return tuple(places)[: 4 * ENDS if found else ENDS]


def _meant_by(memory: SoarMemory, words: str) -> list[Hit]:
    """Returns the functions and methods that words speak of: of that name, or with most of the words."""
    content = read_question(words).terms if re.search(r"\w", words) else ()
    if len(content) == 1:
        named = [h for h in memory.definitions(content[0], limit=POOL) if h.name == content[0]]
        if named := [h for h in named if not is_test_file(h.file)]:
            return named
    focus = Focus.of(memory, content)
    hits = memory.search(focus.query, limit=POOL, kinds=("code",), record=False) if focus.words else []
    hits = [h for h in hits if h.symbol_type in _ROUTINES and not is_test_file(h.file)]
    said = {h.chunk_id: _says(h, focus) for h in hits}
    least = max(LEAST_SAID, NEAR_BEST * max(said.values(), default=0.0))
    hits = [h for h in hits if said[h.chunk_id] >= least]
    chosen = [(f.file, f.symbol) for f in find_definitions(hits, focus, ENDS)]
    return [h for place in chosen for h in hits if (h.file, h.name) == place]


def _says(hit: Hit, focus: Focus) -> float:
    """Returns the share of the words in a definition's name, place and first sentence."""
    return focus.coverage(f"{hit.file}\n{hit.name}\n{docstring(hit.content, hit.file)}").share


def _members(memory: SoarMemory, place: _Place) -> list[_Place]:
    """Returns the functions of what is made by a constructor, which lead into it as well."""
    inside = [h for h in memory.chunks_of(place.file) if h.name.rpartition(".")[0] == place.name]
    return list(dict.fromkeys(_Place(h.file, h.name) for h in inside if h.symbol_type in _ROUTINES))


def _between(calls: _Calls, entries: Sequence[_Place], effects: Sequence[_Place]) -> list[_Step]:
    """Returns the cheapest path from an entry to one of some effects, looked for backwards."""
    queue: list[tuple[float, int, _Place, tuple[_Step, ...]]] = [
        (0.0, at, each, ()) for at, each in enumerate(effects)
    ]
    seen: set[_Place] = set()
    pushed = len(queue)
    while queue and len(seen) < MAX_EXPANDED:
        cost, _, place, steps = heapq.heappop(queue)
        if place in entries:
            return list(steps)
        if place in seen or len(steps) >= MAX_STEPS:
            continue
        seen.add(place)
        for step in calls.into(place):
            pushed += 1
            more = SURE_COST if step.line.certain else DOUBTFUL_COST
            heapq.heappush(queue, (cost + more, pushed, step.caller, (step, *steps)))
    return []


def _onwards(calls: _Calls, entries: Sequence[_Place]) -> list[_Step]:
    """Returns the longest of the paths that follow the work of the entries."""
    return max((_followed(calls, entry) for entry in entries[:ENDS]), key=len, default=[])


def _followed(calls: _Calls, entry: _Place) -> list[_Step]:
    """Returns the calls that do the work of an entry, at most one of them doubtful: two may lead anywhere."""
    steps: list[_Step] = []
    seen = {entry}
    place = entry
    while len(steps) < MAX_STEPS:
        sure = all(step.line.certain for step in steps)
        open_calls = [s for s in calls.out_of(place) if s.callee not in seen and (sure or s.line.certain)]
        best = max(open_calls, key=calls.drift, default=None)
        if best is None or calls.drift(best) < LEAST_DRIFT:
            break
        steps.append(best)
        place = best.callee
        seen.add(place)
    return steps


def _upwards(calls: _Calls, effect: _Place) -> list[_Step]:
    """Returns the calls that lead to a definition, from the outermost caller that is certain."""
    steps: list[_Step] = []
    seen = {effect}
    place = effect
    while len(steps) < MAX_STEPS:
        open_calls = [step for step in calls.into(place) if step.caller not in seen and step.line.certain]
        best = max(open_calls, key=calls.drift, default=None)
        if best is None:
            break
        steps.insert(0, best)
        place = best.caller
        seen.add(place)
    return steps


def _findings(
    memory: SoarMemory, steps: Sequence[_Step], focus: Focus, ending: FindingKind = FindingKind.PATH_END
) -> list[Finding]:
    found = [
        reference_finding(
            step.line, FindingKind.PATH if step.line.certain else FindingKind.MAYBE_PATH, step.callee.name, focus
        )
        for step in steps
    ]
    end = steps[-1].callee
    last = [h for h in memory.chunks_of(end.file) if h.name == end.name][:1]
    return [
        *found,
        *(definition_finding(h, ending, focus.coverage(f"{h.file}\n{h.name}\n{h.content}")) for h in last),
    ]
