"""The team of a session: the user agrees to a plan, agents work on its tasks, and the talk has their results."""
