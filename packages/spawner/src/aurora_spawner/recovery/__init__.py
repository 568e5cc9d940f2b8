"""Recovery from failures: retries, fallbacks, circuit breakers, or giving up.

`states.py` is the transition table and `machine.py` the only place that changes a state. `policy.py` has the limits
that a user sets, `run_recovery.py` decides for one run.
"""
