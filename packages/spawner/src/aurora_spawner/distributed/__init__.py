"""Attempts on the workers of other machines, through a queue in PostgreSQL.

`lease.py` decides who may run an attempt and whose result counts; it is pure. `attempt_store.py` applies it to rows
of the database, `pool_executor.py` is the side of a run, and `worker.py` that of a machine with agents. Trees travel
through a git repository (`exchange.py`), beside each side's `pool_trees.py` and `worker_trees.py`. Needs the extra
`distributed` of this package.
"""
