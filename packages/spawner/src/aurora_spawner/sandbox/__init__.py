"""The sandbox of an agent: its workspace is writable, the rest read-only, the network as configured.

A launcher in the agent's own process puts up the sandbox (bubblewrap, else Landlock), tries what it should prevent,
and records the outcome before it becomes the agent.
"""
