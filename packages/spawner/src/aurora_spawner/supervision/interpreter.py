"""Command lines for our own Python programs, which import nothing from their working folder."""

from __future__ import annotations

import os
import site
import sys
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["python_command"]

_START: Final = (
    "import sys; places, module = sys.argv[1:3]; del sys.argv[1:3]; "
    f"sys.path += [place for place in places.split({os.pathsep!r}) if place and place not in sys.path]; "
    "import runpy; runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def python_command(module: str, *arguments: str, unbuffered: bool = False) -> tuple[str, ...]:
    """Returns the command that runs a module as this interpreter would, whatever the working folder holds.

    `python -m` looks for modules in the working folder first, so that a project's `json.py` would run. `-I` ignores
    that folder and all PYTHON… variables, so the command passes on the absolute module folders of this process.

    Args:
        unbuffered: Writes each line of output at once; `-I` makes Python ignore PYTHONUNBUFFERED.
    """
    buffering = ("-u",) if unbuffered else ()
    return (sys.executable, *buffering, "-I", "-c", _START, os.pathsep.join(_module_folders()), module, *arguments)


@cache
def _module_folders() -> tuple[str, ...]:
    """Returns the absolute module folders that `-I` leaves out; they follow the interpreter's own."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    packages = [str(Path(__file__).parents[2])]
    return tuple(place for place in dict.fromkeys((*named, *own, *packages)) if Path(place).is_absolute())
