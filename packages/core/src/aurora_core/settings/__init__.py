"""Configuration, keys, and what a project claims to be allowed.

Layers of settings with the place that each value came from, strictly read; keys of model providers; the parts of a
project's configuration that need the user's trust.
"""
