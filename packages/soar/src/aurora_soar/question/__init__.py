"""The user's question: its intent, its content words and the code that it names.

It is read once; every phase works with the result.
"""
