"""The picture of the rooms in docs/architecture.md is the one that the imports give."""

from types import ModuleType

import pytest
from tests.tooling.programs import ROOT, program


@pytest.fixture(scope="module")
def house() -> ModuleType:
    return program("house")


def test_the_page_shows_the_rooms_as_they_are(house: ModuleType) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert house.picture() in page, "draw it again: python3 dev.py run python tools/house.py --write"


def test_every_room_says_what_it_is_for(house: ModuleType) -> None:
    for package in house.PACKAGES:
        silent = [room for room, purpose in house.read_house(package).purposes.items() if not purpose]
        assert not silent, f"{package}: {silent}"


def test_rooms_in_a_circle_are_found(house: ModuleType) -> None:
    with pytest.raises(house.CircularRoomsError, match="among a, b"):
        house.floors_of("package", {"a": frozenset({"b"}), "b": frozenset({"a"}), "c": frozenset()})


def test_a_room_is_one_floor_above_the_highest_that_it_imports_from(house: ModuleType) -> None:
    imports = {"top": frozenset({"middle", "low"}), "middle": frozenset({"low"}), "low": frozenset()}
    assert house.floors_of("package", imports) == {"low": 1, "middle": 2, "top": 3}
