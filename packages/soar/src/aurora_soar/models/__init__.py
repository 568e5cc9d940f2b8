"""Language models: the port, the prompts, and strict reading of what they return."""
