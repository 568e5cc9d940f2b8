"""Findings of agents, and the check of their citations.

An agent's output is read strictly; each finding is checked in the file that it cites.
"""
