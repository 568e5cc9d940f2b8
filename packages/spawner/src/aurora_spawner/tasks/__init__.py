"""Tasks, results and events of a run: plain data.

It holds a task and its graph, the result with its usage and failure, the prompt with the results of dependencies,
helpers that compose graphs, and the events that a run reports. Nothing here starts a process.
"""
