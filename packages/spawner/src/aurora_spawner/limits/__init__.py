"""What may be spent: money, starts, and depth.

Executors that stand before the local one and refuse or hold an attempt, the port to a budget ledger, prices,
and the meter that reads what a running agent has used.
"""
