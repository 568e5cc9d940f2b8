"""Durable, supervised parallel execution of agent processes."""
