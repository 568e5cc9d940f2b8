"""The record: everything that a run decided, durable before it acts.

`facts.py` is what can be written, `chain.py` hashes each event with the one before, `projections.py` keeps the tables
that `views.py` reads, `audit.py` verifies, `anchor.py` keeps the head of the chain outside the project.
"""
