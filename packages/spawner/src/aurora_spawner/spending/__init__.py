"""Spending: the cost of attempts, and the limits of money, of the number of attempts, and of depth.

Executors that wrap the local one and refuse or hold an attempt, the port to a budget ledger, prices, and the usage
meter of running agents.
"""
