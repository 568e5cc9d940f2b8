"""Which kind of failure an attempt met.

`error_patterns.py` is the table of what providers and agents print, `causes.py` names the kinds, `classifier.py`
joins them with what an agent reported itself.
"""
