"""The decisions about a durable run of a graph of tasks.

`run.py` is what programs use; the coordinator takes a task from the scheduler through its attempts to a result, and
writes each step into the journal first. A socket lets other processes control it.
"""
