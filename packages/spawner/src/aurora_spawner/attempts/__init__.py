"""An attempt of a task as data, and the port to the executor that runs it.

A run starts attempts through the `Executor` protocol. An attempt's folder holds its output and its exit record. A
process identity stays correct when the system reuses a process id.
"""
