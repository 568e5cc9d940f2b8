"""`python -m aurora_cli`: runs `aur`; a run in the background starts its coordinator this way."""

from __future__ import annotations

import os
import sys

# `python -m` looks for modules in the working folder first, where a project's json.py would replace Python's.
_here = os.getcwd()  # noqa: PTH109 - pathlib would be looked for there, too
if not sys.flags.safe_path and sys.path[:1] == [_here] and not __file__.startswith(f"{_here}/aurora_cli/"):
    del sys.path[0]

from aurora_cli.entry import main  # noqa: E402

raise SystemExit(main())
