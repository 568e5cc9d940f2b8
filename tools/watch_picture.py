"""Record the picture of `aur status --watch` that docs/watch.md shows, from a run of real processes.

    python tools/watch_picture.py

The agents are shell scripts that print what an agent would; one of them writes a script that the policies ask about.
The picture is textual's own export, without the fonts that it would load from the network.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aurora_cli.watch.app import WatchApp
from aurora_cli.watch.facts import Reader, Wanted
from aurora_cli.watch.steering import Steering
from aurora_soar import Aurora

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "watch.svg"
AUR = Path(sys.executable).with_name("aur")
FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
SIZE = (100, 20)
AGENT = """case $(cat) in
*Round*) echo 'def rounded(cents): return int(cents + 0.5)' > till.py; echo done;;
*release*) echo 'scp shop.tar.gz server:' > deploy.sh; echo done;;
*) echo 'The discount belongs into price_of, before the rounding.'; sleep 1
echo 'Reading till.py and stock.py'; sleep 1; echo 'Editing till.py'; sleep 60;;
esac"""
TASKS = """- [ ] 1 Round prices half up
- [ ] 2 Write the release script
- [ ] 3 Add a discount from 100 euros on
- [ ] 4 Test the discount
  - Depends: 3
- [ ] 5 Describe the discount in the manual
  - Depends: 3, 4
"""
LIMIT_S = 60.0


def record(folder: Path) -> str:
    """Returns the picture of a run in a new project below a folder."""
    project = folder / "shop"
    _make(project, home=folder / "home")
    started = _aur(project, "spawn", "tasks.md", "--bg", "--yes", "--json")
    run_id = json.loads(started)["run_id"]
    try:
        return asyncio.run(_picture(project))
    finally:
        _aur(project, "cancel", run_id, "--at-once")


def _make(project: Path, *, home: Path) -> None:
    home.mkdir()
    os.environ.update(HOME=str(home), AURORA_TRUST="1", GIT_CONFIG_GLOBAL=os.devnull)
    (project / ".aurora").mkdir(parents=True)
    agents = {"sam": {"kind": "command", "command": ["sh", "-c", AGENT]}}
    (project / ".aurora" / "config.yaml").write_text(json.dumps({"tool": "sam", "backends": agents}))
    (project / "tasks.md").write_text(TASKS)
    (project / ".gitignore").write_text(".aurora/\n")
    identity = ("-c", "user.name=Kim", "-c", "user.email=kim@example.com")
    for words in (("init", "-q", "-b", "work"), ("add", "."), (*identity, "commit", "-q", "-m", "Start the shop")):
        subprocess.run(["git", *words], cwd=project, check=True)


def _aur(project: Path, *words: str) -> str:
    return subprocess.run([AUR, *words], cwd=project, check=True, capture_output=True, text=True).stdout


async def _picture(project: Path) -> str:
    """Watches until all that the picture should show is there."""
    with Aurora.open(project) as aurora:
        reader = Reader(aurora)
        app = WatchApp(reader, Steering(aurora), reader.look(Wanted()), project=project.name)
        try:
            async with app.run_test(size=SIZE) as pilot:
                await pilot.press("home", "down", "down")
                until = time.monotonic() + LIMIT_S
                while not all(
                    words in (shown := _shown(app)) for words in ("asks", "1 succeeded", "Editing", "The output of 3")
                ):
                    if time.monotonic() > until:
                        raise TimeoutError(f"the run did not come so far: {shown}")
                    await pilot.pause(0.2)
                return FONT_FACE.sub("", app.export_screenshot(title="aur status --watch", simplify=True)) + "\n"
        finally:
            reader.close()


def _shown(app: WatchApp) -> str:
    return app.export_screenshot().replace("&#160;", " ")


def main() -> None:
    """Writes docs/watch.svg."""
    with tempfile.TemporaryDirectory(prefix="aurora-watch-") as folder:
        picture = record(Path(folder).resolve())
    PICTURE.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
