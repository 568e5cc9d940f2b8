"""The eight phases of a question, each a function from typed values to a typed value.

assess, retrieve, decompose, verify, collect, synthesize, record, respond.
"""
