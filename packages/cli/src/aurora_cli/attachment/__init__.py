"""Attachments: a run or a session of another process, watched and answered from this terminal."""
