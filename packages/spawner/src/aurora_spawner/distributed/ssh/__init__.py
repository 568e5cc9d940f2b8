"""Attempts on another machine over ssh: no database, no worker that has to run, trees as git bundles.

`frames.py` is what both sides say. `destination.py` calls the system's ssh, `connection.py` and `channel.py` keep one
connection and replace it, and `executor.py` and `bundle_exchange.py` are the side of a run. `host.py` answers on the
other machine: it keeps nothing in memory that counts, so that each connection may be another process of it.
"""
