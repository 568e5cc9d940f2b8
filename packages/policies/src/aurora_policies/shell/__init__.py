"""Reads a command line as bash would run it: simple commands with their words, folder, input and output, in order."""
