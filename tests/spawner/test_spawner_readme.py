"""Every snippet of the package's README runs, in order, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "packages" / "spawner" / "README.md"


def snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def test_the_snippets_run_in_order(tmp_path: Path) -> None:
    program = "\n".join(snippets())
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(snippets()) >= 7


def test_every_promised_name_is_there_and_no_other() -> None:
    program = """
import aurora_spawner, types
for name in aurora_spawner.__all__:
    getattr(aurora_spawner, name)
public = {name for name, value in vars(aurora_spawner).items() if not name.startswith("_")}
modules = {name for name in public if isinstance(getattr(aurora_spawner, name), types.ModuleType)}
assert public - modules - {"spawn"} == set(aurora_spawner.__all__) - {"spawn"}, public ^ set(aurora_spawner.__all__)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)
