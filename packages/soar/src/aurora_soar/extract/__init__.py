"""Extraction: from the memory's chunks to findings, one module for each aspect of a question."""
