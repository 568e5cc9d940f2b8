"""Liveness: is a running agent still working?

A watchdog samples the output and the processes of each running attempt and tells stalls from slow work. An output
listener reads what a running agent reports about its provider.
"""
