"""Replanning of task runs: what is left after a critical task has failed for good is planned anew, once a run."""
