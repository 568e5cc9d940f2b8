"""The picture in docs/dashboard.md is there, small, and a PNG."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_picture_is_shown_and_small() -> None:
    assert "](dashboard.png)" in (DOCS / "dashboard.md").read_text(encoding="utf-8")
    picture = (DOCS / "dashboard.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n")
    assert len(picture) < 60_000
