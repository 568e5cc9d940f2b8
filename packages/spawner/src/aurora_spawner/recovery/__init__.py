"""Recovery: how failures are understood, how they are met, and how a fleet waits together."""
