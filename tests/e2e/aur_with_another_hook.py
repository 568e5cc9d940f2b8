"""`aur` whose agents get another program as their hook, and whose CLIs are told to wait for it only so long.

python aur_with_another_hook.py PROGRAM CLI_LIMIT_S ARGUMENTS...
"""

from __future__ import annotations

import sys
from pathlib import Path

from aurora_cli.entry import main
from aurora_spawner.gates.hook_command import HookCommand

program, limit_s = sys.argv[1:3]
del sys.argv[1:3]
defaults = HookCommand.__init__.__kwdefaults__
assert defaults is not None
defaults.update(program=Path(program), cli_limit_s=int(limit_s))
sys.exit(main())
