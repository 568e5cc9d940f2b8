"""YAML policies turned into typed decisions for running coding agents."""
