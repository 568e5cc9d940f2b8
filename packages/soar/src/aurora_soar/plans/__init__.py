"""Plans of goals: subgoals with their agents, reviewed by the user, and kept as a folder whose tasks can be run."""
