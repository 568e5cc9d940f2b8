"""What a project is made of, found by reading its files.

Languages, layout, entry points, and the commands that test, lint and build it; `aur init` writes them down and agents
get them as context.
"""
