"""The root object of a project, and what it is made of: trust, the orchestrator of questions, runs of task files."""
