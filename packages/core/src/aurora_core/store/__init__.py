"""memory.db: its schema, and its rows of files, chunks and accesses."""
