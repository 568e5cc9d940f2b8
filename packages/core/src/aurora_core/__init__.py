"""Local code memory: chunks, index, search and activation for a source tree."""
