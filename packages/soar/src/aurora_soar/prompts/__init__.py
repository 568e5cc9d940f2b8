"""Prompts for models: one Markdown file each, with its version in the first line."""
