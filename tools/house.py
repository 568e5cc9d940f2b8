"""Draws the rooms of the five packages from their imports, into docs/architecture.md.

    python3 dev.py run python tools/house.py --write

Without `--write` the drawing is only printed. A room is a module or sub-package that stands directly in a package. A
room's floor is one above the highest room that it imports from, so an import between rooms always leads down.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grimp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "architecture.md"
PACKAGES: Final = ("aurora_core", "aurora_policies", "aurora_spawner", "aurora_soar", "aurora_cli")
BEGIN: Final = "<!-- drawn by tools/house.py: begin -->\n"
END: Final = "<!-- drawn by tools/house.py: end -->\n"


class CircularRoomsError(Exception):
    """Rooms of a package import each other in a circle."""


@dataclass(frozen=True, slots=True)
class House:
    """The rooms of one package.

    Attributes:
        imports: for each room, the rooms that it imports from.
        floors: for each room, its floor; the lowest is 1.
        purposes: for each room, the first line of its docstring.
    """

    package: str
    imports: Mapping[str, frozenset[str]]
    floors: Mapping[str, int]
    purposes: Mapping[str, str]


def read_house(package: str) -> House:
    """Reads the rooms of an installed package.

    Raises:
        CircularRoomsError: Two rooms import each other, directly or through others.
    """
    graph = grimp.build_graph(package)
    imports: dict[str, set[str]] = {_room(module): set() for module in graph.modules if module != package}
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            if package not in (importer, imported):
                imports[_room(importer)].add(_room(imported))
    below = {room: frozenset(others - {room}) for room, others in imports.items()}
    purposes = {room: _first_line(package, room) for room in below}
    return House(package=package, imports=below, floors=floors_of(package, below), purposes=purposes)


def _room(module: str) -> str:
    return module.split(".")[1]


def floors_of(package: str, imports: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """Returns the floor of each room.

    Raises:
        CircularRoomsError: Some rooms import each other.
    """
    floors: dict[str, int] = {}
    while len(floors) < len(imports):
        ready = {
            room: max((floors[below] for below in others), default=0) + 1
            for room, others in imports.items()
            if room not in floors and others <= floors.keys()
        }
        if not ready:
            stuck = ", ".join(sorted(imports.keys() - floors.keys()))
            raise CircularRoomsError(f"{package}: rooms that import each other are among {stuck}")
        floors.update(ready)
    return floors


def _first_line(package: str, room: str) -> str:
    folder = ROOT / "packages" / package.removeprefix("aurora_") / "src" / package
    source = folder / room / "__init__.py" if (folder / room).is_dir() else folder / f"{room}.py"
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def draw(house: House) -> Iterator[str]:
    """Yields the lines of a picture, the highest floor first."""
    arrows = sum(map(len, house.imports.values()))
    highest = max(house.floors.values(), default=0)
    yield f"{house.package}: {len(house.floors)} rooms on {highest} floors, {arrows} arrows, all downward\n"
    width = max(map(len, house.floors), default=0)
    for floor in range(highest, 0, -1):
        for room in sorted(room for room, at in house.floors.items() if at == floor):
            yield f"{floor:>3}  {room:<{width}}  {house.purposes[room]}".rstrip() + "\n"
    yield "\n"


def picture() -> str:
    """Returns the pictures of all packages as one block of Markdown."""
    lines = "".join(line for package in PACKAGES for line in draw(read_house(package)))
    return f"{BEGIN}```\n{lines.rstrip()}\n```\n{END}"


def main() -> None:
    """Prints the picture, or writes it into the page."""
    if "--write" not in sys.argv[1:]:
        sys.stdout.write(picture())
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + picture() + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
