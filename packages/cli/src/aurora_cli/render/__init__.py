"""How values look on a terminal and off it."""
