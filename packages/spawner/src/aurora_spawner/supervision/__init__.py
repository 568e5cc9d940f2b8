"""Processes of this machine: start them, outlive the coordinator, leave none behind.

The local executor forks a supervisor for each attempt through a fork server. `supervisor.py` runs alone, without any
import of this package, and ends whatever its agent started; orphans are found by their environment.
"""
