"""Conversations with agents: many turns, kept in the journal, over whatever a kind of agent speaks.

`port.py` is the port, `live.py` and `one_shot.py` its transports, `session.py` the session that outlives its process.
"""
