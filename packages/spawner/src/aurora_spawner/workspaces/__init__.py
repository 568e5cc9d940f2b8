"""Many agents, one repository: a git worktree for each task, and a merge that loses nothing.

`bases.py` says what a task starts from, `worktrees.py` makes and removes worktrees, `results.py` commits what an
agent left, `merge_queue.py` brings the results together, `checks.py` runs a command on them, `forecast.py` finds
conflicts while agents run, `attic.py` keeps what was discarded. All of it drives the git program, and works without
a run of agents.
"""
