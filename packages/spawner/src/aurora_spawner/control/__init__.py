"""The control of runs of other processes.

Status, logs, checkpoints, pause, resume and cancel: through the control socket of a living coordinator, or through
the journal if the coordinator has died. `follow.py` is the asynchronous side.
"""
