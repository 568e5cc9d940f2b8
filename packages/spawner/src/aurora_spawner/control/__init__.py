"""The control of runs of other processes.

Status, logs, checkpoints, pause, resume and cancel: through the control socket of a living coordinator, or through
the journal if the coordinator has died. `follow.py` is the asynchronous side. What comes after a run in worktrees:
`run_work.py` tells what became of the work, `diffs.py` shows it, `merging.py` and `discarding.py` decide about it,
`worktrees.py` and `worktree_cleanup.py` find and remove what is left.
"""
