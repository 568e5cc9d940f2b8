"""Make the transcripts in the documentation by running the commands that they show.

    python tools/transcripts.py SOURCES

SOURCES is a folder of unpacked source distributions (django-…). Writes docs/transcripts/ and the one in README.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AUR = Path(sys.executable).with_name("aur")
OWN_QUESTION = "How does the scheduler decide what runs next?"
DJANGO_QUESTION = "How does a request URL get resolved to a view?"
_IN_README = re.compile(r"(?<=<!-- transcript -->\n).*?(?=<!-- end of transcript -->)", re.DOTALL)


def main(sources: Path) -> None:
    """Run both questions on copies that were never set up."""
    with tempfile.TemporaryDirectory(prefix="aurora-transcripts-") as folder:
        own = Path(folder) / "aurora"
        subprocess.run(["git", "clone", "--quiet", ROOT, own], check=True)
        readme = ROOT / "README.md"
        shown = transcript(OWN_QUESTION, own)
        readme.write_text(
            _IN_README.sub(lambda _: f"\n{shown}\n", readme.read_text(encoding="utf-8")), encoding="utf-8"
        )
        source = next(path for path in sorted(sources.iterdir()) if path.name.lower().startswith("django-"))
        django = Path(folder) / source.name
        shutil.copytree(source, django, ignore=shutil.ignore_patterns(".aurora"))
        text = f"# A question about {source.name}\n\nThe source distribution, unpacked and never set up.\n\n"
        path = ROOT / "docs" / "transcripts" / "django.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + transcript(DJANGO_QUESTION, django), encoding="utf-8")


def transcript(question: str, project: Path) -> str:
    """What a terminal would show, as a block of Markdown; the folder's place is left out."""
    done = subprocess.run([AUR, "soar", question], cwd=project, check=True, capture_output=True, text=True)
    shown = f"{done.stderr}\n{done.stdout}".replace(f"{project.parent}/", "")
    return f'````console\n$ aur soar "{question}"\n{shown.strip()}\n````\n'


if __name__ == "__main__":
    main(Path(sys.argv[1]))
