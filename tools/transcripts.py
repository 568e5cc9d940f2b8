"""Make docs/transcripts/django.md by running the command that it shows.

    python tools/transcripts.py SOURCES

SOURCES is a folder of unpacked source distributions, among them django-….
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AUR = Path(sys.executable).with_name("aur")
DJANGO_QUESTION = "How does a request URL get resolved to a view?"


def main(sources: Path) -> None:
    """Asks the question on a copy that was never set up, and writes the transcript."""
    source = next(path for path in sorted(sources.iterdir()) if path.name.lower().startswith("django-"))
    with tempfile.TemporaryDirectory(prefix="aurora-transcripts-") as folder:
        django = Path(folder) / source.name
        shutil.copytree(source, django, ignore=shutil.ignore_patterns(".aurora"))
        text = f"# A question about {source.name}\n\nThe source distribution, unpacked and never set up.\n\n"
        path = ROOT / "docs" / "transcripts" / "django.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + transcript(DJANGO_QUESTION, django), encoding="utf-8")


def transcript(question: str, project: Path) -> str:
    """Returns the output of a terminal as a block of Markdown, without the folder's place."""
    done = subprocess.run([AUR, "soar", question], cwd=project, check=True, capture_output=True, text=True)
    shown = f"{done.stderr}\n{done.stdout}".replace(f"{project.parent}/", "")
    return f'````console\n$ aur soar "{question}"\n{shown.strip()}\n````\n'


if __name__ == "__main__":
    main(Path(sys.argv[1]))
