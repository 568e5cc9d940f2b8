"""A model that is called directly, as one more kind of agent.

The call runs in a process of its own (`call.py`), so that it can be supervised like any other agent.
"""
