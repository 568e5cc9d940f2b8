"""What agents found, and whether it holds.

Findings with their sources, read strictly from an agent's output; each citation is checked against its file.
"""
