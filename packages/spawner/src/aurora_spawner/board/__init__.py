"""The board of a run: what its agents and its user tell each other while they work.

`drafts` reads a request to post and refuses what is no post, `board` keeps the posts of a run and writes each down
before anybody sees it, `digest` gives an agent the posts that concern it, as data in its prompt.
"""
