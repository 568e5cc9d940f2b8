"""The local agent: it needs no model and answers from the memory by extraction.

It runs as a process of its own, `python -m aurora_soar.local_agent`, like every other agent. Each aspect of a
question has a module of its name: definitions, statements, flow, errors, tests. `subject` sums up what a question
names, `bindings` finds constants and tables. `extract` calls them; `lookup` calls `extract` without a process.
"""
