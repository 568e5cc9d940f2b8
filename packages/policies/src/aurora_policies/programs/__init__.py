"""What programs do when they are run with given arguments: one module for each kind of program."""
