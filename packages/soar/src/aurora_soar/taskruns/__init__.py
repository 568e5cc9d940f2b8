"""Runs of task files under a project's rules: agents, personas, plan, limits, start, resume and clean-up."""
