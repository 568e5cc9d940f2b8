"""Command lines for Python programs of ours that import nothing from the folder that they run in."""

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

    `python -m` alone looks for modules in the working folder first, so that a `json.py` in a project would run. With
    `-I` neither that folder nor any PYTHON… variable counts; the absolute places that this process looks in, too, are
    handed over.

    Args:
        unbuffered: Whether each line of its output is written at once; PYTHONUNBUFFERED does not count with `-I`.
    """
    buffering = ("-u",) if unbuffered else ()
    return (sys.executable, *buffering, "-I", "-c", _START, os.pathsep.join(_places()), module, *arguments)


@cache
def _places() -> tuple[str, ...]:
    """Absolute folders of modules that `-I` leaves out; they come after the interpreter's own."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    packages = [str(Path(__file__).parents[2])]
    return tuple(place for place in dict.fromkeys((*named, *own, *packages)) if Path(place).is_absolute())
