"""Judges edits of files by what they do later: commands that they add, and settings that switch a protection off."""
