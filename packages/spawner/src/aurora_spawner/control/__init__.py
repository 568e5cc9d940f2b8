"""Look at runs and control them from another process.

Status, logs, checkpoints, pause, resume and cancel: through the socket of a living coordinator, or through the
journal where it has died.
"""
