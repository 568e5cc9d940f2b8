"""One attempt of a task as data, and the port to whoever runs it.

`Executor` is the protocol that a run starts attempts through; an attempt folder holds its output and exit record;
a process identity survives the reuse of process ids.
"""
