"""Rate limits and outages of providers: one gate for each account.

A limit that one agent meets pauses the account for all runs of the user. The gates are kept in one database.
"""
