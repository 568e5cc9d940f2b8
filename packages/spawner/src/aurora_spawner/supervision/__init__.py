"""Processes of this machine: attempts that survive the coordinator and leave no process behind.

The local executor starts one supervisor for each attempt, through a fork server. `supervisor.py` runs alone with some
files beside it, imports nothing else of this package, and ends every process that its agent started. `orphans` finds
what a killed supervisor left.
"""
