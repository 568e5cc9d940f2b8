"""What edits of files do later: commands that they add, and settings that switch a protection off."""
