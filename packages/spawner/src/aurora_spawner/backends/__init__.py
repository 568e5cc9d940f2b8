"""Kinds of agent: the start of each, the meaning of its output, and the resumption of its sessions.

`profiles.py` is the table of agent CLIs, `dialects/` reads their output, `model/` calls a model directly, and
`command.py` runs any program.
"""
