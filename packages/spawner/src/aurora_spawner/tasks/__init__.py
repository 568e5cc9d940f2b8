"""What is to be done, and what it yields: plain data.

A task and its graph, the result with its usage and failure, the prompt that carries the results of dependencies,
helpers that compose graphs, and the events that a run reports. Nothing here starts anything.
"""
