"""Language models: the port to them, and strict reading of their answers."""
