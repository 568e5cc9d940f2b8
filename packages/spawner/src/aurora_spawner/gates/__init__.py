"""Live gates: an agent's tool calls are judged before they happen.

`hook.py` runs alone, once for each tool call, and asks the coordinator; the rest reads the call and starts the hook.
"""
