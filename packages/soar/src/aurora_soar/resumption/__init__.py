"""Resumption of questions: what each step gave is journalled, so that a resume goes on from there."""
