"""Attempts on other machines: on workers, through a queue in PostgreSQL, or on a host over ssh.

`lease.py` decides who may run an attempt and whose result counts; it is pure. `attempt_store.py` applies it to rows
of the database, `pool_executor.py` is the side of a run, and `worker.py` that of a machine with agents: it takes
attempts in `attempt_taker.py`, and sees each to its result in `attempt_carrier.py`. Trees travel through a git
repository (`exchange.py`), beside each side's `pool_trees.py` and `worker_trees.py`. Needs the extra `distributed` of
this package, but for `ssh/`.
"""
