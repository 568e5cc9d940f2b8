"""The profile of a project, found by reading its files.

Languages, layout, entry points, and the commands that test, lint and build it; `aur init` writes it down and agents
get it as context.
"""
