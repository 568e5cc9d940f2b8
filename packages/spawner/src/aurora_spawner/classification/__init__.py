"""The classification of failed attempts.

`causes.py` names the kinds of failure, `error_patterns.py` has the messages of providers and agents, `classifier.py`
combines them with the agent's own report.
"""
