"""The agent that needs no model: it answers from memory by extraction.

Runs as a process of its own, `python -m aurora_soar.local_agent`, like every other agent. One module for each aspect
of a question.
"""
