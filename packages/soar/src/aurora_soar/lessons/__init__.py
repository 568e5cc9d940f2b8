"""Lessons: what work that came back and was mended has shown, for the same persona's next tasks."""
