"""The Agent Client Protocol (ACP): JSON-RPC over lines, spoken by many agent CLIs and by anybody's own programs.

`agents.py` holds what differs between the agents, `reading.py` and `messages.py` the lines either way,
`conversation.py` the talk.
"""
