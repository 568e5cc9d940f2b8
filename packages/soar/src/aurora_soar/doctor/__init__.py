"""Checks of an installation: the project's files, the agents, and their logins."""
