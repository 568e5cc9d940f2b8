"""The journal: the durable record of every decision of a run, written before the decision takes effect.

`facts.py`, `work_facts.py` and `approval_facts.py` have the events that can be written; `entries.py` lists and
encodes them. `chain.py` hashes each event with the one before, `projections.py` updates the tables that `views.py`
and `async_reader.py` read, `verify.py` checks events and tables, and `anchor.py` keeps the head of the chain
outside the project.
"""
