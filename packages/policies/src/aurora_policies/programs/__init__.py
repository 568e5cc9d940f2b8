"""The programs that are known, and what they do with given arguments: one module for each kind."""
