"""What one question did, phase by phase, and the conversation log that keeps it."""
