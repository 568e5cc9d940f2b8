"""Dialects: the known formats of agents' output, by name."""

from typing import Final

from aurora_spawner.backends.dialects import aider, claude, cline, codex, copilot, gemini, model, opencode
from aurora_spawner.backends.dialects.base import Dialect

DIALECTS: Final = {
    dialect.name: dialect
    for dialect in (
        Dialect(name="claude", readers=claude.READERS),
        Dialect(name="codex", readers=codex.READERS),
        Dialect(name="gemini", readers=gemini.READERS),
        Dialect(name="opencode", readers=opencode.READERS),
        Dialect(name="qwen", readers=claude.READERS),
        Dialect(name="copilot", readers=copilot.READERS),
        Dialect(name="cline", readers=cline.READERS),
        Dialect(name="model", readers=model.READERS),
        Dialect(name="aider", read_line=aider.read_line, ends_with_event=False),
    )
}
