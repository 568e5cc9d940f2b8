"""The record of one question, phase by phase, and the conversation log that stores it."""
