"""The reader of task files: finds the boxes, recognises the form, and returns tasks with a valid graph."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import GraphError, TaskFileError
from aurora_spawner.taskfiles import ccsdd, kiro, openspec, plain, speckit
from aurora_spawner.taskfiles.commands import checks_of_file
from aurora_spawner.taskfiles.form import DONE, Item
from aurora_spawner.taskfiles.ids import choose_ids, is_sure, read_lead
from aurora_spawner.taskfiles.lines import misplaced_runs, read_outline
from aurora_spawner.taskfiles.model import GroupLine, LineState, Note, TaskFile, TaskLine
from aurora_spawner.taskfiles.naming import Directory, name_items
from aurora_spawner.taskfiles.order import Place, waits
from aurora_spawner.taskfiles.prompts import Prompts
from aurora_spawner.taskfiles.reading import BYTE_ORDER_MARK, read_text
from aurora_spawner.taskfiles.schemas import read_schema
from aurora_spawner.taskfiles.settings import read_settings
from aurora_spawner.tasks.graph import build_graph
from aurora_spawner.tasks.task import SpawnTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aurora_spawner.taskfiles.form import Form
    from aurora_spawner.taskfiles.lines import Outline
    from aurora_spawner.taskfiles.model import Order
    from aurora_spawner.taskfiles.settings import Reference

BOX_LIMIT: Final = 10_000
"""The most boxes of a file; people keep no longer lists, and no machine could run them."""

DEPENDENCY_LIMIT: Final = 200_000
"""The most dependencies of all tasks; a few lines that name groups of groups could add any number."""

_FORMS: Final = (speckit.FORM, ccsdd.FORM, kiro.FORM, openspec.FORM, plain.FORM)
_ORDER_WORDS: Final = {"file": "one after the other, in the order of the file", "parallel": "all at once"}
_STATE_REMARKS: Final = {
    LineState.HELD: "is in a group that is neither open nor done; not run",
    LineState.WAITING: "depends on a task that is not run; not run",
    LineState.OPTIONAL: "is optional; left out",
}
_INHERITED: Final = (
    "agent",
    "model",
    "priority",
    "timeout_s",
    "critical",
    "until",
    "max_turns",
    "candidates",
    "agents",
    "pick",
    "result_schema",
    "review",
    "pool",
    "labels",
)
"""The settings that a group's tasks inherit."""
_MAKING: Final = re.compile(r"(?:\[\w+\][ \t]*)*(?:create|add|implement|write|generate|scaffold)\b", re.IGNORECASE)
_PATH: Final = re.compile(r"\.?[\w-]+(?:/[\w.-]+)+\.[A-Za-z][A-Za-z0-9]{0,7}")
_UNMAKING: Final = re.compile(r"\b(?:delete|remove|rename|move|replace|drop)", re.IGNORECASE)


def read_taskfile(path: Path, *, order: Order | None = None, optional: bool = False) -> TaskFile:
    """Reads and checks a task file.

    Args:
        order: The order of tasks that name no dependencies, instead of the form's own: `file` one after the other,
            `parallel` all at once.
        optional: Also run the tasks that are marked as optional.

    Raises:
        TaskFileError: The file cannot be read, has no tasks, or sets a value twice; with the line.
        GraphError: Ids or dependencies do not fit together; with the line.
    """
    return parse_taskfile(read_text(path), path, order=order, optional=optional)


def parse_taskfile(text: str, path: Path, *, order: Order | None = None, optional: bool = False) -> TaskFile:
    """Parses the text of a task file as `read_taskfile` does; `path` is for messages."""
    outline = read_outline(text.removeprefix(BYTE_ORDER_MARK))
    if len(outline.entries) > BOX_LIMIT:
        line = outline.entries[BOX_LIMIT].line
        raise TaskFileError(path, line, f"has more than {BOX_LIMIT:,} boxes: split it")
    checks = checks_of_file(text.removeprefix(BYTE_ORDER_MARK), path)
    return _Reading(outline, path, order=order, optional=optional, checks=checks).result()


class _Reading:
    """A reader of one file, step by step."""

    def __init__(
        self, outline: Outline, path: Path, *, order: Order | None, optional: bool, checks: tuple[str, ...]
    ) -> None:
        self._outline = outline
        self._path = path
        self._order = order
        self._optional = optional
        self._checks = checks
        self._notes: list[Note] = []
        self._prompts = Prompts()
        self._items = self._make_items()
        self._form = self._recognise()
        self._read_marks()
        self._make_groups()
        name_items(self._items, path)
        self._directory = Directory(self._items)
        self._leaves = [item for item in self._items if not item.children and item.title]
        self._leaves_by_group: dict[str, list[Item]] = {}
        self._dependencies = 0
        self._needs = self._find_needs()
        self._states = self._find_states()

    def result(self) -> TaskFile:
        if not any(item.title for item in self._items):
            raise TaskFileError(self._path, None, self._no_task())
        orders = self._implied_order()
        file = TaskFile(
            path=self._path,
            lines=tuple(self._line_of(item, orders.get(item.id, ())) for item in self._leaves),
            form=self._form.name,
            order=_ORDER_WORDS[self._order] if self._order else self._form.order,
            chosen_order=self._order,
            optional=self._optional,
            groups=tuple(self._group_of(item) for item in self._items if item.children),
            notes=tuple(
                sorted([*self._notes, *self._box_notes(), *self._misplaced_notes()], key=lambda note: note.line)
            ),
        )
        build_graph(file.tasks, lines={item.id: item.entry.line for item in self._leaves}, path=self._path)
        return file

    def _no_task(self) -> str:
        misplaced = self._outline.misplaced
        where = f" ({len(misplaced)} of its boxes are in {misplaced[0].where})" if misplaced else ""
        return f"has no tasks{where}: tasks are lines like `- [ ] 1. Write the parser`"

    def _make_items(self) -> list[Item]:
        items = [
            Item(entry=entry, settings=read_settings(entry, self._path, done=entry.box in DONE))
            for entry in self._outline.entries
        ]
        leads = [read_lead(item.settings.text) for item in items]
        referenced = {each for item in items for reference in item.settings.references for each in reference.ids}
        for item, lead in zip(items, choose_ids(leads, referenced), strict=True):
            item.lead = lead
            item.optional = item.entry.starred or (lead is not None and lead.starred)
            item.title = lead.rest if lead and is_sure(lead) else item.settings.text
        _number(items)
        for item in items:
            self._notes.extend(Note(line=line, text=text) for line, text in item.settings.near_misses)
        return items

    def _recognise(self) -> Form:
        return next(form for form in _FORMS if form.fits(self._items, self._outline.headings))

    def _read_marks(self) -> None:
        mark = self._form.side_mark
        for item in self._items:
            item.beside = self._form.beside
            if mark and (match := mark.search(item.title)):
                item.beside = True
                kept = item.title[: match.start()] + item.title[match.end() :]
                item.title = kept.strip(" \t") or item.title

    def _make_groups(self) -> None:
        """Finds the groups, by indentation and, in some forms, by number."""
        open_numbers: dict[int | None, list[Item]] = {}
        for item in self._items:
            nested_in = item.entry.parent
            above = self._items[nested_in] if nested_in is not None else None
            if self._form.groups_by_number:
                above = _group_by_number(item, open_numbers.setdefault(nested_in, [])) or above
            if above is not None:
                item.parent = above
                above.children.append(item)
                above.settings.lines -= above.settings.file_lines  # outputs of a group are part of its tasks' prompts

    def _find_needs(self) -> dict[str, tuple[str, ...] | None]:
        """Returns the dependencies that each task or its groups name; None for a task without any."""
        own = {item.id: self._needs_of(item) for item in self._items}
        found: dict[str, tuple[str, ...] | None] = {}
        for item in self._leaves:
            said = [needs for owner in _with_groups(item) if (needs := own[owner.id]) is not None]
            self._count_dependencies(item, sum(map(len, said)))
            found[item.id] = tuple(dict.fromkeys(each for needs in said for each in needs)) if said else None
        return found

    def _needs_of(self, item: Item) -> tuple[str, ...] | None:
        said = False
        found: dict[str, None] = {}
        for reference in item.settings.references:
            named = self._resolve(item, reference)
            if named is None:
                self._take_as_prose(item, reference)
            else:
                said = True
                self._count_dependencies(item, len(named))
                found.update(dict.fromkeys(named))
        return tuple(found) if said else None

    def _count_dependencies(self, item: Item, number: int) -> None:
        self._dependencies += number
        if self._dependencies > DEPENDENCY_LIMIT:
            problem = f"the file has more than {DEPENDENCY_LIMIT:,} dependencies up to here: split it"
            raise TaskFileError(self._path, item.entry.line, problem)

    def _resolve(self, item: Item, reference: Reference) -> list[str] | None:
        """Returns the tasks that a line names, all tasks of a group for a group; None if the line is prose."""
        targets = [self._find(item, name) for name in reference.ids]
        known = any(targets) or all(map(self._directory.knows_style, reference.ids))
        if reference.loose and not known:
            return None
        for name, target in zip(reference.ids, targets, strict=True):
            if target is None and item.entry.box not in DONE:
                problem = f"depends on {name}, which does not exist{self._directory.suggestion(name)}"
                raise GraphError(item.id, problem, line=item.entry.line, path=self._path)
        targets += [self._find(item, name) for name in reference.perhaps]
        return [leaf.id for target in targets if target is not None for leaf in self._members(target)]

    def _find(self, item: Item, name: str) -> Item | None:
        try:
            return self._directory.find(name, item)
        except LookupError as several:
            raise GraphError(item.id, str(several), line=item.entry.line, path=self._path) from None

    def _take_as_prose(self, item: Item, reference: Reference) -> None:
        remark = f"{reference.text} is not a setting and stays in the prompt: it names no task of this file"
        self._notes.append(Note(line=reference.line, text=remark))
        item.settings.lines.discard(reference.line)

    def _members(self, item: Item) -> list[Item]:
        """Returns the tasks in a group, or a task itself."""
        if item.id not in self._leaves_by_group:
            self._leaves_by_group[item.id] = _leaves_of(item)
        return self._leaves_by_group[item.id]

    def _find_states(self) -> dict[str, LineState]:
        states = {item.id: self._state_by_box(item) for item in self._leaves}
        waiting = [task_id for task_id, state in states.items() if state is LineState.HELD]
        dependants: dict[str, list[str]] = {}
        for task_id, needs in self._needs.items():
            for need in needs or ():
                dependants.setdefault(need, []).append(task_id)
        for task_id in waiting:
            for dependant in dependants.get(task_id, ()):
                if states[dependant] is LineState.OPEN:
                    states[dependant] = LineState.WAITING
                    waiting.append(dependant)
        return states

    def _state_by_box(self, item: Item) -> LineState:
        if item.entry.box in DONE:
            return LineState.DONE
        family = list(_with_groups(item))
        if any(self._is_odd(each) for each in family):
            return LineState.HELD
        if any(each.optional for each in family) and not self._optional:
            return LineState.OPTIONAL
        return LineState.OPEN

    def _is_odd(self, item: Item) -> bool:
        return item.entry.box not in (" ", *DONE) and not (item.entry.box == "-" and self._form.dash_is_open)

    def _implied_order(self) -> dict[str, tuple[str, ...]]:
        if self._order == "parallel" or (self._form.beside and not self._form.sections and self._order is None):
            return {}
        section_of = self._form.sections(self._outline.headings) if self._form.sections and not self._order else None
        return waits(
            [
                Place(
                    id=item.id,
                    beside=item.beside and not self._order,
                    section=section_of(item) if section_of else None,
                    placed=self._needs[item.id] is None,
                )
                for item in self._needed_first([each for each in self._leaves if self._is_open(each)])
            ]
        )

    def _is_open(self, item: Item) -> bool:
        return self._states[item.id] is LineState.OPEN

    def _needed_first(self, items: Sequence[Item]) -> list[Item]:
        """Returns the items in their order, but with each task after the dependencies that it names.

        An order that is derived from this cannot contradict the named dependencies.
        """
        by_id = {item.id: item for item in items}
        placed: dict[str, Item] = {}
        entered: set[str] = set()
        stack = [(item, False) for item in reversed(items)]
        while stack:
            item, after_needs = stack.pop()
            if after_needs:
                placed.setdefault(item.id, item)
            elif item.id not in entered:
                entered.add(item.id)
                stack.append((item, True))
                needs = self._needs[item.id] or ()
                stack.extend((by_id[each], False) for each in reversed(needs) if each in by_id)
        return list(placed.values())

    def _line_of(self, item: Item, order: tuple[str, ...]) -> TaskLine:
        values: dict[str, object] = {
            name: owner.settings.values[name]
            for owner in reversed(list(_with_groups(item)))
            for name in _INHERITED
            if name in owner.settings.values
        }
        self._choose_agents(item, values)
        if path := values.pop("result_schema", None):
            values |= self._schema_of(item, str(path))
        task = SpawnTask(
            prompt=self._prompts.of(item),
            id=item.id,
            title=item.title,
            depends_on=self._needs[item.id] or order,
            order_only=order,
            files=self._files_of(item),
            checks=self._checks_of(item),
            **values,  # type: ignore[arg-type]
        )
        return TaskLine(
            id=item.id,
            title=item.title,
            line=item.entry.line,
            state=self._states[item.id],
            task=task,
            numbered=item.number is not None,
        )

    def _choose_agents(self, item: Item, values: dict[str, object]) -> None:
        """Leaves a task with its agent or its agents, whichever is given nearest to it.

        Raises:
            TaskFileError: Both are given in one place.
        """
        if "agent" not in values or "agents" not in values:
            return
        nearest = next(each for each in _with_groups(item) if {"agent", "agents"} & each.settings.values.keys())
        given = {"agent", "agents"} & nearest.settings.values.keys()
        if len(given) > 1:
            problem = f"task {nearest.id} has both Agent and Agents; name one agent, or the agents of its candidates"
            raise TaskFileError(self._path, nearest.entry.line, problem, field="agents")
        values.pop("agents" if given == {"agent"} else "agent")

    def _schema_of(self, item: Item, name: str) -> dict[str, object]:
        """Returns the schema of a task's result; nothing for a task that does not run."""
        if self._states[item.id] is not LineState.OPEN:
            return {}
        owner = next(each for each in _with_groups(item) if each.settings.values.get("result_schema") == name)
        return {"result_schema": read_schema(self._path, owner.settings.setting_lines["result_schema"], name)}

    def _checks_of(self, item: Item) -> tuple[str, ...]:
        """Returns the checks of a task, its groups and the file."""
        given: list[str] = []
        for owner in _with_groups(item):
            own = owner.settings.values.get("checks", ())
            assert isinstance(own, tuple)
            given += own
        return tuple(dict.fromkeys([*given, *self._checks]))

    def _files_of(self, item: Item) -> tuple[str, ...]:
        given = item.settings.values.get("files", ())
        assert isinstance(given, tuple)
        if given or not self._form.paths_are_files:
            return given
        text = item.title[:2000]
        if not _MAKING.match(text) or _UNMAKING.search(text):
            return ()
        words = (word.lstrip("`'\"(").rstrip("`'\",;:.)") for word in text.split())
        return tuple(dict.fromkeys(word for word in words if _PATH.fullmatch(word)))

    def _group_of(self, item: Item) -> GroupLine:
        return GroupLine(
            id=item.id,
            title=item.title,
            line=item.entry.line,
            done=item.entry.box in DONE,
            held=self._is_odd(item),
            members=tuple(each.id for each in self._members(item)),
        )

    def _box_notes(self) -> Iterator[Note]:
        for item in self._items:
            if text := self._remark(item):
                yield Note(line=item.entry.line, text=text)

    def _remark(self, item: Item) -> str | None:
        """Returns the reason why a box is not a task to run; None if it is one, or done."""
        box = item.entry.box
        if self._is_odd(item):
            inside = "; its tasks are not run" if item.children else "; not run"
            return f"the box [{box}] is neither open nor done{inside}"
        if item.children:
            return self._group_remark(item)
        if not item.title:
            return "the box has no text; not run" if box not in DONE else None
        if remark := _STATE_REMARKS.get(self._states[item.id]):
            return f"{item.id} {remark}"
        return "the box [-] marks a task in progress; run as open" if box == "-" else None

    def _group_remark(self, item: Item) -> str | None:
        states = [self._states[each.id] for each in self._members(item)]
        left = sum(state not in (LineState.DONE, LineState.OPTIONAL) for state in states)
        if item.entry.box in DONE:
            return f"{item.id} is ticked, but {left} of its tasks are not" if left else None
        if not left:
            return f"{item.id} is a group; its tasks are done, its box is open"
        return f"{item.id} is a group of {len(states)}, ticked when the last is done"

    def _misplaced_notes(self) -> Iterator[Note]:
        for first, last, number, where in misplaced_runs(self._outline.misplaced):
            if number == 1:
                yield Note(line=first, text=f"the box is in {where}; not a task")
            else:
                yield Note(line=first, last=last, text=f"{number} boxes are in {where}; not tasks")


def _number(items: Sequence[Item]) -> None:
    """Sets the numbers: the ids at the start of the texts, else the numbers of an ordered list."""
    for item in items:
        item.number = item.lead.id if item.lead else None
    if any(item.number for item in items):
        return
    counted: dict[int | None, Item] = {}
    for item in items:
        if item.entry.ordinal is None:
            continue
        above = items[item.entry.parent] if item.entry.parent is not None else None
        before = counted.get(item.entry.parent)
        number = item.entry.ordinal
        if before is not None and before.entry.heading is item.entry.heading:
            assert before.number is not None
            number = max(number, int(before.number.rpartition(".")[2]) + 1)
        counted[item.entry.parent] = item
        item.number = f"{above.number}.{number}" if above and above.number else str(number)


def _group_by_number(item: Item, opened: list[Item]) -> Item | None:
    """Returns the nearest item above whose number is a prefix of this item's number."""
    if opened and opened[-1].entry.heading is not item.entry.heading:
        opened.clear()
    while opened and not (item.number or "").startswith(f"{opened[-1].number}."):
        opened.pop()
    group = opened[-1] if opened else None
    if item.number:
        opened.append(item)
    return group


def _with_groups(item: Item) -> Iterator[Item]:
    """Yields an item and the groups that it is in, the innermost first."""
    each: Item | None = item
    while each is not None:
        yield each
        each = each.parent


def _leaves_of(item: Item) -> list[Item]:
    """Returns the tasks in a group, in the order of the file; for a task, the task itself."""
    found, queue = [], [item]
    while queue:
        each = queue.pop()
        if each.children:
            queue.extend(reversed(each.children))
        elif each.title:
            found.append(each)
    return found
