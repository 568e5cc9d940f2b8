"""Record the terminal session that README.md shows, by running its commands on a small project.

    python tools/recording.py

A test records the session again and compares it with README.md, so that the page shows what the commands print.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
AUR = Path(sys.executable).with_name("aur")
IN_README = re.compile(r"(?<=<!-- recording -->\n).*?(?=<!-- end of recording -->)", re.DOTALL)

FILES = {
    "till.py": '''"""The till: what a customer pays."""

from stock import take


def price_of(basket):
    """Returns the price of a basket in whole cents, after the discount."""
    total = sum(item.cents * item.count for item in basket)
    return rounded(total * (100 - discount_percent(total)) / 100)


def rounded(cents):
    """Rounds a price half up to whole cents, as the tax office requires."""
    return int(cents + 0.5)


def discount_percent(total):
    """Returns 5 from 100 euros on."""
    return 5 if total >= 10_000 else 0
''',
    "stock.py": '''"""The stock: how many of each item there are."""

LEVELS = {}


class OutOfStockError(Exception):
    """There are fewer items than the customer wants."""


def take(name, count):
    """Takes items from the stock."""
    if LEVELS.get(name, 0) < count:
        raise OutOfStockError(name)
    LEVELS[name] -= count
''',
    "tests/test_till.py": """from till import rounded


def test_half_a_cent_is_rounded_up():
    assert rounded(99.5) == 100
""",
}
TASKS = """# Before the release

- [ ] 1 Where is a price rounded?
- [ ] 2 What happens when an item is out of stock?
- [ ] 3 Which tests cover the rounding of prices?
"""
QUESTION = ("soar", "Where is a price rounded?")
RUN = ("spawn", "tasks.md", "--yes")


def record(folder: Path) -> str:
    """Returns the session as a block of Markdown, recorded in a new project below a folder."""
    project, home = folder / "shop", folder / "home"
    home.mkdir()
    for name, text in FILES.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    question = _shown(project, home, *QUESTION)
    # Written now, so that the answer to the question does not quote the tasks.
    (project / "tasks.md").write_text(TASKS, encoding="utf-8")
    return f"````console\n{question}\n\n{_shown(project, home, *RUN)}\n````\n"


def _shown(project: Path, home: Path, *words: str) -> str:
    """Returns a command and its output; both streams go to one file, in the order in which they were written.

    Runs the local agent: a found agent CLI would answer something else, and may cost money.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AURORA_", "XDG_"))}
    done = subprocess.run(
        [AUR, *words],
        cwd=project,
        env={**environ, "HOME": str(home), "AURORA_TOOL": "local"},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    typed = " ".join(f'"{word}"' if " " in word else word for word in words)
    return f"$ aur {typed}\n{done.stdout.strip()}".replace(f"{project.parent}/", "")


def main() -> None:
    """Replaces the recording in README.md."""
    with tempfile.TemporaryDirectory(prefix="aurora-recording-") as folder:
        block = record(Path(folder).resolve())
    page = README.read_text(encoding="utf-8")
    README.write_text(IN_README.sub(lambda _: f"\n{block}\n", page), encoding="utf-8")


if __name__ == "__main__":
    main()
