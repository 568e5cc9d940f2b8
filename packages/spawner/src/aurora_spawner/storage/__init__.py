"""Files and stored values: read within limits, written for their owner alone.

Everything that comes from a disk passes here: regular files only, YAML without tags, values checked against the type
of their field. Knows nothing of tasks or runs.
"""
