"""The aur command: a local-first, memory-first planner and orchestrator of coding agents."""
