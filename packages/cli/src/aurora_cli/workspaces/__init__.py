"""All workspaces of the user at once: each is read beside the others, so that none holds them up."""
