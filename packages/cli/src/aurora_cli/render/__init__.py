"""Text and JSON of values, for terminals, files and pipes."""
