"""Kinds of agent: how each is started, what its output means, how it continues a session.

`profiles.py` is the table of the agent command lines, `dialects/` reads what each prints, `model/` calls a model
directly, `command.py` runs any program.
"""
