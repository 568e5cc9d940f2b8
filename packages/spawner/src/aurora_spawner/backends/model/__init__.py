"""The `model` backend: a direct call of a model, as one more kind of agent.

The call runs in its own process (`call.py`), so that it is supervised like any other agent.
"""
