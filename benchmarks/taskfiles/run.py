"""How task files as people have them are read: `python benchmarks/taskfiles/run.py FOLDER`.

The folder holds Markdown files, at any depth; those in a sub-folder are counted together. Every line with a check box
is looked for by a pattern that shares nothing with the reader, and must be a task, a group, done or named in a note.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from aurora_spawner import SpawnerError
from aurora_spawner.taskfiles.model import LineState, TaskFile
from aurora_spawner.taskfiles.read import read_taskfile

BOX = re.compile(r"^[\s>]*(?:[-*+]|\d+[.)])\s+\[[ xX~/>!?-]?\](?=[\s*]|$)")
COLUMNS = ("files", "boxes", "tasks", "groups", "done", "optional", "not run", "notes", "refused", "unaccounted")


def box_lines(path: Path) -> set[int]:
    lines = re.split(r"\r\n|\n|\r", path.read_text(encoding="utf-8-sig"))
    return {number for number, line in enumerate(lines, start=1) if BOX.match(line)}


def unaccounted(path: Path, file: TaskFile) -> set[int]:
    named = {line.line for line in file.lines} | {group.line for group in file.groups}
    for note in file.notes:
        named.update(range(note.line, (note.last or note.line) + 1))
    return box_lines(path) - named


def main(folder: Path) -> None:
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    slowest = 0.0
    for path in sorted(folder.rglob("*.md")):
        kind = path.relative_to(folder).parts[0]
        count = totals[kind]
        count["files"] += 1
        count["boxes"] += len(box_lines(path))
        began = time.perf_counter()
        try:
            file = read_taskfile(path)
        except SpawnerError as error:
            if box_lines(path):
                count["refused"] += 1
                print(f"refused: {error}", file=sys.stderr)
            else:
                count["files"] -= 1
            continue
        slowest = max(slowest, time.perf_counter() - began)
        forms[kind][file.form] += 1
        count["tasks"] += len(file.tasks)
        count["groups"] += len(file.groups)
        count["done"] += len(file.done)
        count["optional"] += len(file.in_state(LineState.OPTIONAL))
        count["not run"] += len(file.not_run)
        count["notes"] += len(file.notes)
        if missing := unaccounted(path, file):
            count["unaccounted"] += len(missing)
            print(f"unaccounted: {path}: lines {sorted(missing)}", file=sys.stderr)
    print("| folder | " + " | ".join(COLUMNS) + " | forms |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    for kind, count in totals.items():
        named = ", ".join(f"{form} {number}" for form, number in forms[kind].most_common())
        print(f"| {kind} | " + " | ".join(str(count[column]) for column in COLUMNS) + f" | {named} |")
    print(f"\nslowest file: {slowest * 1000:.0f} ms")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
