"""Configuration, keys, and the settings of a project that need the user's trust.

Layers of settings with the place that each value came from, strictly read; keys of model providers; the parts of a
project's configuration that need the user's trust.
"""
