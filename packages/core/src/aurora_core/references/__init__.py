"""Finds the lines of code that mention, set or call a name, and tells certain calls from doubtful ones."""
