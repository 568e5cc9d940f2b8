"""The record of one question, phase by phase, and its forms: the response, the result for programs, the log file."""
