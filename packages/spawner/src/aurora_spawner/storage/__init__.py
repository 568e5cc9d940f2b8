"""Files and stored values: read within limits, written for their owner alone.

It reads regular files only, YAML without tags, and stored values checked against the type of their field. It knows
nothing of tasks or runs.
"""
