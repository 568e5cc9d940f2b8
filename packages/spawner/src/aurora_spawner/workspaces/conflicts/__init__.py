"""Conflicts at a merge: what merges files that git alone cannot merge, and what is told of it."""
