"""From files to the index: walk, cut into chunks, store.

`walk.py` decides which files are worth indexing, worker processes prepare them, `indexer.py` writes what changed.
"""
