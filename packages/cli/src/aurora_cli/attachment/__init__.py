"""What other terminals are attached to: a run or a session of another process, watched and answered from here."""
