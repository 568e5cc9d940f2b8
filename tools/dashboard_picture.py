"""Record the picture of `aur dashboard` that docs/dashboard.md shows, from a run of real processes in Chromium.

    python tools/dashboard_picture.py [--all FOLDER]

With `--all` each page is recorded into a folder instead: light, dark, and as wide as a phone.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.cli.chromium import chromium, chromium_path  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.chromium import Browser, Page

PICTURE = ROOT / "docs" / "dashboard.png"
AUR = Path(sys.executable).with_name("aur")
AGENT = """case $(cat) in
*Round*) printf 'def rounded(cents):\\n    return int(cents + 0.5)\\n' > till.py; echo done;;
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
PIXELS = """async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  return [image.width, [...pixels]];
}"""
SHADES = 36
LOOKS = {"light": (760, 680, False), "dark": (760, 680, True), "phone": (390, 800, False)}
PAGES = {"runs": "/", "run": "/runs/{run}", "task": "/runs/{run}/tasks/1", "busy": "/runs/{run}/tasks/3"}
PAGES |= {"work": "/runs/{run}/work", "costs": "/budget", "memory": "/search?q=price"}


def record(folder: Path, browser: Browser, wanted: Path | None) -> None:
    """Records a run in a new project below a folder."""
    project = folder / "shop"
    _make(project, home=folder / "home")
    run_id = json.loads(_aur(project, "spawn", "tasks.md", "--bg", "--yes", "--json"))["run_id"]
    serving = subprocess.Popen([AUR, "dashboard", "--port", "0"], cwd=project, stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout
        address = serving.stdout.readline().strip()
        page = _entered(browser, address, "light")
        where = page.run("location.href").rstrip("/")
        page.open(f"{where}/runs/{run_id}")
        page.wait("document.querySelector('.question') && document.body.innerText.includes('Editing')")
        if wanted is None:
            PICTURE.write_bytes(_small(browser, page.screenshot()))
            return
        for name, look, picture in _all(browser, address, where, run_id):
            (wanted / f"{name}-{look}.png").write_bytes(picture)
    finally:
        serving.terminate()
        serving.wait()
        _aur(project, "cancel", run_id, "--at-once")


def _small(browser: Browser, picture: bytes) -> bytes:
    """Returns a picture with a palette of few shades, which is a third as long."""
    content = base64.b64encode(picture).decode()
    width, pixels = browser.page().run(f"({PIXELS})('data:image/png;base64,{content}')")
    shades = [tuple(min(255, round((each >> at & 255) / SHADES) * SHADES) for at in (0, 8, 16)) for each in pixels]
    palette = {shade: number for number, shade in enumerate(dict.fromkeys(shades))}
    rows = (shades[at : at + width] for at in range(0, len(shades), width))
    lines = b"".join(b"\0" + bytes(palette[each] for each in row) for row in rows)
    head = struct.pack(">IIBBBBB", width, len(shades) // width, 8, 3, 0, 0, 0)
    colours = bytes(value for shade in palette for value in shade)
    chunks = ((b"IHDR", head), (b"PLTE", colours), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _all(browser: Browser, address: str, where: str, run_id: str) -> Iterator[tuple[str, str, bytes]]:
    for look in LOOKS:
        page = _entered(browser, address, look)
        for name, path in PAGES.items():
            page.open(where + path.format(run=run_id))
            time.sleep(1)
            yield name, look, page.screenshot()


def _entered(browser: Browser, address: str, look: str) -> Page:
    width, height, dark = LOOKS[look]
    page = browser.page(width=width, height=height, dark=dark)
    _wait_for(address)
    page.open(address)
    return page


def _wait_for(address: str) -> None:
    for _ in range(600):
        with suppress(httpx.ConnectError):
            httpx.get(address)
            return
        time.sleep(0.1)


def _make(project: Path, *, home: Path) -> None:
    for each in (home, project / ".aurora"):
        each.mkdir(parents=True)
    os.environ.update(HOME=str(home), AURORA_TRUST="1")
    for name in ("AUTHOR", "COMMITTER"):
        os.environ |= {f"GIT_{name}_NAME": "Ada", f"GIT_{name}_EMAIL": "ada@example.org"}
    agents = {name: {"kind": "command", "command": ["sh", "-c", AGENT]} for name in ("claude", "codex")}
    (project / ".aurora" / "config.yaml").write_text(json.dumps({"backends": agents, "tool": "claude"}))
    (project / "tasks.md").write_text(TASKS)
    (project / "stock.py").write_text("def price_of(item):\n    return item.price\n")
    for arguments in (("init", "-qb", "work"), ("add", "tasks.md", "stock.py"), ("commit", "-qm", "Begin")):
        subprocess.run(["git", *arguments], cwd=project, check=True)
    _aur(project, "mem", "index")


def _aur(project: Path, *arguments: str) -> str:
    return subprocess.run([AUR, *arguments], cwd=project, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Record the picture, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, dest="folder", help="the folder for pictures of all pages")
    folder = parser.parse_args().folder
    path = chromium_path()
    if path is None:
        sys.exit("Chromium is not installed")
    with tempfile.TemporaryDirectory(prefix="aurora-picture-") as place, chromium(path) as browser:
        record(Path(place).resolve(), browser, folder)


if __name__ == "__main__":
    main()
