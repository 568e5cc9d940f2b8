"""A network namespace that has only loopback, the stand-in inside it, and programs run there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PORT: Final = 8411
BASE: Final = f"http://127.0.0.1:{PORT}"
STAND_IN: Final = Path(__file__).with_name("stand_in.py")
_ASK: Final = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=10).read().decode())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A namespace that lives as long as its stand-in."""

    process: subprocess.Popen[str]

    def inside(self, *command: str) -> list[str]:
        """The command that runs another one inside."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self.process.pid), *user, "--net", "--", *command]

    def asked(self, key: str) -> list[dict[str, Any]]:
        """What agents asked the stand-in for with that key and that counted, in order."""
        command = self.inside(sys.executable, "-c", _ASK, f"{BASE}/log/{key}")
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return [each for each in json.loads(found.stdout) if each["counts"]]

    def forget(self) -> None:
        """Let each play begin anew."""
        command = self.inside(sys.executable, "-c", _ASK, f"{BASE}/forget")
        subprocess.run(command, capture_output=True, check=True, timeout=20)

    def close(self) -> None:
        """End the stand-in, and with it the namespace."""
        self.process.terminate()
        self.process.communicate(timeout=10)


def open_cell() -> Cell | str:
    """A new cell, or why there cannot be one on this machine."""
    missing = [name for name in ("unshare", "nsenter") if shutil.which(name) is None]
    if sys.platform != "linux" or missing:
        return f"network namespaces need Linux and {', '.join(missing) or 'its tools'}"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    process = subprocess.Popen(
        ["unshare", *user, "--net", "--", sys.executable, str(STAND_IN), str(PORT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    if process.stdout.readline().strip() == "ready":
        return Cell(process=process)
    _rest, said = process.communicate(timeout=10)
    return f"no network namespace can be made here: {said.strip()[-300:]}"
