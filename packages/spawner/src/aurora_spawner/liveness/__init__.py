"""Does an agent still work?

A watchdog samples the output and the processes of each running attempt, tells stalls from slow work, and notices
while an agent runs that its provider has limited it.
"""
