"""Indexing: finds files, cuts them into chunks, stores them.

`walk.py` decides which files are worth indexing, worker processes prepare them, `indexer.py` writes what changed.
"""
