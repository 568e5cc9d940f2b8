"""Sessions with agents at the command line: at a terminal by a line editor, elsewhere in lines of JSON."""
