"""memory.db: its schema, and the rows of files, chunks and accesses."""
