"""Notifications: what is told about a run outside of its terminal, by `notify:` in the configuration.

`messages.py` turns events of a run into notifications, `receivers.py` sends them by a command, to an address, by the
bell or to the desktop, and `outbox.py` does that beside the run: bounded, debounced, and never in its way.
"""
