"""Replay: the coordinator runs again over the journal of a run, with simulated agents and a simulated clock.

Every decision is made again and compared with the recorded one, or made otherwise to answer what would have happened.
"""
