"""Rate limits and outages of a provider, one gate for each account.

A limit that one agent meets pauses the account for all runs of the user; the gates are kept in one database.
"""
