"""The live view of all runs: what `aur status --watch` shows, and the keys that steer runs from it.

`facts.py` reads, `view.py` and `task_rows.py` turn what was read into rows, `steering.py` acts, and the other modules
draw with textual. Only `app.py` and what it imports need textual, so that no other command loads it.
"""
