"""`python -m aurora_cli`: the same as `aur`; how a run in the background starts its coordinator."""

from __future__ import annotations

from aurora_cli.main import main

raise SystemExit(main())
